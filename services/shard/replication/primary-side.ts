/**
 * One term of office as primary: keeps a link to the peer alive, knows what is durable where, and tells what is committed.
 *
 * Invariants: commit = min(durable) over all that the ledger may hold in sync and a mirror that is growing in, and never goes back;
 * the right to read counts only beacons that the very replica acknowledged which could be promoted.
 * Decides nothing about authority: `../roles/decide-primary.ts` does, from `facts()`.
 */
import { type Epoch, type Lsn, type ShardName, toLsn } from '#lib/mail/types.ts'
import { type Clock, sleep } from '#lib/ports/clock.ts'
import type { PeerNetwork } from '#lib/ports/network.ts'
import type { LedgerAgent } from '../ledger/agent.ts'
import type { LedgerReplica, ReplicaId } from '../ledger/types.ts'
import type { EncodedBatch } from '../log/types.ts'
import type { MirrorFacts } from '../roles/decide-primary.ts'
import { commitBound, requiredMembers } from '../roles/entries.ts'
import type { RoleTimes } from '../roles/times.ts'
import { CommitFeed } from './commit-feed.ts'
import { REDIAL_MS } from './limits.ts'
import type { PeerSpace, Refusal } from './messages.ts'
import type { PeerNotice } from './mirror-side.ts'
import type { ReplicaLog } from './ports.ts'
import { PrimaryLink } from './primary-link.ts'

export interface PrimarySideOptions {
  readonly shard: ShardName
  readonly self: LedgerReplica
  readonly epoch: Epoch
  /** Null: the shard has one replica. */
  readonly network: PeerNetwork | null
  readonly clock: Clock
  readonly log: ReplicaLog
  readonly agent: LedgerAgent
  readonly times: RoleTimes
  readonly bulkBytesPerSecond: number
  /** A number that no former link of this process had. */
  readonly nextLinkNumber: () => number
  /** Anything that decisions depend on. */
  readonly onChange: () => void
  readonly onNotice: (notice: PeerNotice) => void
  readonly onHeardVersion: (ledgerVersion: number) => void
}

/** A mirror that is made to acknowledge what is new before the ledger names it (rule 5). */
interface Growing {
  readonly id: ReplicaId
  readonly barrier: Lsn
  /** The ledger version for which its note says in sync. */
  readyFor: number | null
  /** The version that it was asked to store. */
  askedFor: number | null
}

/** What a mirror said of a log that it cannot follow. It stays until another replica or another try says otherwise. */
interface Verdict {
  readonly id: ReplicaId
  readonly phase: 'refused-below-commit' | 'histories-differ' | 'unreadable'
  /** A mirror that acknowledges that much has disproved it. */
  readonly until: number
}

/** Neighbouring batches share an entry: the age of an acknowledgement is wanted to 20 ms only. */
const AGE_STEP_MS = 20
/** After a verdict nothing changes by itself. */
const REDIAL_AFTER_VERDICT_MS = 5_000

export class PrimarySide {
  readonly commits = new CommitFeed()
  readonly #options: PrimarySideOptions
  readonly #ending = new AbortController()
  readonly #durable = new Map<ReplicaId, Lsn>()
  readonly #startedMs: number
  #link: PrimaryLink | null = null
  #looping: Promise<void> = Promise.resolve()
  #commit: Lsn
  /** The replica that was attached last, and when it was heard last. */
  #mirror: LedgerReplica | null = null
  #heardMs: number
  #attachedMs = 0
  #ackedBeacon: { readonly id: ReplicaId; readonly sentMs: number } | null = null
  /** Batches that the mirror has not acknowledged, with the time when the log began to write them. */
  #unacknowledged: { last: number; readonly atMs: number }[] = []
  #growing: Growing | null = null
  #verdict: Verdict | null = null
  #broken: ReplicaId | null = null
  #heardEpoch = 0
  #standingTold = 0
  #peerSpace: PeerSpace | null = null
  #peerDamaged = false
  #peerStandsBack = false

  constructor(options: PrimarySideOptions) {
    this.#options = options
    this.#commit = options.log.commit
    this.#startedMs = options.clock.monotonicMs()
    this.#heardMs = this.#startedMs
  }

  get commit(): Lsn {
    return this.#commit
  }

  get heardEpoch(): number {
    return this.#heardEpoch
  }

  /** The replica at the other end of a compared link, as it described itself; for entries that name it. */
  get mirror(): LedgerReplica | null {
    return this.#mirror
  }

