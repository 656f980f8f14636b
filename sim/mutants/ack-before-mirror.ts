/** Commits what is durable on one disk, whether the other one has it or not. */
import { type Lsn, toLsn } from '#lib/mail/types.ts'
import type { ReplicaId } from '#shard/ledger/types.ts'

export * from '#shard/roles/entries.ts'

export function commitBound(required: readonly ReplicaId[], durable: ReadonlyMap<ReplicaId, Lsn>, commit: Lsn): Lsn {
  return toLsn(Math.max(commit, ...required.map((id) => durable.get(id) ?? 0)))
}
