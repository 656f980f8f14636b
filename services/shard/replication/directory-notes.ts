/** The replica's note in the words of replication, kept by the replica directory. */
import type { ReplicaDirectory } from '../log/replica-directory.ts'
import type { NoteStore } from './ports.ts'

/** @param directory Open, and open for as long as the notes are used. */
export function noteStore(directory: ReplicaDirectory): NoteStore {
  return {
    get note() {
      const { highestEpochPromised, highestLedgerVersion, inSync, jumpUids } = directory.note
      return { promisedEpoch: highestEpochPromised, ledgerVersion: highestLedgerVersion, inSync, jumpUids }
    },
    writeNote: ({ promisedEpoch, ledgerVersion, inSync, jumpUids }) =>
      directory.storeNote({
        highestEpochPromised: promisedEpoch,
        highestLedgerVersion: ledgerVersion,
        inSync,
        jumpUids,
      }),
  }
}