  /** What a replica acknowledged as durable in this term; null: nothing. */
  durableLsnOf(id: ReplicaId): Lsn | null {
    return this.#durable.get(id) ?? null
  }

  /** What the mirror said of its volume last; null: nothing in this term. */
  get peerSpace(): PeerSpace | null {
    return this.#peerSpace
  }

  /** Since the peer was heard, or since the term began. */
  get silentMs(): number {
    return this.#options.clock.monotonicMs() - this.#heardMs
  }

  get inOfficeMs(): number {
    return this.#options.clock.monotonicMs() - this.#startedMs
  }

  /**
   * When the newest beacon was sent that the replica acknowledged which the ledger may hold in sync; null if there is none, or if
   * it may hold several others.
   */
  get leaseFromMs(): number | null {
    const { agent, self } = this.#options
    const others = requiredMembers(agent.mayHold, null).filter((id) => id !== self.id)
    const acked = this.#ackedBeacon
    return acked !== null && others.every((id) => id === acked.id) ? acked.sentMs : null
  }

  start(): void {
    const { network } = this.#options
    if (network !== null) this.#looping = this.#keepLinked(network)
    this.refresh()
  }

  /** @param handoverVersion The ledger version that names the mirror primary, to tell it; null: it is not. */
  async end(reason: string, handoverVersion: number | null): Promise<void> {
    this.commits.end()
    this.#ending.abort(new Error(reason))
    if (handoverVersion !== null) this.#link?.send({ kind: 'handover', ledgerVersion: handoverVersion })
    else this.#link?.send({ kind: 'leaving', diskFailed: false })
    this.#link?.close(reason)
    await this.#looping
  }

