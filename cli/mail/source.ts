/** Where letters come from: another server, a Maildir, an mbox file. */
import type { Letter } from './mailbox-client.ts'

export interface SourceLetter extends Letter {
  /** What tells it from the others of its folder, for good: a UID, the name of a file, an offset. No blanks. */
  readonly id: string
}

export interface SourceFolder {
  /** From the top down; `INBOX` alone is the inbox. */
  readonly path: readonly string[]
  /** As `\Sent`; null: none. */
  readonly specialUse: string | null
  readonly subscribed: boolean
  /** Ids mean other letters when this is another one: UIDVALIDITY. */
  readonly validity: string
  /** Those that are not `known`, in an order that stays. */
  letters(known: ReadonlySet<string>): AsyncIterable<SourceLetter>
}

export interface MailSource {
  /** What the journal is kept by: no password in it. */
  readonly name: string
  folders(): AsyncIterable<SourceFolder>
  close(): Promise<void>
}
