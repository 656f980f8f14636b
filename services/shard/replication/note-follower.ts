/** Lets the replica's note follow the ledger, in the background. Invariant: each version is looked at once. */
import type { LedgerAgent } from '../ledger/agent.ts'
import type { ReplicaId } from '../ledger/types.ts'
import { noteAgrees } from '../roles/entries.ts'
import type { DiskWatch } from './disk-watch.ts'
import type { NoteKeeper } from './note-keeper.ts'

export interface NoteFollowerOptions {
  readonly self: ReplicaId
  readonly agent: LedgerAgent
  readonly notes: NoteKeeper
  readonly disk: DiskWatch
}

export class NoteFollower {
  readonly #options: NoteFollowerOptions
  #notedVersion = 0

  constructor(options: NoteFollowerOptions) {
    this.#options = options
  }

  /**
   * A replica that is not primary stores what it read only where that takes it out of sync: a version in which it stays in sync is
   * stored with the primary's word (`standing`), and until then an older ledger that is put back names it with right.
   */
  follow(primary: boolean): void {
    const { self, agent, notes, disk } = this.#options
    const entry = agent.base
    if (entry === null || entry.version <= this.#notedVersion) return
    this.#notedVersion = entry.version
    const stored = notes.update((note) => {
      if (entry.version <= note.ledgerVersion) return note
      if (primary) return { ...note, ledgerVersion: entry.version }
      return noteAgrees(note, entry, self) ? note : { ...note, ledgerVersion: entry.version, inSync: false }
    })
    stored.catch((error: unknown) => {
      disk.fail(error)
    })
  }
}
