/**
 * What a replica that is not primary does about its authority: facts in, one action out. Pure; `../replication/machine.ts` carries
 * it out. The same decision serves at start: a replica that has heard nobody yet is a mirror whose grace runs from process start.
 *
 * Invariants: a swap is proposed only from an entry that was read and that names this replica; a promotion only when the grace has
 * passed since the last beacon that was acknowledged, and the machine has stopped acknowledging (rule 6).
 */
import { FEATURE_LEVEL } from '../ledger/feature-level.ts'
import type { LedgerEntry, LedgerReplica } from '../ledger/types.ts'
import { type NoteFacts, noteAgrees } from './entries.ts'
import { doubtWords, type LogEnd, mayLeaveOtherBehind } from './log-end.ts'
import type { RoleTimes } from './times.ts'

export interface StandbyFacts {
  readonly self: LedgerReplica
  readonly note: NoteFacts
  /** The newest entry read; null: there is none, or none was read yet. */
  readonly entry: LedgerEntry | null
  /** Since the ledger was read with success; null: never in this life. */
  readonly entryAgeMs: number | null
  readonly ledger: 'good' | 'away' | 'lost'
  /** The highest version of the ledger that this replica has seen or heard of. */
  readonly heardVersion: number
  readonly swapping: boolean
  /** A swap of ours has an unknown outcome. */
  readonly unsettled: boolean
  /** Since the last beacon of a primary was received, or since process start, if later. */
  readonly quietMs: number
  /** A primary's link stands and its log was compared. */
  readonly following: boolean
  readonly disk: 'good' | 'failed'
  /** Of the own log. */
  readonly end: LogEnd
  /** An administrator keeps this replica from becoming primary. */
  readonly fenced: boolean
  /** The highest epoch that this process life has written in. */
  readonly writtenEpoch: number
  /** The member that makes the first entry of a shard. */
  readonly preferred: boolean
  /** Whether the peer's directory has ever seen a ledger: `alone` for a shard with one replica. */
  readonly peerDirectory: 'new' | 'used' | 'unknown' | 'alone'
  /** What this replica's own log lacks or contradicts, as a link showed. */
  readonly trouble: 'none' | 'histories-differ'
  readonly times: RoleTimes
}

export type StandbyAction =
  | { readonly kind: 'none'; readonly phase: string }
  | { readonly kind: 'read-ledger'; readonly phase: string }
  /** Ask the peer whether its directory is new. */
  | { readonly kind: 'probe-peer'; readonly phase: string }
  /** Make the first entry, naming self alone. */
  | { readonly kind: 'create' }
  /** Named primary, in an epoch of another process life: swap to the next epoch first (rule 3). */
  | { readonly kind: 'claim'; readonly from: LedgerEntry }
  /** Named primary in an epoch that belongs to this process life and in which nothing was written. */
  | { readonly kind: 'take-up'; readonly entry: LedgerEntry }
  | { readonly kind: 'promote'; readonly from: LedgerEntry }
  | {
      readonly kind: 'stop'
      readonly code: 'LEDGER_LOST' | 'DISK_REPLACED' | 'HISTORIES_DIFFER' | 'BINARY_TOO_OLD'
      readonly phase: string
    }
  /** The disk failed: say goodbye to the primary and end the process. */
  | { readonly kind: 'exit'; readonly phase: string }

export function decideStandby(facts: StandbyFacts): StandbyAction {
  const { entry, ledger, times } = facts
  if (facts.disk === 'failed') return { kind: 'exit', phase: 'the disk failed' }
  if (facts.swapping) return { kind: 'none', phase: 'a change of the ledger is under way' }
  if (facts.trouble === 'histories-differ') {
    return {
      kind: 'stop',
      code: 'HISTORIES_DIFFER',
      phase: 'the primary holds a log with another history: one of the two volumes is not of this shard',
    }
  }
  if (entry !== null && entry.featureLevel > FEATURE_LEVEL) {
    return {
      kind: 'stop',
      code: 'BINARY_TOO_OLD',
      phase: `the members of this shard write at feature level ${entry.featureLevel}, this binary knows ${FEATURE_LEVEL}: run the newer image again`,
    }
  }
  if (facts.following && facts.quietMs < times.graceMs) return follow(facts)
  if (ledger === 'away') return retry(facts, 'the ledger is away')
  if (facts.entryAgeMs === null) return { kind: 'read-ledger', phase: 'reading the ledger' }
  if (ledger === 'lost') return decideLost(facts)
  if (entry === null) return decideFirst(facts)
  return decideNamed(facts, entry)
}

