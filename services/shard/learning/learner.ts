/** Reads letters that users have sorted and hands them to whoever learns, one after the other, behind everything else. */
import type { AccountId } from '#lib/mail/types.ts'
import { Headers } from '#lib/mime/mod.ts'
import { messageBytes } from '../mailbox/message-bytes.ts'
import type { StoreCore } from '../mailbox/store-core.ts'
import type { Lesson } from './lesson.ts'

export interface TaughtLetter {
  readonly kind: Lesson['kind']
  /** Address that it was delivered to; empty: it came another way. */
  readonly owner: string
  /** As it was received; of a large one the beginning. */
  readonly letter: Uint8Array
}

/** Whoever learns. */
export interface Teacher {
  /** Never rejects: a lesson that nobody hears is lost. */
  teach(letter: TaughtLetter): Promise<void>
}

export const LESSONS_WAITING_MAX = 1_000
export const LESSONS_PER_DAY = 200
/** Of one letter: filters read no more of its text. */
const LETTER_BYTES_MAX = 256 * 1024
/** Of one sorting: who moves ten thousand letters says it with the first hundred. */
const UIDS_PER_LESSON_MAX = 100
const DAY_MS = 24 * 60 * 60_000

export class Learner {
  readonly #core: StoreCore
  readonly #teacher: Teacher
  #waiting: Lesson[] = []
  #telling = false
  #stopped = false
  #day = 0
  readonly #taughtToday = new Map<AccountId, number>()

  constructor(core: StoreCore, teacher: Teacher) {
    this.#core = core
    this.#teacher = teacher
  }

  take({ uids, ...lesson }: Lesson): void {
    if (this.#stopped) return
    for (const uid of uids.slice(0, UIDS_PER_LESSON_MAX)) {
      if (this.#waiting.length >= LESSONS_WAITING_MAX || !this.#mayTeach(lesson.account)) break
      this.#waiting.push({ ...lesson, uids: [uid] })
    }
    void this.#tell()
  }

  stop(): void {
    this.#stopped = true
    this.#waiting = []
  }

  async #tell(): Promise<void> {
    if (this.#telling) return
    this.#telling = true
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const letter = await this.#read(next).catch(() => null) // deleted meanwhile, or the shard is stopping
      if (letter !== null && !this.#stopped) await this.#teacher.teach(letter)
    }
    this.#telling = false
  }

  async #read({ kind, account, mailbox, uids }: Lesson): Promise<TaughtLetter | null> {
    const row = this.#core.account(account).mailbox(mailbox)?.row
    const [uid] = uids
    const source = row === undefined || uid === undefined ? null : this.#core.index.source(row.key, uid)
    if (source === null) return null
    const start = source.headerBlock.byteLength
    const length = Math.min(source.body.sizeBytes, LETTER_BYTES_MAX)
    const letter = await messageBytes(this.#core.bodies, source).read(start, length)
    return { kind, owner: new Headers(source.headerBlock).first('Delivered-To') ?? '', letter }
  }

  #mayTeach(account: AccountId): boolean {
    const day = Math.floor(this.#core.clock.nowMs() / DAY_MS)
    if (day !== this.#day) {
      this.#day = day
      this.#taughtToday.clear()
    }
    const taught = this.#taughtToday.get(account) ?? 0
    if (taught >= LESSONS_PER_DAY) return false
    this.#taughtToday.set(account, taught + 1)
    return true
  }
}
