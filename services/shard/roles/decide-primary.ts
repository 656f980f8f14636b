/**
 * What a primary does about its authority: facts in, one action out. Pure; `../replication/machine.ts` carries it out and asks
 * again whenever a fact changed. Rules: docs/internals/replication.md.
 *
 * Order of the cases is their priority: a replica that is not primary any more steps down before anything else; nothing is
 * swapped while a swap is under way; an unknown outcome is settled before the next change.
 */
import type { Epoch } from '#lib/mail/types.ts'
import type { LedgerEntry, ReplicaId } from '../ledger/types.ts'
import { type DoubtFacts, doubtWords, type LogEnd, mayLeaveOtherBehind } from './log-end.ts'
import type { RoleTimes } from './times.ts'

/** The peer as the primary sees it on the present link. */
export interface MirrorFacts {
  readonly id: ReplicaId
  /**
   * `comparing`: logs are compared, nothing was sent. `refused-below-commit`: it knows commits that this log lacks. `ahead`: it holds
   * records that this log, whose end was damaged, may have lost. `histories-differ`: the logs have nothing in common. `unreadable`: a
   * record that it lacks is rotten here. `copying`: from LSN 1. `streaming`: catching up or up to date.
   */
  readonly phase:
    | 'comparing'
    | 'refused-below-commit'
    | 'ahead'
    | 'histories-differ'
    | 'unreadable'
    | 'copying'
    | 'streaming'
  /** Age of the oldest record that was sent or is durable here and is not acknowledged; while comparing: since the link stands. */
  readonly unackedMs: number
  /** Durable here and not there. */
  readonly lagBytes: number
  /** It waits for space on its disk (rule 16): its acknowledgements come when there is some. */
  readonly full: boolean
  /** It lost records that it had acknowledged as durable, or says that its disk failed. */
  readonly broken: boolean
  /** Records of its log are rotten, or its end is in doubt, as far as it knows. */
  readonly damaged: boolean
  /** Fenced, or about to stop: it would not serve if it were made primary. */
  readonly standsBack: boolean
  /** Growing in: its acknowledgements are required for what is new. */
  readonly growing: boolean
  /** Growing in: it acknowledged everything up to the barrier. */
  readonly heldBarrier: boolean
  /** Growing in: the ledger version for which it stored that it is in sync, or null. */
  readonly readyFor: number | null
  /** Everything that was appended is durable there. */
  readonly complete: boolean
}

export interface PrimaryFacts {
  readonly self: ReplicaId
  /** All that the ledger may hold, the newest last; one entry: its content is known. */
  readonly mayHold: readonly LedgerEntry[]
  readonly ledger: 'good' | 'away' | 'lost'
  readonly swapping: boolean
  /** Of this term of office. */
  readonly epoch: Epoch
  /** Highest epoch that the peer promised, 0 if unknown. */
  readonly heardEpoch: number
  readonly disk: 'good' | 'full' | 'slow' | 'failed'
  /** The first record of the epoch was appended. */
  readonly begun: boolean
  /** Of the own log. */
  readonly end: LogEnd
  /** Null: there is no link. */
  readonly mirror: MirrorFacts | null
  /** Since the peer was heard last, or since this term began, if later. */
  readonly silentMs: number
  readonly inOfficeMs: number
  /** What an administrator asked for. */
  readonly request: 'none' | 'switchover'
  /** How long new operations are held back for a handover, or null. */
  readonly drainingMs: number | null
  readonly times: RoleTimes
}

export type PrimaryChange = 'shrink' | 'grow' | 'keep' | 'hand-over' | 'abandon'

export type PrimaryAction =
  /** `phase` says for status what is going on; null: all is well. */
  | { readonly kind: 'none'; readonly phase: string | null }
  | { readonly kind: 'begin-epoch' }
  | { readonly kind: 'swap'; readonly change: PrimaryChange; readonly phase: string }
  /** Make the mirror's acknowledgements required; `release`: give that up. */
  | { readonly kind: 'require-mirror' }
  | { readonly kind: 'release-mirror'; readonly phase: string }
  /** Ask the mirror to store that it is in sync. */
  | { readonly kind: 'ask-ready' }
  /** Hold new operations back; `resume`: the handover is called off. */
  | { readonly kind: 'drain'; readonly phase: string }
  | { readonly kind: 'resume'; readonly phase: string }
  | { readonly kind: 'make-ledger-anew' }
  | { readonly kind: 'step-down'; readonly phase: string }
  | { readonly kind: 'stop'; readonly code: 'HISTORIES_DIFFER'; readonly phase: string }

