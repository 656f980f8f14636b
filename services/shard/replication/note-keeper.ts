/**
 * Writes the replica's note, one write at a time. Invariants: the promised epoch and the ledger version only grow; `update` resolves
 * when the change is durable.
 */
import { assert } from '#lib/errors/assert.ts'
import type { NoteStore, ReplicaNote } from './ports.ts'

export class NoteKeeper {
  readonly #store: NoteStore
  #last: Promise<void> = Promise.resolve()

  constructor(store: NoteStore) {
    this.#store = store
  }

  /** As it is durable now. */
  get note(): ReplicaNote {
    return this.#store.note
  }

  /** @param change Called when all former updates are done; an equal note is not written again. */
  update(change: (note: ReplicaNote) => ReplicaNote): Promise<void> {
    const done = this.#last.then(() => this.#write(change(this.note)))
    this.#last = done.catch(() => {}) // whoever asked hears of it; the next write is tried all the same
    return done
  }

  async #write(next: ReplicaNote): Promise<void> {
    const now = this.note
    assert(next.promisedEpoch >= now.promisedEpoch, 'a promise is never taken back')
    assert(next.ledgerVersion >= now.ledgerVersion, 'a ledger version is never forgotten')
    const same =
      next.promisedEpoch === now.promisedEpoch &&
      next.ledgerVersion === now.ledgerVersion &&
      next.inSync === now.inSync &&
      next.jumpUids === now.jumpUids
    if (!same) await this.#store.writeNote(next)
  }
}
