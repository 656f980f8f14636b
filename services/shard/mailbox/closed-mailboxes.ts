/**
 * Keeps the UID maps of mailboxes that were closed a moment ago: clients select the same few again and again, and a map of
 * 10,000 UIDs costs some milliseconds to read. The least recently closed ones are dropped beyond the limit.
 */
import type { MailboxState } from './mailbox-state.ts'

export class ClosedMailboxes {
  readonly #uidsMax: number
  /** In the order of closing, with what each counted when it was closed. */
  readonly #closed = new Map<MailboxState, number>()
  #uids = 0

  /** @param uidsMax Over all maps that are kept; 4 bytes each. */
  constructor(uidsMax: number) {
    this.#uidsMax = uidsMax
  }

  /** To be called when the last listener of `mailbox` left. */
  closed(mailbox: MailboxState): void {
    this.reopened(mailbox)
    const uids = mailbox.row.messages + UIDS_OF_AN_EMPTY_MAP
    this.#closed.set(mailbox, uids)
    this.#uids += uids
    for (const [oldest, count] of this.#closed) {
      if (this.#uids <= this.#uidsMax) return
      this.#closed.delete(oldest)
      this.#uids -= count
      oldest.unload()
    }
  }

  reopened(mailbox: MailboxState): void {
    this.#uids -= this.#closed.get(mailbox) ?? 0
    this.#closed.delete(mailbox)
  }
}

/** Keywords, objects: what a map costs beside its UIDs. */
const UIDS_OF_AN_EMPTY_MAP = 256