const REPAIRING = 'alone: the other member repairs rotten records'
const UNREADABLE = 'alone: a record is rotten in the only copy, so nothing behind it can be mirrored: fsck says which'
const QUIET: PrimaryAction = { kind: 'none', phase: null }

export function decidePrimary(facts: PrimaryFacts): PrimaryAction {
  const { mayHold, self, swapping, ledger } = facts
  const newest = mayHold.at(-1)
  if (newest === undefined) return { kind: 'none', phase: 'the ledger was not read yet' }
  const deposed = decideDeposed(facts)
  if (deposed !== null) return deposed
  if (swapping) return { kind: 'none', phase: 'a change of the ledger is under way' }
  if (ledger === 'lost') return decideLost(facts)
  if (mayHold.length > 1) return settle(facts)
  const peer = newest.inSync.find((id) => id !== self) ?? null
  if (facts.disk === 'failed') return decideFailedDisk(facts, peer)
  return peer === null ? decideAlone(facts, newest) : decidePaired(facts, newest, peer)
}

function decideDeposed({ mayHold, self, heardEpoch, epoch }: PrimaryFacts): PrimaryAction | null {
  if (heardEpoch > epoch) {
    return { kind: 'step-down', phase: `the other member promised epoch ${heardEpoch}, this one writes ${epoch}` }
  }
  if (mayHold.every((entry) => entry.primary !== self || entry.epoch !== epoch)) {
    return { kind: 'step-down', phase: 'the ledger does not name this epoch of this replica any more' }
  }
  return null
}

/**
 * Rule 13: no membership change; made anew only with both members connected, and both must have been in sync. A link to a member that
 * has fallen silent proves nothing: this primary may have been frozen while the other one took over.
 */
function decideLost({ mirror, mayHold, self, begun, silentMs, times }: PrimaryFacts): PrimaryAction {
  const paired = mayHold.some((entry) => entry.inSync.length > 1)
  const together =
    mirror?.phase === 'streaming' &&
    silentMs <= times.removeMs &&
    mayHold.every((entry) => entry.inSync.includes(self) && entry.primary === self)
  if (begun && together && mirror !== null && mayHold.every((entry) => entry.inSync.includes(mirror.id))) {
    return { kind: 'make-ledger-anew' }
  }
  return {
    kind: 'none',
    phase: paired
      ? 'LedgerLost: the ledger is gone or went back; it is made anew when both members are connected'
      : 'LedgerLost: the ledger is gone or went back, and this member, which goes on serving, was in sync alone: nobody is taken in. Stop and start both members, then make it anew by `twinpost ledger restore`',
  }
}

/** Rule 4: a re-read that still shows the old version settles nothing, another successful swap does. */
function settle(facts: PrimaryFacts): PrimaryAction {
  const { mayHold, self, silentMs, times, mirror, drainingMs } = facts
  if (drainingMs !== null && drainingMs < times.drainMs && mirror?.complete && !mirror.standsBack) {
    return { kind: 'swap', change: 'hand-over', phase: 'settling an unknown outcome by the handover itself' }
  }
  const gone = mirror === null || mirror.broken || silentMs > times.removeMs || mirror.unackedMs > times.ackMs
  const shrinks = mayHold.some((entry) => entry.inSync.some((id) => id !== self))
  if (gone && shrinks && mayShrink(facts) && (facts.disk === 'good' || facts.disk === 'full')) {
    return {
      kind: 'swap',
      change: 'shrink',
      phase: 'the mirror does not answer and a ledger change has an unknown outcome',
    }
  }
  return { kind: 'swap', change: 'keep', phase: 'settling a ledger change with an unknown outcome' }
}

