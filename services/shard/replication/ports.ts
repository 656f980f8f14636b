/**
 * What replication needs of its surroundings beside clock, chance, ledger and network: the log with its raw records, and the
 * replica's note. `../log` implements both (`log.ts`, `replica-directory.ts`).
 */
import type { Epoch } from '#lib/mail/types.ts'

export type { EpochStart } from '../log/epochs.ts'
export type { PeerRecord } from '../log/repair.ts'
export type { CutTail, RawBatch, ReplicaLog } from '../log/replica-log.ts'
export type { LsnRange } from '../log/tail.ts'

/** What a replica must remember whatever happens to the ledger (`../log/replica-directory.ts`). */
export interface ReplicaNote {
  /** The highest ever promised: frames of lower epochs are refused. */
  readonly promisedEpoch: Epoch
  /** The highest ledger version ever seen. */
  readonly ledgerVersion: number
  /** The replica holds all that was committed up to that ledger version, and all since while it is required (rule 5). */
  readonly inSync: boolean
  /** Rule 11: UIDs that are passed over when this replica next begins an epoch, because it was made primary by force. 0: none. */
  readonly jumpUids: number
}

export interface NoteStore {
  readonly note: ReplicaNote
  /** Durable when it resolves. Calls must not overlap: `NoteKeeper` sees to it. */
  writeNote(note: ReplicaNote): Promise<void>
}
