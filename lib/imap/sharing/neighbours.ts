/** The port through which a session finds what other accounts share with it. */
import type { MailboxInfo, OwnerAccount } from '../store.ts'

/** Who a session speaks for. */
export interface Identity {
  /** The primary address, in lower case. */
  readonly address: string
  /** All addresses, the primary one too. */
  readonly addresses: readonly string[]
}

export interface SharedMailbox {
  readonly account: OwnerAccount
  /** The owner's address. */
  readonly owner: string
  /** As the owner sees it. */
  readonly mailbox: MailboxInfo
}

export interface Neighbours {
  /** Mailboxes of other accounts that have a grant for one of `identifiers`; committed state, in no order. */
  sharedWith(identifiers: readonly string[]): readonly SharedMailbox[]
  /** Calls `listener` after each commit that changed a grant for one of `identifiers`. @returns The end of it, safe to call again */
  watchGrants(identifiers: readonly string[], listener: () => void): () => void
  /** Whether an account that can be reached has this address. */
  knows(address: string): boolean
}
