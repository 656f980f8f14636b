/**
 * One replica in one process life. It gathers facts, lets `../roles` decide, and carries the action out; it holds what outlives a
 * role (log, note, ledger agent, the listening side) and what does not (a term of office as primary).
 *
 * Invariants: authority comes from `agent.mayHold` alone; at most one change of role is under way; whatever a role told the
 * shell ends before the next role begins; every timer is the clock's and every promise is awaited or handed to `#task`.
 * Read next: ../roles/decide-primary.ts, ../roles/decide-mirror.ts, docs/internals/replication.md.
 */
import { known } from '#lib/errors/assert.ts'
import { errorMessage } from '#lib/errors/coded-error.ts'
import { type Epoch, type Lsn, toEpoch, toLsn } from '#lib/mail/types.ts'
import type { PeerNetwork } from '#lib/ports/network.ts'
import { type Change, LedgerAgent, type SwapResult } from '../ledger/agent.ts'
import type { LedgerEntry, LedgerReplica } from '../ledger/types.ts'
import { encodeRecord } from '../records/codec.ts'
import { RecordType } from '../records/types.ts'
import { type AdmissionFacts, DURABILITY_DEFAULT } from '../roles/admission.ts'
import { decideStandby, type StandbyAction, type StandbyFacts } from '../roles/decide-mirror.ts'
import { decidePrimary, type PrimaryAction, type PrimaryChange, type PrimaryFacts } from '../roles/decide-primary.ts'
import { abandoned, claimed, grown, handedOver, kept, noteAgrees, promoted, shrunk } from '../roles/entries.ts'
import { decideForce, type ForceProof } from '../roles/force.ts'
import { type ClockLook, clockJumped, type ReadRight, readRight } from '../roles/read-right.ts'
import { checkTimes, ROLE_TIMES, type RoleTimes } from '../roles/times.ts'
import { CommitFeed } from './commit-feed.ts'
import { DiskWatch } from './disk-watch.ts'
import { CommandError } from './errors.ts'
import { LedgerDesk } from './ledger-desk.ts'
import { BULK_BYTES_PER_SECOND, REDIAL_MS, TICK_MS } from './limits.ts'
import type { MachineNotice, MachineRole, MachineStatus, ReplicaMachineOptions, RoleEvent } from './machine-types.ts'
import { MirrorSide } from './mirror-side.ts'
import { NoteKeeper } from './note-keeper.ts'
import { PrimarySide } from './primary-side.ts'
import { probePeer } from './probe.ts'
import { Repairer } from './repairer.ts'
import { Since } from './since.ts'

export type {
  MachineNotice,
  MachineRole,
  MachineStatus,
  ReplicaMachineOptions,
  RoleEvent,
} from './machine-types.ts'

export class ReplicaMachine {
  readonly #options: ReplicaMachineOptions
  readonly #times: RoleTimes
  readonly #agent: LedgerAgent
  readonly #desk: LedgerDesk
  readonly #disk: DiskWatch
  readonly #repairer: Repairer
  readonly #degraded = new Since()
  readonly #stalled = new Since()
  readonly #notes: NoteKeeper
  readonly #mirror: MirrorSide | null
  readonly #roleListeners: ((event: RoleEvent) => void)[] = []
  readonly #readRightListeners: ((right: ReadRight) => void)[] = []
  readonly #startedMs: number
  #role: MachineRole = 'starting'
  #phase = 'reading the ledger'
  #primary: PrimarySide | null = null
  #mirrorCommits = new CommitFeed()
  /** The change of role that is under way. */
  #task: Promise<void> | null = null
  #probing: Promise<void> | null = null
  #poked = false
  #cancelTick = () => {}
  #begunLsn: Lsn | null = null
  #writtenEpoch = 0
  #heardHigher = 0
  #quietFromMs: number
  #drainingFromMs: number | null = null
  #calmFromMs = Number.NEGATIVE_INFINITY
  #switchover: { resolve: () => void; reject: (error: Error) => void } | null = null
  #fenced = false
  #forcedEpoch = 0
  #trouble: 'none' | 'histories-differ' = 'none'
  #peerDirectory: 'new' | 'used' | 'unknown' | 'alone'
  #nextProbeMs = Number.NEGATIVE_INFINITY
  #linkNumber: number
  #look: ClockLook
  #mayRead = false
  #notedVersion = 0

