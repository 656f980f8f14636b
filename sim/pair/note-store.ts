/** The replica's note as replication wants it, kept in the replica directory. */
import type { ReplicaDirectory } from '#shard/log/replica-directory.ts'
import type { NoteStore } from '#shard/replication/ports.ts'

export function noteStore(directory: ReplicaDirectory): NoteStore {
  return {
    get note() {
      const { highestEpochPromised, highestLedgerVersion, inSync } = directory.note
      return { promisedEpoch: highestEpochPromised, ledgerVersion: highestLedgerVersion, inSync }
    },
    writeNote: ({ promisedEpoch, ledgerVersion, inSync }) =>
      directory.storeNote({ highestEpochPromised: promisedEpoch, highestLedgerVersion: ledgerVersion, inSync }),
  }
}
