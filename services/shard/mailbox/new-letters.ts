/**
 * Letters that clients bring: APPEND (RFC 9051 section 6.3.12), several at once (RFC 3502), one in the place of another (RFC 8508).
 * Large bodies go into the log before the decision; what refers to them is one record, so all of it happens or nothing.
 */
import type { NewLetter } from '#lib/imap/store.ts'
import type { Uid } from '#lib/mail/types.ts'
import { randomId } from '#lib/ports/random.ts'
import { StoreError } from '../errors.ts'
import type { NewRecord } from '../log/types.ts'
import type { NewMessage } from '../records/types.ts'
import type { AccountState } from './account-state.ts'
import { BodyWriter } from './body-writer.ts'
import { EMAIL_ID_LENGTH } from './limits.ts'
import type { MailboxState } from './mailbox-state.ts'
import { checkKeywords } from './message-flags.ts'
import { canonicalName } from './names.ts'
import type { StoreCore } from './store-core.ts'

const NO_HEADER_BLOCK = new Uint8Array(0)

/** What is appended as one step. */
export interface PlacedLetters {
  readonly messages: readonly NewMessage[]
  readonly bodies: readonly NewRecord[]
  readonly uids: readonly Uid[]
}

export class NewLetters {
  readonly #core: StoreCore
  readonly #letters: { readonly letter: NewLetter; readonly body: BodyWriter }[] = []

  private constructor(core: StoreCore) {
    this.#core = core
  }

  /** Takes the bytes in; whole MiB of them are in the log when this resolves. @throws {StoreError} STORE_BODY_TOO_LARGE, STORE_UNAVAILABLE */
  static async write(core: StoreCore, letters: readonly NewLetter[]): Promise<NewLetters> {
    const written = new NewLetters(core)
    for (const letter of letters) {
      const body = new BodyWriter(core)
      for (const piece of letter.body) await body.write(piece)
      written.#letters.push({ letter, body })
    }
    return written
  }

  get count(): number {
    return this.#letters.length
  }

  get sizeBytes(): number {
    return this.#letters.reduce((sum, { body }) => sum + body.sizeBytes, 0)
  }

  /** Gives them UIDs and one MODSEQ. Nothing may be appended between this call and the append of what it returns. @throws {StoreError} STORE_LIMIT */
  place(account: AccountState, mailbox: MailboxState): PlacedLetters {
    const { index, limits, clock, random } = this.#core
    const known = mailbox.keywords(index)
    const flags = this.#letters.map(({ letter }) => checkKeywords(known, letter.flags, limits))
    const nowMs = clock.nowMs()
    const modSeq = account.takeModSeq()
    const bodies: NewRecord[] = []
    const messages = this.#letters.map(({ letter, body }, i): NewMessage => {
      const { records, reference } = body.attach(bodies.length)
      bodies.push(...records)
      return {
        uid: mailbox.takeUid(),
        modSeq,
        flags: flags[i] ?? letter.flags,
        internalDateMs: letter.internalDateMs ?? nowMs,
        saveDateMs: nowMs,
        emailId: randomId(random, EMAIL_ID_LENGTH),
        headerBlock: NO_HEADER_BLOCK,
        body: reference,
      }
    })
    return { messages, bodies, uids: messages.map(({ uid }) => uid) }
  }
}

/** The mailbox that is to take `count` more. @throws {StoreError} STORE_NO_TARGET, STORE_LIMIT */
export function letterTarget(core: StoreCore, account: AccountState, name: string, count: number): MailboxState {
  const mailbox = account.find(canonicalName(name))
  // RFC 9051 section 6.3.12: TRYCREATE, and never create it by ourselves.
  if (mailbox === undefined) {
    throw new StoreError('STORE_NO_TARGET', `Cannot find mailbox ${JSON.stringify(name.slice(0, 80))}`)
  }
  if (mailbox.messagesTaken + count > core.limits.messagesPerMailboxMax || mailbox.uidsLeft < count) {
    throw new StoreError('STORE_LIMIT', `Cannot add ${count} messages to ${mailbox.row.name}: it is full`)
  }
  return mailbox
}
