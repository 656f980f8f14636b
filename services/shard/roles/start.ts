/**
 * What a replica may do when its process starts: a pure decision from facts. Only carrying it out is elsewhere (`../replica.ts`).
 *
 * An epoch belongs to one process life (replication.md rule 3), so even the primary of the ledger first swaps to the next
 * epoch. A first entry is made only by a replica whose directory is new; a directory that has seen a ledger never accepts an
 * empty or older one (rule 13).
 */

import { toEpoch } from '#lib/mail/types.ts'
import type { Random } from '#lib/ports/random.ts'
import { randomId } from '#lib/ports/random.ts'
import type { LedgerEntry, LedgerReplica } from '../ledger/types.ts'

export interface StartFacts {
  readonly self: LedgerReplica
  /** Null: the ledger has no entry for this shard. */
  readonly entry: LedgerEntry | null
  /** The directory was made by this very start. */
  readonly newDirectory: boolean
  /** Highest ledger version this directory has seen, 0 for none. */
  readonly seenVersion: number
  /** The member that the shard prefers as primary. */
  readonly preferred: boolean
}

export type StartDecision =
  /** Make the first entry, naming self. */
  | { readonly kind: 'create' }
  /** Take the next epoch from exactly this entry. */
  | { readonly kind: 'claim'; readonly from: LedgerEntry }
  /** Serve nothing and look again later; `phase` says why, for status. */
  | { readonly kind: 'wait'; readonly phase: string }
  /** Serve nothing until an administrator acts. */
  | { readonly kind: 'stop'; readonly code: 'LEDGER_LOST' | 'DISK_REPLACED'; readonly phase: string }

export function decideAtStart(facts: StartFacts): StartDecision {
  const { self, entry, newDirectory, seenVersion, preferred } = facts
  if (entry === null) {
    if (!newDirectory && seenVersion > 0) {
      return {
        kind: 'stop',
        code: 'LEDGER_LOST',
        phase: `the ledger has no entry, but this replica has seen version ${seenVersion}: restore the ledger before anything is written`,
      }
    }
    if (preferred) return { kind: 'create' }
    return { kind: 'wait', phase: 'waiting for the preferred member to make the first ledger entry' }
  }
  if (entry.version < seenVersion) {
    return {
      kind: 'stop',
      code: 'LEDGER_LOST',
      phase: `the ledger went back to version ${entry.version}, this replica has seen ${seenVersion}: restore the ledger before anything is written`,
    }
  }
  if (entry.primary === self.id) return { kind: 'claim', from: entry }
  const replaced = entry.replicas.find((replica) => replica.member === self.member && replica.id !== self.id)
  if (replaced && entry.primary === replaced.id) {
    return {
      kind: 'stop',
      code: 'DISK_REPLACED',
      phase: `the ledger's primary is this member's former directory ${replaced.incarnation}; this one is empty: put the old volume back or recover from a backup`,
    }
  }
  return { kind: 'wait', phase: 'another replica is primary; mirroring is not part of this version' }
}

/** The first entry of a shard: epoch 1, only the maker in sync. */
export function firstEntry(self: LedgerReplica, random: Random): LedgerEntry {
  return {
    version: 1,
    epoch: toEpoch(1),
    primary: self.id,
    inSync: [self.id],
    replicas: [self],
    featureLevel: 1,
    nonce: randomId(random, 16),
  }
}

/** `from` with the next epoch for this process life; the in-sync set stays as it is. */
export function claimedEntry(from: LedgerEntry, self: LedgerReplica, random: Random): LedgerEntry {
  return {
    ...from,
    version: from.version + 1,
    epoch: toEpoch(from.epoch + 1),
    primary: self.id,
    replicas: from.replicas.map((replica) => (replica.id === self.id ? self : replica)),
    nonce: randomId(random, 16),
  }
}