function decideFailedDisk(facts: PrimaryFacts, peer: ReplicaId | null): PrimaryAction {
  const { mirror, ledger, silentMs, times } = facts
  if (peer === null) {
    return { kind: 'none', phase: 'the disk failed and no other replica is in sync: reading only, nothing is written' }
  }
  if (ledger === 'away') {
    return { kind: 'none', phase: 'the disk failed and the ledger is away: nothing is written' }
  }
  if (mirror === null || mirror.id !== peer || silentMs > times.removeMs) {
    // It is in sync by the ledger and takes over by itself if it lives; naming it needs no link either.
    return { kind: 'none', phase: 'the disk failed; the other member takes over when it hears nothing more' }
  }
  if (mirror.standsBack) {
    return { kind: 'none', phase: 'the disk failed and the other member is fenced or stops: reading only; unfence it' }
  }
  if (mirror.phase === 'comparing' && mirror.damaged) {
    return { kind: 'none', phase: 'the disk failed and that of the other member is damaged: reading only; start again' }
  }
  return { kind: 'swap', change: 'abandon', phase: 'the disk failed: the other member becomes primary' }
}

/** The in-sync set is this replica alone. */
function decideAlone(facts: PrimaryFacts, entry: LedgerEntry): PrimaryAction {
  const { mirror, begun, silentMs, times, ledger, disk } = facts
  if (!begun) return { kind: 'begin-epoch' }
  if (facts.drainingMs !== null || facts.request === 'switchover')
    return { kind: 'resume', phase: 'the other member is not in sync: no handover' }
  if (disk === 'full' && !mirror?.growing) return { kind: 'none', phase: `alone: ${fullWordsOf('this member')}` }
  if (mirror === null) return { kind: 'none', phase: 'alone: the other member is not connected' }
  switch (mirror.phase) {
    case 'comparing':
      return { kind: 'none', phase: 'alone: comparing logs with the other member' }
    case 'copying':
      return { kind: 'none', phase: 'alone: the other member gets a full copy' }
    case 'histories-differ':
      return { kind: 'none', phase: 'HISTORIES_DIFFER: the other member holds another log and is not mirrored to' }
    case 'unreadable':
      return mirror.growing ? { kind: 'release-mirror', phase: UNREADABLE } : { kind: 'none', phase: UNREADABLE }
    case 'ahead':
      return { kind: 'none', phase: 'alone: comparing logs with the other member again' }
    case 'refused-below-commit':
      return {
        kind: 'none',
        phase: 'HISTORIES_DIFFER: the other member knows commits that this log lacks, and is not in sync',
      }
    case 'streaming':
      break
    default:
      mirror.phase satisfies never
  }
  const slow = silentMs > times.removeMs || mirror.unackedMs > times.ackMs || mirror.broken
  if (mirror.growing) {
    if (slow) return { kind: 'release-mirror', phase: 'alone: the other member was too slow to join' }
    if (mirror.damaged) return { kind: 'release-mirror', phase: REPAIRING }
    if (!mirror.heldBarrier) return { kind: 'none', phase: 'alone: the other member catches up with the barrier' }
    if (ledger === 'away') return { kind: 'none', phase: 'alone: the ledger is away, the other member cannot be added' }
    if (mirror.readyFor !== entry.version) return { kind: 'ask-ready' }
    return { kind: 'swap', change: 'grow', phase: 'adding the other member to the in-sync set' }
  }
  if (slow || ledger === 'away' || disk !== 'good' || mirror.lagBytes > times.growLagBytes) {
    return { kind: 'none', phase: 'alone: the other member catches up' }
  }
  return mirror.damaged ? { kind: 'none', phase: REPAIRING } : { kind: 'require-mirror' }
}

/** The in-sync set is both. */
function decidePaired(facts: PrimaryFacts, entry: LedgerEntry, peer: ReplicaId): PrimaryAction {
  const { mirror, silentMs, times, ledger, begun } = facts
  if (mirror?.id === peer && mirror.phase === 'refused-below-commit') {
    return {
      kind: 'swap',
      change: 'abandon',
      phase: 'the other member knows commits that this log lacks: it becomes primary',
    }
  }
  if (mirror?.id === peer && mirror.phase === 'ahead') {
    return {
      kind: 'swap',
      change: 'abandon',
      phase: 'the end of this log was damaged and the other member holds more: it becomes primary',
    }
  }
  if (mirror?.id === peer && mirror.phase === 'histories-differ') {
    return {
      kind: 'stop',
      code: 'HISTORIES_DIFFER',
      phase: 'both replicas are in sync by the ledger and hold different logs',
    }
  }
  const gone = whyGone(facts, peer)
  if (gone !== null) {
    if (!mayShrink(facts, peer)) return { kind: 'none', phase: doubtWords(doubtOf(facts), 'the other member') }
    return ledger === 'good'
      ? { kind: 'swap', change: 'shrink', phase: `taking the other member out: ${gone}` }
      : { kind: 'none', phase: `the ledger is away and ${gone}: nothing can be written` }
  }
  if (mirror === null || mirror.id !== peer || mirror.phase === 'comparing' || mirror.phase === 'copying') {
    return {
      kind: 'none',
      phase: `waiting ${Math.max(0, times.removeMs - silentMs).toFixed(0)} ms more for the other member`,
    }
  }
  if (!begun) return { kind: 'begin-epoch' }
  if (mirror.growing) return { kind: 'none', phase: null }
  return decideHandover(facts, entry, mirror)
}

