/**
 * Rule 11: `promote --force`. A replica that is not in sync takes over because a person says so. Pure: what is demanded, and in words
 * what may be lost. Nothing here is ever decided by a program alone.
 */
import type { LedgerEntry, LedgerReplica } from '../ledger/types.ts'
import type { RoleTimes } from './times.ts'

export interface ForceFacts {
  readonly self: LedgerReplica
  /** `ended`: it stopped for good, and says why. */
  readonly role: 'standby' | 'primary' | 'ended'
  readonly fenced: boolean
  readonly entry: LedgerEntry | null
  readonly ledger: 'good' | 'away' | 'lost'
  /** Since the other member was heard. */
  readonly quietMs: number
  readonly lastLsn: number
  readonly commit: number
  /** Wall time of the newest record here, ms; null: the log is empty. */
  readonly newestMs: number | null
  /** What the person gave as proof that the other member is stopped. */
  readonly proof: ForceProof | null
  /** Name of the other member's pod, as it must be typed. */
  readonly otherPod: string
  readonly times: RoleTimes
}

export type ForceProof =
  /** The operator saw the pod gone and the node fenced. */
  | { readonly kind: 'fenced'; readonly by: string }
  /** A person typed the name of the member that stays stopped. */
  | { readonly kind: 'typed'; readonly member: string }

export type ForceDecision =
  | { readonly kind: 'refuse'; readonly reason: string }
  /** `from` null: the ledger is lost and is made anew. */
  | { readonly kind: 'promote'; readonly from: LedgerEntry | null; readonly mayLose: string }

export function decideForce(facts: ForceFacts): ForceDecision {
  const { self, role, entry, ledger, quietMs, proof, otherPod, times } = facts
  if (role === 'primary') return refuse('this replica is primary already')
  if (role === 'ended') return refuse('this replica has stopped; its phase in status says why')
  if (facts.fenced) return refuse('this replica is fenced: unfence it first')
  if (ledger === 'away') return refuse('the ledger is away: without it two replicas could become primary')
  if (quietMs < times.graceMs) return refuse('the other member was heard a moment ago: it lives, use switchover')
  if (proof === null)
    return refuse(`proof is needed that ${otherPod} is stopped and stays so: fence it, or type its name`)
  if (proof.kind === 'typed' && proof.member !== otherPod) {
    return refuse(`${JSON.stringify(proof.member)} is not the name of the other member, ${otherPod}`)
  }
  if (facts.newestMs === null) return refuse('this replica is empty: there is nothing to recover from')
  if (ledger === 'good' && entry === null) return refuse('the ledger has no entry yet: this shard was never in use')
  const from = ledger === 'lost' ? null : entry
  return { kind: 'promote', from, mayLose: whatMayBeLost(facts, entry, self) }
}

function whatMayBeLost(
  { newestMs, lastLsn, commit }: ForceFacts,
  entry: LedgerEntry | null,
  self: LedgerReplica,
): string {
  const upTo = newestMs === null ? 'nothing' : new Date(newestMs).toISOString()
  if (entry?.inSync.includes(self.id)) {
    return `nothing that was acknowledged, if this disk kept its word: the ledger calls this replica in sync (last record ${lastLsn}, ${upTo})`
  }
  return (
    `everything that the other member acknowledged after this one left: this one's last record is ${lastLsn} of ${upTo}, ` +
    `it knows commit ${commit}. Flags and moves since then are lost too, and expunged mail comes back`
  )
}

function refuse(reason: string): ForceDecision {
  return { kind: 'refuse', reason }
}