  constructor(options: ReplicaMachineOptions) {
    const { clock, log, notes, ledger, shard, random, network } = options
    this.#options = options
    this.#times = checkTimes(options.times ?? ROLE_TIMES)
    this.#startedMs = clock.monotonicMs()
    this.#quietFromMs = this.#startedMs
    this.#look = { wallMs: clock.nowMs(), monotonicMs: this.#startedMs }
    this.#linkNumber = Buffer.from(random.bytes(4)).readUInt32BE() >>> 1
    this.#peerDirectory = network === null ? 'alone' : 'unknown'
    this.#notes = new NoteKeeper(notes)
    this.#agent = new LedgerAgent({
      ledger,
      shard,
      clock,
      random,
      seenVersion: notes.note.ledgerVersion,
      swapMs: this.#times.swapMs,
      onChange: () => this.#poke(),
    })
    this.#desk = new LedgerDesk({
      agent: this.#agent,
      clock,
      onSwapped: (change, result, phase) => this.#notice({ kind: 'swap', change, result, phase }),
      onChange: () => this.#poke(),
      onFailure: (error) => this.#fail(error),
    })
    this.#disk = new DiskWatch(clock, this.#times)
    this.#repairer = new Repairer({
      log,
      clock,
      fetch: async (lsn) => (await (this.#primary?.fetch(lsn) ?? this.#mirror?.fetch(lsn))) ?? null,
      onNotice: (notice) => this.#notice(notice),
    })
    this.#mirror = network === null ? null : this.#mirrorSide(network)
    log.onBatch((batch) => {
      const last = batch.firstLsn + batch.recordCount - 1
      this.#disk.batch(last)
      this.#primary?.batch(batch)
    })
    log.onDurable((durable) => {
      this.#disk.durable(durable)
      this.#mirror?.durable(durable)
      this.#primary?.durable()
      this.#poke()
    })
    log.onFailure((error) => {
      this.#disk.fail(error)
      this.#poke()
    })
  }

  /** Begins to listen and to decide. Register listeners before. */
  start(): void {
    this.#mirror?.listen()
    this.#become('starting', this.#phase)
    this.#tell({ role: 'mirror', commits: this.#mirrorCommits, commit: this.#options.log.commit })
    this.#tick()
  }

  /** A clean end without handing over. Pending commands are rejected; the log stays open: it is the caller's. */
  async stop(): Promise<void> {
    if (this.#role === 'stopped') return
    this.#cancelTick()
    const primary = this.#primary
    if (primary !== null) this.#tell({ role: 'stepping-down', phase: 'the process stops' })
    this.#primary = null
    this.#become('stopped', 'the process stops')
    this.#rejectSwitchover('the process stops')
    this.#mirrorCommits.end()
    await primary?.end('the process stops', null)
    this.#mirror?.close('the process stops')
    await Promise.all([this.#task, this.#probing, this.#desk.idle(), this.#repairer.idle()])
  }

  onRole(listener: (event: RoleEvent) => void): void {
    this.#roleListeners.push(listener)
  }

  /** Called when the right to read (rule 8) is lost or comes back: on loss every session must be closed in this call. */
  onReadRight(listener: (right: ReadRight) => void): void {
    this.#readRightListeners.push(listener)
  }

  /** Rule 8: to be asked before bytes of mail go to a socket, and again after each pause. */
  readRight(): ReadRight {
    this.#watchClock()
    return readRight({
      self: this.#options.self.id,
      serving: this.#role === 'primary',
      mayHold: this.#agent.mayHold,
      nowMs: this.#options.clock.monotonicMs(),
      ackedBeaconSentMs: this.#primary?.leaseFromMs ?? null,
      times: this.#times,
    })
  }

  mayServe(): boolean {
    return this.readRight().kind === 'may'
  }

  /** For `admit` and `replyTo` of ../roles/admission.ts. */
  admissionFacts(): AdmissionFacts {
    const { clock, network, durability, space } = this.#options
    const nowMs = clock.monotonicMs()
    const { freeBytes, totalBytes } = space()
    const free = Math.min(freeBytes, this.#primary?.peerFreeBytes ?? freeBytes)
    return {
      role: this.#role === 'primary' ? 'primary' : 'other',
      draining: this.#drainingFromMs !== null,
      disk: this.#disk.state,
      copies: Math.min(...this.#agent.mayHold.map((entry) => entry.inSync.length), 2),
      degradedMs: this.#degraded.forMs(nowMs),
      stalledMs: this.#stalled.forMs(nowMs) ?? 0,
      freeShare: totalBytes > 0 ? free / totalBytes : null,
      policy: durability ?? DURABILITY_DEFAULT,
      solo: network === null,
    }
  }

  status(): MachineStatus {
    const { log } = this.#options
    const facts = this.#primary?.mirrorFacts() ?? null
    return {
      role: this.#role,
      phase: this.#phase,
      epoch: this.#notes.note.promisedEpoch,
      entry: this.#agent.base ?? this.#agent.found,
      ledger: this.#agent.health,
      settled: this.#agent.settled,
      lastLsn: log.lastLsn,
      durableLsn: log.durableLsn,
      commit: this.commit,
      fenced: this.#fenced,
      mirror: facts && { id: facts.id, phase: facts.phase, lagBytes: facts.lagBytes, growing: facts.growing },
    }
  }

  get role(): MachineRole {
    return this.#role
  }

  get phase(): string {
    return this.#phase
  }

  /** The highest commit known here. */
  get commit(): Lsn {
    return this.#primary?.commit ?? toLsn(Math.max(this.#options.log.commit, this.#mirror?.commit ?? 0))
  }

  /**
   * Planned: resolves when the peer is named primary and this replica has stepped down.
   * @throws {CommandError} REPLICA_NOT_PRIMARY, REPLICA_NOT_IN_SYNC, REPLICA_CALLED_OFF
   */
  switchover(): Promise<void> {
    const entry = this.#agent.base
    if (this.#primary === null || entry === null) {
      return Promise.reject(new CommandError('REPLICA_NOT_PRIMARY', 'Cannot hand over: this replica is not primary'))
    }
    const peer = entry.inSync.find((id) => id !== this.#options.self.id)
    if (!this.#agent.settled || peer === undefined || this.#primary.mirror?.id !== peer) {
      return Promise.reject(
        new CommandError('REPLICA_NOT_IN_SYNC', 'Cannot hand over: the other member is not in sync'),
      )
    }
    this.#rejectSwitchover('another switchover was asked for')
    return new Promise((resolve, reject) => {
      this.#switchover = { resolve, reject }
      this.#poke()
    })
  }

  /** Keeps this replica from becoming primary until `unfence` or the end of the process; a primary hands over first. */
  async fence(): Promise<void> {
    this.#fenced = true
    this.#poke()
    if (this.#primary !== null) await this.switchover()
  }

  unfence(): void {
    this.#fenced = false
    this.#poke()
  }

  /**
   * Rule 11. @returns In words what may be lost; it has happened then.
   * @throws {CommandError} REPLICA_FORCE_REFUSED, REPLICA_CALLED_OFF
   */
  async promoteByForce(proof: ForceProof | null, otherPod: string): Promise<string> {
    const { log, self } = this.#options
    await this.#agent.read()
    const newest = log.durableLsn > 0 ? await log.read(log.durableLsn) : null
    const decision = decideForce({
      self,
      role: this.#primary === null ? 'standby' : 'primary',
      entry: this.#agent.base ?? this.#agent.found,
      ledger: this.#agent.health,
      quietMs: this.#quietMs(),
      lastLsn: log.lastLsn,
      commit: this.commit,
      newestMs: newest?.wallMs ?? null,
      proof,
      otherPod,
      times: this.#times,
    })
    if (decision.kind === 'refuse') throw new CommandError('REPLICA_FORCE_REFUSED', decision.reason)
    this.#mirror?.mute()
    const from = decision.from ?? this.#agent.base ?? this.#agent.found
    const base = from ?? {
      epoch: this.#notes.note.promisedEpoch,
      primary: self.id,
      inSync: [self.id],
      replicas: [self],
    }
    const change = {
      epoch: toEpoch(Math.max(base.epoch, this.#notes.note.promisedEpoch) + 1),
      primary: self.id,
      inSync: [self.id],
      replicas: [...base.replicas.filter(({ member }) => member !== self.member), self],
    }
    const result =
      decision.from === null ? await this.#agent.makeAnew(change) : await this.#agent.swap(decision.from, change)
    this.#notice({ kind: 'swap', change: 'force', result, phase: decision.mayLose })
    if (result !== 'ok') throw new CommandError('REPLICA_CALLED_OFF', `Cannot promote: the ledger answered ${result}`)
    this.#forcedEpoch = change.epoch
    this.#poke()
    return decision.mayLose
  }

  // ---- facts

  #primaryFacts(primary: PrimarySide): PrimaryFacts {
    const { self, clock } = this.#options
    const nowMs = clock.monotonicMs()
    return {
      self: self.id,
      mayHold: this.#agent.mayHold,
      ledger: this.#agent.health,
      swapping: this.#desk.swapping,
      epoch: toEpoch(this.#writtenEpoch),
      heardEpoch: Math.max(primary.heardEpoch, this.#heardHigher),
      disk: this.#disk.state,
      begun: this.#begunLsn !== null,
      mirror: primary.mirrorFacts(),
      silentMs: primary.silentMs,
      inOfficeMs: Math.min(primary.inOfficeMs, nowMs - this.#calmFromMs),
      request: this.#switchover === null ? 'none' : 'switchover',
      drainingMs: this.#drainingFromMs === null ? null : nowMs - this.#drainingFromMs,
      times: this.#times,
    }
  }

  #standbyFacts(): StandbyFacts {
    const { self, clock, preferred } = this.#options
    const readAtMs = this.#agent.readAtMs
    return {
      self,
      note: this.#notes.note,
      entry: this.#agent.base ?? (this.#agent.health === 'lost' ? this.#agent.found : null),
      entryAgeMs: readAtMs === null ? null : clock.monotonicMs() - readAtMs,
      ledger: this.#agent.health,
      swapping: this.#desk.swapping,
      unsettled: !this.#agent.settled,
      quietMs: this.#quietMs(),
      following: this.#mirror?.following ?? false,
      disk: this.#disk.failure === null ? 'good' : 'failed',
      fenced: this.#fenced,
      writtenEpoch: this.#writtenEpoch,
      preferred,
      peerDirectory: this.#peerDirectory,
      trouble: this.#trouble,
      times: this.#times,
    }
  }

  /** Since a primary was heard here, since this replica stepped down, or since the process began: the latest of the three. */
  #quietMs(): number {
    return (
      this.#options.clock.monotonicMs() - Math.max(this.#quietFromMs, this.#mirror?.lastBeaconMs ?? this.#quietFromMs)
    )
  }

  // ---- deciding

  #tick(): void {
    this.#cancelTick = this.#options.clock.after(TICK_MS, () => this.#tick())
    this.#decide()
  }

  /** Decides in a moment, once for all that changed in this turn. */
  #poke(): void {
    if (this.#poked) return
    this.#poked = true
    queueMicrotask(() => {
      this.#poked = false
      this.#decide()
    })
  }

  #decide(): void {
    if (this.#role === 'stopped' || this.#role === 'failed') return
    this.#watchClock()
    this.#mirror?.watch(this.#times.graceMs)
    this.#primary?.refresh()
    this.#noteVersion()
    this.#announce()
    this.#watchCommit()
    this.#checkReadRight()
    if (this.#task !== null) return
    const primary = this.#primary
    if (primary !== null) {
      this.#readAsPrimary()
      this.#actAsPrimary(primary, decidePrimary(this.#primaryFacts(primary)))
    } else {
      if (this.#agent.settled && !this.#desk.swapping && this.#agent.base?.primary !== this.#options.self.id) {
        this.#mirror?.unmute()
      }
      this.#actAsStandby(decideStandby(this.#standbyFacts()))
    }
    this.#repairer.look()
  }

  #actAsPrimary(primary: PrimarySide, action: PrimaryAction): void {
    switch (action.kind) {
      case 'none':
        this.#say(action.phase ?? 'primary, both members in sync')
        return
      case 'begin-epoch':
        this.#beginEpoch()
        return
      case 'swap':
        this.#swapAsPrimary(primary, action.change, action.phase)
        return
      case 'require-mirror':
        primary.requireMirror()
        return
      case 'release-mirror':
        this.#say(action.phase)
        primary.release()
        return
      case 'ask-ready':
        primary.askReady()
        return
      case 'drain':
        this.#say(action.phase)
        this.#drainingFromMs = this.#options.clock.monotonicMs()
        this.#poke()
        return
      case 'resume':
        this.#say(action.phase)
        this.#drainingFromMs = null
        this.#calmFromMs = this.#options.clock.monotonicMs()
        this.#rejectSwitchover(action.phase)
        return
      case 'make-ledger-anew': {
        const base = this.#agent.base
        if (base === null || !this.#desk.due) return
        this.#swap('make-anew', 'making the lost ledger anew', () => this.#agent.makeAnew(kept(base)))
        return
      }
      case 'step-down':
        this.#begin(() => this.#stepDown(primary, action.phase))
        return
      case 'stop':
        this.#stopFor(action.code, action.phase)
        return
      default:
        action satisfies never
    }
  }

  #actAsStandby(action: StandbyAction): void {
    if (this.#role === 'starting' && this.#agent.readAtMs !== null) this.#become('mirror', this.#phase)
    switch (action.kind) {
      case 'none':
        this.#say(action.phase)
        return
      case 'read-ledger':
        this.#say(action.phase)
        this.#desk.read(this.#agent.health === 'away' ? this.#times.lookMs : this.#times.beaconMs)
        return
      case 'probe-peer':
        this.#say(action.phase)
        this.#probe()
        return
      case 'create': {
        const { self } = this.#options
        const first = { epoch: toEpoch(1), primary: self.id, inSync: [self.id], replicas: [self] }
        this.#swapAsStandby('create', null, first)
        return
      }
      case 'claim':
        this.#swapAsStandby('claim', action.from, claimed(action.from, this.#options.self))
        return
      case 'promote':
        this.#swapAsStandby('promote', action.from, promoted(action.from, this.#options.self))
        return
      case 'take-up':
        this.#begin(() => this.#takeUp(action.entry))
        return
      case 'stop':
        this.#stopFor(action.code, action.phase)
        return
      case 'exit':
        this.#mirror?.leave(true)
        this.#stopFor('DISK_FAILED', action.phase)
        this.#options.onFailure(known(this.#disk.failure, 'the disk failed'))
        return
      default:
        action satisfies never
    }
  }

  // ---- carrying out

  /** Rule 6: nothing is acknowledged any more before the swap begins. */
  #swapAsStandby(change: string, from: LedgerEntry | null, to: Change): void {
    if (!this.#desk.due) return
    this.#mirror?.mute()
    this.#swap(change, `${change}: swapping the ledger to epoch ${to.epoch}`, () => this.#agent.swap(from, to))
  }

  #swapAsPrimary(primary: PrimarySide, change: PrimaryChange, phase: string): void {
    const base = this.#agent.base
    if (base === null || !this.#desk.due) return
    const to = changeOf(change, base, primary.mirror)
    if (to === null) return
    this.#swap(change, phase, () => this.#agent.swap(base, to))
  }

  #swap(change: string, phase: string, run: () => Promise<SwapResult>): void {
    this.#say(phase)
    this.#desk.swap(change, phase, run)
  }

  #beginEpoch(): void {
    const { log, self } = this.#options
    const type = RecordType.epochStart
    try {
      const meta = encodeRecord({ type, replica: self.id, bootId: self.bootId })
      this.#begunLsn = log.append([{ type, meta }]).last
    } catch (error) {
      this.#disk.fail(error)
    }
    this.#poke()
  }

  /** Starts a change of role; decisions rest until it is done. */
  #begin(change: () => Promise<void>): void {
    this.#task = change()
      .catch((error: unknown) => {
        // A disk that fails in the middle is a fact for the next decision, everything else a bug.
        if (this.#disk.failure === null) this.#fail(error)
      })
      .finally(() => {
        this.#task = null
        this.#poke()
      })
  }

  async #takeUp(entry: LedgerEntry): Promise<void> {
    const { log, shard, self, network, clock, bulkBytesPerSecond } = this.#options
    this.#become('taking-up', `taking up epoch ${entry.epoch}`)
    this.#mirror?.mute()
    await (this.#mirror === null ? log.drained() : this.#mirror.quiet())
    await this.#notes.update((note) => ({
      promisedEpoch: entry.epoch,
      ledgerVersion: Math.max(note.ledgerVersion, entry.version),
      inSync: true,
    }))
    if (this.#agent.base?.nonce !== entry.nonce || this.#role !== 'taking-up') return
    this.#mirrorCommits.end()
    log.setEpoch(entry.epoch)
    this.#writtenEpoch = entry.epoch
    this.#begunLsn = null
    this.#heardHigher = 0
    this.#primary = new PrimarySide({
      shard,
      self,
      epoch: entry.epoch,
      network,
      clock,
      log,
      agent: this.#agent,
      times: this.#times,
      bulkBytesPerSecond: bulkBytesPerSecond ?? BULK_BYTES_PER_SECOND,
      nextLinkNumber: () => this.#nextLinkNumber(),
      onChange: () => this.#poke(),
      onNotice: (notice) => this.#notice(notice),
      onHeardVersion: (version) => this.#heardOf(version),
    })
    this.#primary.start()
  }

  async #stepDown(primary: PrimarySide, phase: string): Promise<void> {
    const { log, self, clock } = this.#options
    const entry = this.#agent.base
    this.#become('stepping-down', phase)
    this.#tell({ role: 'stepping-down', phase })
    this.#checkReadRight()
    this.#primary = null
    this.#begunLsn = null
    this.#drainingFromMs = null
    const named = entry !== null && entry.primary !== self.id && entry.primary === primary.mirror?.id
    await primary.end(phase, named ? entry.version : null)
    if (named) this.#resolveSwitchover()
    else this.#rejectSwitchover(phase)
    if (this.#disk.failure === null) {
      await log.drained()
      await this.#notes.update((note) => ({
        ...note,
        ledgerVersion: Math.max(note.ledgerVersion, this.#agent.seenVersion),
        inSync: note.inSync && (entry?.inSync.includes(self.id) ?? false),
      }))
    }
    this.#quietFromMs = clock.monotonicMs()
    this.#mirrorCommits = new CommitFeed()
    this.#become('mirror', phase)
    this.#tell({ role: 'mirror', commits: this.#mirrorCommits, commit: log.commit })
  }

  /** The epoch's first record is committed: from here on this replica serves. */
  #announce(): void {
    const primary = this.#primary
    if (primary === null || this.#role !== 'taking-up' || this.#begunLsn === null) return
    if (primary.commit < this.#begunLsn) return
    const epoch = toEpoch(this.#writtenEpoch)
    this.#become('primary', 'primary')
    const forced = this.#forcedEpoch === epoch
    this.#tell({ role: 'primary', epoch, commits: primary.commits, commit: primary.commit, forced })
  }

  #stopFor(code: string, phase: string): void {
    const primary = this.#primary
    this.#primary = null
    this.#become('failed', phase)
    if (primary !== null) {
      this.#tell({ role: 'stepping-down', phase })
      this.#begin(() => primary.end(phase, null))
    }
    this.#checkReadRight()
    this.#mirrorCommits.end()
    this.#mirror?.close(phase)
    this.#rejectSwitchover(phase)
    this.#tell({ role: 'failed', code, phase })
  }

  #fail(error: unknown): void {
    if (this.#role === 'failed' || this.#role === 'stopped') return
    this.#stopFor('FAILED', errorMessage(error))
    this.#options.onFailure(error instanceof Error ? error : new Error(errorMessage(error)))
  }

  // ---- watching

  #watchClock(): void {
    const { clock } = this.#options
    const now = { wallMs: clock.nowMs(), monotonicMs: clock.monotonicMs() }
    const jumped = clockJumped(this.#look, now, this.#times)
    this.#look = now
    if (!jumped) return
    this.#primary?.clockJumped()
    this.#notice({ kind: 'clock-jumped' })
  }

  #checkReadRight(): void {
    const right = this.readRight()
    if ((right.kind === 'may') === this.#mayRead) return
    this.#mayRead = right.kind === 'may'
    for (const listener of this.#readRightListeners) listener(right)
  }

  /** For admission: since when there is one copy, and since when commit cannot go on. */
  #watchCommit(): void {
    const nowMs = this.#options.clock.monotonicMs()
    const primary = this.#primary
    const one = primary !== null && this.#agent.mayHold.some((entry) => entry.inSync.length < 2)
    this.#degraded.set(one, nowMs)
    const stalled = primary !== null && primary.silentMs > this.#times.removeMs && this.#agent.mayHold.some(pair)
    this.#stalled.set(stalled, nowMs)
  }

  /**
   * The ledger went on: the note follows, in the background. A replica that is not primary stores what it read only where that takes
   * it out of sync: a version in which it stays in sync is stored with the primary's word (`standing`), and until then an older
   * ledger that is put back names it with right.
   */
  #noteVersion(): void {
    const entry = this.#agent.base
    if (entry === null || entry.version <= this.#notedVersion) return
    this.#notedVersion = entry.version
    const { id } = this.#options.self
    const primary = this.#primary !== null || this.#role === 'taking-up'
    const stored = this.#notes.update((note) => {
      if (entry.version <= note.ledgerVersion) return note
      if (primary) return { ...note, ledgerVersion: entry.version }
      return noteAgrees(note, entry, id) ? note : { ...note, ledgerVersion: entry.version, inSync: false }
    })
    stored.catch((error: unknown) => {
      this.#disk.fail(error)
    })
  }

  /** A primary looks at the ledger now and then: somebody may have promoted the other by force. */
  #readAsPrimary(): void {
    const good = this.#agent.health === 'good' && this.#agent.settled
    const ageMs = this.#options.clock.monotonicMs() - (this.#agent.readAtMs ?? 0)
    if (!good || ageMs > this.#times.lookMs * 5) this.#desk.read(this.#times.lookMs)
  }

  #probe(): void {
    const { network, clock, shard } = this.#options
    const nowMs = clock.monotonicMs()
    if (network === null || this.#probing !== null || nowMs < this.#nextProbeMs) return
    this.#nextProbeMs = nowMs + REDIAL_MS
    this.#probing = probePeer(network, clock, shard, this.#notes.note.promisedEpoch).then((seen) => {
      this.#probing = null
      if (seen !== null) this.#peerDirectory = seen.ledgerVersion === 0 && seen.lastLsn === 0 ? 'new' : 'used'
      this.#poke()
    })
  }

  // ---- small things

  #mirrorSide(network: PeerNetwork): MirrorSide {
    const { shard, self, clock, log, appliedLsn, space } = this.#options
    return new MirrorSide({
      shard,
      self,
      network,
      clock,
      log,
      notes: this.#notes,
      appliedLsn,
      freeBytes: () => space().freeBytes,
      events: {
        mayFollow: (epoch) => this.#mayFollow(epoch),
        ledgerVersion: (version) => this.#heardOf(version),
        handover: () => this.#desk.read(0),
        commit: (commit) => this.#mirrorCommits.tell(commit),
        historiesDiffer: () => {
          this.#trouble = 'histories-differ'
          this.#poke()
        },
        changed: () => this.#poke(),
        noticed: (notice) => this.#notice(notice),
        failed: (error) => {
          if (this.#disk.failure === null) this.#fail(error)
        },
      },
    })
  }

  /** A primary that hears of a higher epoch steps down first; the other side dials again. */
  #mayFollow(epoch: Epoch): boolean {
    if (this.#primary !== null) {
      this.#heardHigher = Math.max(this.#heardHigher, epoch)
      this.#poke()
      return false
    }
    return this.#task === null && (this.#role === 'mirror' || this.#role === 'starting')
  }

  #heardOf(ledgerVersion: number): void {
    this.#agent.heardOf(ledgerVersion)
  }

  #nextLinkNumber(): number {
    this.#linkNumber = (this.#linkNumber + 1) >>> 0
    return this.#linkNumber
  }

  #resolveSwitchover(): void {
    this.#switchover?.resolve()
    this.#switchover = null
  }

  #rejectSwitchover(phase: string): void {
    this.#switchover?.reject(new CommandError('REPLICA_CALLED_OFF', `Cannot hand over: ${phase}`))
    this.#switchover = null
  }

  #become(role: MachineRole, phase: string): void {
    this.#role = role
    this.#phase = phase
    this.#notice({ kind: 'role', role, phase, epoch: this.#notes.note.promisedEpoch })
  }

  #notice(notice: MachineNotice): void {
    this.#options.onNotice?.(notice)
  }

  #say(phase: string): void {
    this.#phase = phase
  }

  #tell(event: RoleEvent): void {
    for (const listener of this.#roleListeners) listener(event)
  }
}

function pair(entry: LedgerEntry): boolean {
  return entry.inSync.length > 1
}

/** What the change writes, or null when the mirror that it needs is not known any more. */
function changeOf(change: PrimaryChange, base: LedgerEntry, mirror: LedgerReplica | null): Change | null {
  switch (change) {
    case 'shrink':
      return shrunk(base)
    case 'keep':
      return kept(base)
    case 'grow':
      return mirror && grown(base, mirror)
    case 'hand-over':
      return mirror && handedOver(base, mirror)
    case 'abandon':
      return mirror && abandoned(base, mirror)
    default:
      return change satisfies never
  }
}
