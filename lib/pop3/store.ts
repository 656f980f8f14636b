/** The port through which a POP3 session reaches its maildrop: INBOX, locked for one session (RFC 1939 section 3). */
import type { MessageBytes } from '#lib/imap/store.ts'
import type { Uid } from '#lib/mail/types.ts'

export interface MaildropMessage {
  readonly uid: Uid
  readonly sizeBytes: number
  /** UIDL: stable for the life of the message, also across account moves. 1..70 of %x21-7E. */
  readonly uidl: string
}

export interface Maildrop {
  /** Fixed when the session began: messages that arrive later are not part of it. */
  readonly messages: readonly MaildropMessage[]
  message(uid: Uid): MessageBytes | null
  /** UPDATE state: removes the messages and resolves when that is durable on every in-sync disk. */
  remove(uids: readonly Uid[]): Promise<void>
  /** Frees the exclusive lock; safe to call more than once. */
  release(): void
}