/**
 * The other member may only be taken out by one that knows the end of its own log, or waited for long. One with another disk, or with a broken
 * one, has nothing to add.
 */
function mayShrink(facts: PrimaryFacts, peer: ReplicaId | null = null): boolean {
  const { mirror } = facts
  const useless = mirror !== null && (mirror.broken || (peer !== null && mirror.id !== peer))
  return useless || mayLeaveOtherBehind(doubtOf(facts))
}

function doubtOf({ end, inOfficeMs, times }: PrimaryFacts): DoubtFacts {
  return { end, waitedMs: inOfficeMs, times }
}

/** Rule 16: it is said, and nothing else follows from it. */
function fullWords({ disk }: PrimaryFacts, mirror: MirrorFacts): string | null {
  if (disk === 'full') return fullWordsOf('this member')
  return mirror.full ? fullWordsOf('the other member') : null
}

function fullWordsOf(whose: string): string {
  return `the disk of ${whose} is full to the last byte: nothing is written until there is space on it`
}

function whyGone({ mirror, silentMs, times }: PrimaryFacts, peer: ReplicaId): string | null {
  if (silentMs > times.removeMs) return 'it does not answer'
  if (mirror === null) return null
  if (mirror.id !== peer) return 'it came back with another disk'
  if (mirror.broken) return 'its disk failed or lost records'
  if (mirror.phase === 'copying') return 'it lacks too much'
  return mirror.unackedMs > times.ackMs ? 'its disk is too slow' : null
}

/** Planned, asked for or because the own disk is slow: drain, then swap. */
function decideHandover(facts: PrimaryFacts, _entry: LedgerEntry, mirror: MirrorFacts): PrimaryAction {
  const { request, disk, ledger, inOfficeMs, times, drainingMs } = facts
  const asked = request === 'switchover'
  const wanted = asked || (disk === 'slow' && inOfficeMs > times.holdDownMs)
  if (!wanted) {
    if (drainingMs !== null) return { kind: 'resume', phase: 'the handover was called off' }
    if (disk === 'slow') return { kind: 'none', phase: 'the disk is slow; no handover so soon after a change of role' }
    const full = fullWords(facts, mirror)
    if (full !== null) return { kind: 'none', phase: full }
    return ledger === 'away' ? { kind: 'none', phase: 'the ledger is away; both members answer' } : QUIET
  }
  const why = asked ? 'planned switchover' : 'the disk is slow: handing over'
  if (ledger === 'away') {
    return drainingMs === null
      ? { kind: 'none', phase: `${why}: waiting for the ledger` }
      : { kind: 'resume', phase: `${why}: called off, the ledger is away` }
  }
  if (mirror.standsBack) {
    const phase = `${why}: called off, the other member is fenced or about to stop`
    return drainingMs === null && !asked ? { kind: 'none', phase } : { kind: 'resume', phase }
  }
  if (mirror.damaged) {
    const phase = `${why}: waiting for the other member, which has rotten records to repair first`
    return drainingMs === null ? { kind: 'none', phase } : { kind: 'resume', phase }
  }
  if (drainingMs === null) return { kind: 'drain', phase: why }
  if (mirror.complete) return { kind: 'swap', change: 'hand-over', phase: why }
  return drainingMs > times.drainMs
    ? { kind: 'resume', phase: `${why}: called off, the other member did not follow within a second` }
    : { kind: 'none', phase: `${why}: waiting for the other member's disk` }
}