  /** The log begins to write a batch. */
  batch(batch: EncodedBatch): void {
    const last = batch.firstLsn + batch.recordCount - 1
    const nowMs = this.#options.clock.monotonicMs()
    const newest = this.#unacknowledged.at(-1)
    if (newest !== undefined && nowMs - newest.atMs < AGE_STEP_MS) newest.last = last
    else if (this.#mirrorCounts()) this.#unacknowledged.push({ last, atMs: nowMs })
    this.#link?.batch(batch)
  }

  /** The log's sync went on. */
  durable(): void {
    this.#link?.durable()
    this.refresh()
  }

  /** The ledger or a disk went on: commit may go on, the mirror may have to be told. */
  refresh(): void {
    const { agent, self, log } = this.#options
    this.#durable.set(self.id, log.durableLsn)
    const required = requiredMembers(agent.mayHold, this.#growing?.id ?? null)
    const commit = commitBound(required, this.#durable, this.#commit)
    if (agent.settled && !agent.swapping) this.#settled()
    if (commit === this.#commit) return
    this.#commit = commit
    log.noteCommit(commit)
    this.commits.tell(commit)
  }

  /** Rule 8: beacons sent before a jump of the clock say nothing any more. */
  clockJumped(): void {
    this.#ackedBeacon = null
    this.#link?.forgetBeacons()
  }

  requireMirror(): void {
    const { log } = this.#options
    const mirror = this.#mirror
    if (mirror === null || this.#link?.phase !== 'streaming') return
    this.#growing = { id: mirror.id, barrier: log.lastLsn, readyFor: null, askedFor: null }
    this.#unacknowledged = this.#pendingNow()
    this.refresh()
  }

  /** The mirror's acknowledgements are not waited for any more; its note is withdrawn. Only what the ledger may hold still counts. */
  release(): void {
    if (this.#growing === null) return
    this.#growing = null
    const { agent } = this.#options
    if (!this.#mirrorCounts())
      this.#link?.send({ kind: 'standing', ledgerVersion: agent.base?.version ?? 0, inSync: false })
    this.refresh()
    this.#options.onChange()
  }

  askReady(): void {
    const growing = this.#growing
    const version = this.#options.agent.base?.version
    if (growing === null || version === undefined || growing.askedFor === version) return
    growing.askedFor = version
    this.#link?.send({ kind: 'ready', barrier: growing.barrier, ledgerVersion: version })
  }

  async fetch(lsn: Lsn): Promise<Uint8Array | null> {
    return (await this.#link?.fetch(lsn)) ?? null
  }

  mirrorFacts(): MirrorFacts | null {
    const verdict = this.#verdict
    const mirror = this.#mirror
    if (verdict !== null && (mirror === null || mirror.id === verdict.id)) return this.#facts(verdict.id, verdict.phase)
    const phase = this.#link?.phase
    if (mirror === null || phase === undefined || phase === 'dialling' || phase === 'closed') return null
    return this.#facts(mirror.id, phase)
  }

  #facts(id: ReplicaId, phase: MirrorFacts['phase']): MirrorFacts {
    const { log, clock } = this.#options
    const durable = this.#durable.get(id) ?? 0
    const missing = log.lastLsn - durable
    const growing = this.#growing?.id === id ? this.#growing : null
    const oldestMs = phase === 'comparing' || phase === 'ahead' ? this.#attachedMs : this.#unacknowledged[0]?.atMs
    return {
      id,
      phase,
      unackedMs: oldestMs === undefined ? 0 : clock.monotonicMs() - oldestMs,
      lagBytes: missing <= 0 ? 0 : Math.ceil((missing / Math.max(1, log.lastLsn)) * log.sizeBytes()),
      broken: this.#broken === id,
      full: this.#peerSpace?.full ?? false,
      damaged: this.#peerDamaged,
      standsBack: this.#peerStandsBack,
      growing: growing !== null,
      heldBarrier: growing !== null && durable >= growing.barrier,
      readyFor: growing?.readyFor ?? null,
      complete: missing <= 0,
    }
  }

  /** The ledger's content is certain: a growth that it contains is over, and the mirror hears where it stands. */
  #settled(): void {
    const { agent } = this.#options
    const entry = agent.base
    const mirror = this.#mirror
    if (entry === null || mirror === null) return
    const inSync = entry.inSync.includes(mirror.id)
    if (inSync && this.#growing?.id === mirror.id) this.#growing = null
    // It was taken out for that; what it holds now was compared, and it may come back.
    if (!inSync) this.#broken = null
    if (this.#link?.phase !== 'streaming' || this.#standingTold === entry.version) return
    // While it grows in its note may be ahead of the ledger: `release` or the growth itself says the next word.
    if (this.#growing !== null) return
    this.#standingTold = entry.version
    this.#link.send({ kind: 'standing', ledgerVersion: entry.version, inSync })
  }

  /** Whether records wait for the mirror's acknowledgement. */
  #mirrorCounts(): boolean {
    const { agent, self } = this.#options
    return this.#growing !== null || requiredMembers(agent.mayHold, null).some((id) => id !== self.id)
  }

  #pendingNow(): { last: number; readonly atMs: number }[] {
    const { log, clock } = this.#options
    const durable = this.#mirror === null ? 0 : (this.#durable.get(this.#mirror.id) ?? 0)
    return durable < log.lastLsn ? [{ last: log.lastLsn, atMs: clock.monotonicMs() }] : []
  }

  /** Dials the peer for as long as the term lasts. */
  async #keepLinked(network: PeerNetwork): Promise<void> {
    const { clock } = this.#options
    const { signal } = this.#ending
    while (!signal.aborted) {
      const link = this.#newLink(network)
      this.#link = link
      await link.run()
      this.#options.onNotice({ kind: 'link-closed', reason: link.reason })
      this.#lost()
      await sleep(clock, this.#verdict === null ? REDIAL_MS : REDIAL_AFTER_VERDICT_MS, signal).catch(() => {})
    }
  }

  #lost(): void {
    // A growth begins anew with the next link; one that may be in the ledger counts through `mayHold` anyway.
    this.#growing = null
    if (this.#peerSpace !== null) this.#peerSpace = { ...this.#peerSpace, full: false }
    if (!this.#mirrorCounts()) this.#unacknowledged = []
    this.refresh()
    this.#options.onChange()
  }

  #newLink(network: PeerNetwork): PrimaryLink {
    const { shard, self, clock, log, epoch, times, bulkBytesPerSecond, agent, nextLinkNumber, onChange, onNotice } =
      this.#options
    return new PrimaryLink({
      shard,
      self,
      network,
      clock,
      log,
      epoch,
      times,
      bulkBytesPerSecond,
      number: nextLinkNumber(),
      commit: () => this.#commit,
      ledgerVersion: () => agent.base?.version ?? 0,
      mayBeInSync: (id) =>
        requiredMembers(agent.mayHold, null).some((one) => (id === 'any' ? one !== self.id : one === id)),
      events: {
        heard: () => this.#heard(),
        attached: (mirror) => this.#attached(mirror),
        begun: (lastLsn) => this.#begun(lastLsn),
        acknowledged: (durable) => this.#acknowledged(durable),
        beaconAcknowledged: (sentMs) => this.#beaconAcknowledged(sentMs),
        condition: (space, damaged, standsBack) => {
          this.#peerSpace = space
          // Rule 16: time in which it waits for space does not count, so that filling up takes nobody out of the in-sync set.
          if (space.full && this.#unacknowledged.length > 0) this.#unacknowledged = this.#pendingNow()
          this.#peerDamaged = damaged
          this.#peerStandsBack = standsBack
        },
        freeBytes: (bytes) => {
          if (this.#peerSpace !== null) this.#peerSpace = { ...this.#peerSpace, freeBytes: bytes }
        },
        readied: (ledgerVersion) => {
          if (this.#growing?.askedFor === ledgerVersion) this.#growing.readyFor = ledgerVersion
          onChange()
        },
        repaired: (lsn) => onNotice({ kind: 'repaired', lsn, why: 'fetched before a full copy' }),
        leaving: (diskFailed) => {
          if (diskFailed) this.#broken = this.#mirror?.id ?? null
          // It will not answer: nothing is to be waited for.
          this.#heardMs = Number.NEGATIVE_INFINITY
          onChange()
        },
        refused: (refusal) => this.#refused(refusal),
        historiesDiffer: () => this.#judge('histories-differ'),
        mirrorLost: () => {
          this.#broken = this.#mirror?.id ?? null
          onChange()
        },
        unreadable: (lsn) => this.#judge('unreadable', lsn),
        changed: onChange,
      },
    })
  }

  #heard(): void {
    this.#heardMs = this.#options.clock.monotonicMs()
  }

  #attached(mirror: LedgerReplica): void {
    if (this.#mirror?.id !== mirror.id) {
      this.#verdict = null
      this.#ackedBeacon = null
    }
    this.#mirror = mirror
    this.#attachedMs = this.#options.clock.monotonicMs()
    this.#standingTold = 0
    this.#options.onChange()
  }

  /** The comparison is over: both logs are equal up to `lastLsn`, and the mirror's ends there. */
  #begun(lastLsn: Lsn): void {
    const mirror = this.#mirror
    if (mirror === null) return
    const before = this.#durable.get(mirror.id) ?? 0
    const counts = requiredMembers(this.#options.agent.mayHold, null).includes(mirror.id)
    // Whoever is in sync has all that was acknowledged, and does not go on beyond the own end.
    if (counts) this.#options.log.trustEnd()
    // It acknowledged more than it has: its disk cannot be believed (rule 15).
    this.#broken = counts && lastLsn < before ? mirror.id : null
    // One that lacks what cannot be read here is compared in vain.
    if (this.#verdict?.phase !== 'unreadable') this.#verdict = null
    this.#durable.set(mirror.id, lastLsn)
    if (!this.#mirrorCounts()) this.#unacknowledged = []
    else if (this.#unacknowledged.length === 0) this.#unacknowledged = this.#pendingNow()
    this.#prune(lastLsn)
    this.refresh()
    this.#options.onChange()
  }

  #acknowledged(durable: Lsn): void {
    const mirror = this.#mirror
    if (mirror === null) return
    if (durable >= (this.#verdict?.until ?? 0)) this.#verdict = null
    this.#durable.set(mirror.id, toLsn(Math.max(durable, this.#durable.get(mirror.id) ?? 0)))
    this.#prune(durable)
    this.refresh()
    this.#options.onChange()
  }

  #prune(durable: Lsn): void {
    while (this.#unacknowledged[0] !== undefined && this.#unacknowledged[0].last <= durable)
      this.#unacknowledged.shift()
  }

  #beaconAcknowledged(sentMs: number): void {
    const id = this.#mirror?.id
    if (id === undefined) return
    const before = this.#ackedBeacon?.id === id ? this.#ackedBeacon.sentMs : Number.NEGATIVE_INFINITY
    this.#ackedBeacon = { id, sentMs: Math.max(sentMs, before) }
  }

  #refused(refusal: { reason: Refusal; promisedEpoch: Epoch; ledgerVersion: number }): void {
    this.#heardEpoch = Math.max(this.#heardEpoch, refusal.promisedEpoch)
    if (refusal.reason === 'below-commit') this.#judge('refused-below-commit')
    this.#options.onHeardVersion(refusal.ledgerVersion)
    this.#options.onChange()
  }

  #judge(phase: Verdict['phase'], until = 0): void {
    const id = this.#mirror?.id
    if (id !== undefined) this.#verdict = { id, phase, until }
    this.#options.onChange()
  }
}
