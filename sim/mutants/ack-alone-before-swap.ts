/** Believes in a change of the ledger as soon as it was asked for: commits alone while the shrink is under way. */
import type { LedgerEntry, ReplicaId } from '#shard/ledger/types.ts'
import { requiredMembers as required } from '#shard/roles/entries.ts'

export * from '#shard/roles/entries.ts'

export function requiredMembers(mayHold: readonly LedgerEntry[], growing: ReplicaId | null): readonly ReplicaId[] {
  return required(mayHold.slice(-1), growing)
}
