/** The replica's note in the words of replication, kept by the replica directory. */
import type { ReplicaDirectory } from '../log/replica-directory.ts'
import type { SpaceWait } from '../log/space-wait.ts'
import type { NoteStore } from './ports.ts'

/** @param directory Open, and open for as long as the notes are used. @param space Where a note waits for which there is no room. */
export function noteStore(directory: ReplicaDirectory, space: SpaceWait): NoteStore {
  return {
    get note() {
      const { highestEpochPromised, highestLedgerVersion, inSync, jumpUids } = directory.note
      return { promisedEpoch: highestEpochPromised, ledgerVersion: highestLedgerVersion, inSync, jumpUids }
    },
    writeNote: ({ promisedEpoch, ledgerVersion, inSync, jumpUids }) =>
      // Each try begins a new file: one whose sync failed is not used.
      space.run(() =>
        directory.storeNote({
          highestEpochPromised: promisedEpoch,
          highestLedgerVersion: ledgerVersion,
          inSync,
          jumpUids,
        }),
      ),
  }
}