function follow(facts: StandbyFacts): StandbyAction {
  const { entry, entryAgeMs, self, times, heardVersion } = facts
  if (entry?.primary === self.id && facts.ledger === 'good') return office(facts, entry)
  // What the primary's beacons tell of is read at once, and a ledger that is not believed again and again: status shows it.
  const lost = facts.ledger === 'lost' && entryAgeMs !== null && entryAgeMs > times.lookMs
  const news = facts.ledger === 'good' && entry !== null && entry.version < heardVersion
  if (entryAgeMs === null || lost || news || entryAgeMs > times.lookMs * LOOKS_WHILE_FOLLOWING) {
    return { kind: 'read-ledger', phase: followingWords(facts) }
  }
  return { kind: 'none', phase: followingWords(facts) }
}

/** A mirror that hears its primary needs the ledger for status only. */
const LOOKS_WHILE_FOLLOWING = 10

function followingWords({ note }: StandbyFacts): string {
  return note.inSync ? 'mirror, in sync' : 'mirror, catching up'
}

function decideNamed(facts: StandbyFacts, entry: LedgerEntry): StandbyAction {
  const { self, note, quietMs, times, fenced, unsettled } = facts
  if (entry.primary === self.id) return office(facts, entry)
  const former = entry.replicas.find((replica) => replica.member === self.member && replica.id !== self.id)
  if (former && entry.inSync.length === 1 && entry.inSync[0] === former.id) {
    return {
      kind: 'stop',
      code: 'DISK_REPLACED',
      phase: `only this member's former directory ${former.incarnation} is in sync, and this one is another: put the old volume back or recover by force`,
    }
  }
  if (quietMs < times.graceMs && !unsettled) return retry(facts, 'waiting for the primary')
  if (!entry.inSync.includes(self.id)) return retry(facts, 'not in sync: only the primary can take this replica in')
  if (!noteAgrees(note, entry, self.id)) {
    return retry(
      facts,
      'the ledger calls this replica in sync, its own note does not: put back to an older state? It waits for the primary',
    )
  }
  if (fenced) return retry(facts, 'fenced: an administrator keeps this replica from taking over')
  const doubt = { end: facts.end, waitedMs: quietMs, times }
  if (!mayLeaveOtherBehind(doubt)) return retry(facts, doubtWords(doubt, 'the primary'))
  // From an entry that was read after the grace: an older one only costs a conflict, but fails again and again.
  if (stale(facts)) return { kind: 'read-ledger', phase: 'the primary is silent: reading the ledger' }
  return { kind: 'promote', from: entry }
}

/** The ledger names this replica. */
function office(facts: StandbyFacts, entry: LedgerEntry): StandbyAction {
  const { self, note, writtenEpoch, fenced } = facts
  if (fenced) return retry(facts, 'fenced: named primary, but an administrator keeps this replica from serving')
  const life = entry.replicas.find((replica) => replica.id === self.id)?.bootId
  if (life === self.bootId && entry.epoch > writtenEpoch && entry.epoch >= note.promisedEpoch) {
    return { kind: 'take-up', entry }
  }
  return { kind: 'claim', from: entry }
}

/** Rule 13: a first entry is made only when both replica directories are new. */
function decideFirst(facts: StandbyFacts): StandbyAction {
  const { note, preferred, peerDirectory } = facts
  // The ledger is not called lost, so it was read before this replica heard of an entry.
  if (note.ledgerVersion > 0) return { kind: 'read-ledger', phase: 'reading the ledger' }
  if (!preferred) return retry(facts, 'waiting for the preferred member to make the first ledger entry')
  switch (peerDirectory) {
    case 'new':
    case 'alone':
      return { kind: 'create' }
    case 'unknown':
      return { kind: 'probe-peer', phase: 'new: asking the other member whether it is new too' }
    case 'used':
      return {
        kind: 'stop',
        code: 'LEDGER_LOST',
        phase:
          'LedgerLost: this directory is new, that of the other member has seen a ledger, and the ledger has no entry',
      }
    default:
      return peerDirectory satisfies never
  }
}

function decideLost(facts: StandbyFacts): StandbyAction {
  const { note, entry } = facts
  const held = entry === null ? 'has no entry' : `holds version ${entry.version}`
  const phase = `LedgerLost: the ledger ${held}, this replica has seen ${note.ledgerVersion}: nothing is served until it is restored`
  // Not a stop: the serving primary may make it anew, or an administrator restore it.
  return retry(facts, phase)
}

function stale({ entryAgeMs, quietMs, times }: StandbyFacts): boolean {
  return entryAgeMs === null || entryAgeMs > Math.max(0, quietMs - times.graceMs) + times.beaconMs
}

/** Nothing to do but to look again from time to time. */
function retry(facts: StandbyFacts, phase: string): StandbyAction {
  const { entryAgeMs, times, ledger } = facts
  const due = entryAgeMs === null || entryAgeMs >= times.lookMs || ledger === 'away'
  return due ? { kind: 'read-ledger', phase } : { kind: 'none', phase }
}
