/** A primary that starts again goes on in the epoch of its former life. */
import type { Change } from '#shard/ledger/agent.ts'
import type { LedgerEntry, LedgerReplica } from '#shard/ledger/types.ts'
import { claimed as claim } from '#shard/roles/entries.ts'

export * from '#shard/roles/entries.ts'

export function claimed(from: LedgerEntry, self: LedgerReplica): Change {
  return { ...claim(from, self), epoch: from.epoch }
}
