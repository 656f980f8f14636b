/** A maildrop in memory for the tests of the session engine. */
import { known } from '#lib/errors/assert.ts'
import { toUid, type Uid } from '#lib/mail/types.ts'
import type { OutputSink } from '../session/output.ts'
import type { Maildrop, MaildropMessage } from '../store.ts'

export class MemoryMaildrop implements Maildrop {
  readonly messages: readonly MaildropMessage[]
  readonly #bodies: ReadonlyMap<Uid, Buffer>
  readonly #readBytesMax: number
  /** UIDs given to `remove`, in its order; null before it was called. */
  removed: readonly Uid[] | null = null
  releaseCount = 0
  removeError: Error | null = null
  /** Messages that another session has expunged for good. */
  readonly gone = new Set<Uid>()

  /** @param readBytesMax Most that one read gives: the store may answer short. */
  constructor(bodies: readonly Buffer[], readBytesMax = Number.POSITIVE_INFINITY) {
    const uids = bodies.map((_, index) => toUid(index * 3 + 7))
    this.#readBytesMax = readBytesMax
    this.#bodies = new Map(bodies.map((body, index) => [known(uids[index], 'a UID per body'), body]))
    this.messages = [...this.#bodies].map(([uid, body]) => ({ uid, sizeBytes: body.length, uidl: `v1.${uid}` }))
  }

  message(uid: Uid) {
    const body = this.#bodies.get(uid)
    if (body === undefined || this.gone.has(uid)) return null
    const readBytesMax = this.#readBytesMax
    return {
      sizeBytes: body.length,
      async read(offset: number, length: number) {
        return body.subarray(offset, offset + Math.min(length, readBytesMax))
      },
    }
  }

  async remove(uids: readonly Uid[]) {
    if (this.removeError) throw this.removeError
    this.removed = uids
  }

  release() {
    this.releaseCount++
  }
}

/** Keeps what was written; `pauseEach` makes every write ask for a pause, to walk the back-pressure path. */
export class MemorySink implements OutputSink {
  #chunks: Buffer[] = []
  drainCount = 0
  largestBytes = 0
  readonly #pauseEach: boolean

  constructor(pauseEach = true) {
    this.#pauseEach = pauseEach
  }

  write(bytes: Uint8Array): boolean {
    this.#chunks.push(Buffer.from(bytes))
    this.largestBytes = Math.max(this.largestBytes, bytes.byteLength)
    return !this.#pauseEach
  }

  async drained(): Promise<void> {
    this.drainCount++
  }

  take(): Buffer {
    const all = Buffer.concat(this.#chunks)
    this.#chunks = []
    return all
  }
}
