/**
 * Giving a shard back: after a failover one member serves more than its share, until the preferred one has proved for a while that it
 * keeps up. Pure; `../give-back.ts` gathers the facts and asks for an ordinary switchover, which has its own conditions.
 */

export interface GiveBackFacts {
  /** This replica is primary and not the member that its shard prefers. */
  readonly awayFromHome: boolean
  /** How long both members must have been in sync; null: the shard stays where it is until somebody says otherwise. */
  readonly afterMs: number | null
  /** For how long both have been in sync without a break, as this process has seen it; null: they are not. */
  readonly pairedMs: number | null
  /** Since this replica tried last, with or without success; null: never in this process life. */
  readonly triedMs: number | null
  readonly ledger: 'good' | 'away' | 'lost'
  /** The other member would not serve: fenced, or about to stop. */
  readonly peerStandsBack: boolean
  /** It has rotten records to repair. */
  readonly peerDamaged: boolean
  /** Durable here and not there. */
  readonly lagBytes: number
}

/** More than one moment's writes: the mirror is behind, and a handover would have to wait for it. */
const LAG_BYTES_MAX = 1024 * 1024

/** @returns null: give it back now; else why not, in words. */
export function whyKeep(facts: GiveBackFacts): string | null {
  const { afterMs, pairedMs, triedMs } = facts
  if (!facts.awayFromHome) return 'it is where it belongs'
  if (afterMs === null) return 'it stays until it is handed over by hand'
  if (pairedMs === null) return 'the other member is not in sync'
  if (pairedMs < afterMs) return 'the other member has not been in sync for long enough'
  if (triedMs !== null && triedMs < afterMs) return 'it was tried a while ago'
  if (facts.ledger !== 'good') return 'the ledger cannot be used'
  if (facts.peerStandsBack) return 'the other member is fenced or about to stop'
  if (facts.peerDamaged) return 'the other member has rotten records'
  return facts.lagBytes > LAG_BYTES_MAX ? 'the other member is behind' : null
}
