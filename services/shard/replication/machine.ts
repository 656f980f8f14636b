/**
 * One replica in one process life. Its duties gather facts, let `../roles` decide and carry the action out; the machine changes the
 * role. It holds what outlives a role (log, note, ledger agent, the listening side) and what does not (a term of office as primary).
 *
 * Invariants: authority comes from `agent.mayHold` alone; at most one change of role is under way; whatever a role told the
 * shell ends before the next role begins; every timer is the clock's and every promise is awaited or handed to `#task`.
 * Read next: primary-duty.ts, standby-duty.ts, docs/internals/replication.md.
 */
import { errorMessage } from '#lib/errors/coded-error.ts'
import { type Epoch, type Lsn, toLsn } from '#lib/mail/types.ts'
import type { PeerNetwork } from '#lib/ports/network.ts'
import { LedgerAgent, type SwapResult } from '../ledger/agent.ts'
import type { LedgerEntry, ReplicaId } from '../ledger/types.ts'
import type { AdmissionFacts } from '../roles/admission.ts'
import type { ForceProof } from '../roles/force.ts'
import type { ReadRight } from '../roles/read-right.ts'
import { checkTimes, ROLE_TIMES, type RoleTimes } from '../roles/times.ts'
import { AdmissionWatch } from './admission-watch.ts'
import { CommitFeed } from './commit-feed.ts'
import { DiskWatch } from './disk-watch.ts'
import { CommandError } from './errors.ts'
import { forcePromotion } from './forced-promotion.ts'
import { Handover } from './handover.ts'
import { LedgerDesk } from './ledger-desk.ts'
import { restoreLedger } from './ledger-restoration.ts'
import { BULK_BYTES_PER_SECOND, TICK_MS } from './limits.ts'
import type { MachineParts } from './machine-parts.ts'
import type { MachineNotice, MachineRole, MachineStatus, ReplicaMachineOptions, RoleEvent } from './machine-types.ts'
import { MirrorSide } from './mirror-side.ts'
import { NoteFollower } from './note-follower.ts'
import { NoteKeeper } from './note-keeper.ts'
import { PrimaryDuty } from './primary-duty.ts'
import { PrimarySide } from './primary-side.ts'
import { probePeer } from './probe.ts'
import { ReadWatch } from './read-watch.ts'
import { Repairer } from './repairer.ts'
import { retire } from './retirement.ts'
import { StandbyDuty } from './standby-duty.ts'

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
  readonly #admission: AdmissionWatch
  readonly #reading: ReadWatch
  readonly #handover: Handover
  readonly #notes: NoteKeeper
  readonly #noteFollower: NoteFollower
  readonly #mirror: MirrorSide | null
  readonly #parts: MachineParts
  readonly #standby: StandbyDuty
  readonly #roleListeners: ((event: RoleEvent) => void)[] = []
  #role: MachineRole = 'starting'
  #phase = 'reading the ledger'
  /** Of office as primary; null while this replica is none. */
  #term: PrimaryDuty | null = null
  #mirrorCommits = new CommitFeed()
  /** The change of role that is under way. */
  #task: Promise<void> | null = null
  #poked = false
  #cancelTick = () => {}
  #writtenEpoch = 0
  #linkNumber: number

  constructor(options: ReplicaMachineOptions) {
    const { clock, log, notes, ledger, shard, random, network } = options
    this.#options = options
    this.#times = checkTimes(options.times ?? ROLE_TIMES)
    this.#linkNumber = Buffer.from(random.bytes(4)).readUInt32BE() >>> 1
    this.#handover = new Handover(clock)
    this.#reading = new ReadWatch({
      clock,
      times: this.#times,
      facts: () => ({
        self: options.self.id,
        serving: this.#role === 'primary',
        mayHold: this.#agent.mayHold,
        ackedBeaconSentMs: this.#primary?.leaseFromMs ?? null,
      }),
      onJump: () => {
        this.#primary?.clockJumped()
        this.#notice({ kind: 'clock-jumped' })
      },
    })
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
    this.#disk = new DiskWatch(clock, this.#times, () => log.full)
    this.#admission = new AdmissionWatch({ machine: options, times: this.#times, agent: this.#agent, disk: this.#disk })
    this.#noteFollower = new NoteFollower({
      self: options.self.id,
      agent: this.#agent,
      notes: this.#notes,
      disk: this.#disk,
    })
    this.#repairer = new Repairer({
      log,
      clock,
      fetch: async (lsn) => (await (this.#primary?.fetch(lsn) ?? this.#mirror?.fetch(lsn))) ?? null,
      onNotice: (notice) => this.#notice(notice),
    })
    log.onRotten((lsn) => this.#repairer.rescue(lsn))
    this.#mirror = network === null ? null : this.#mirrorSide(network)
    this.#parts = {
      options,
      times: this.#times,
      agent: this.#agent,
      desk: this.#desk,
      disk: this.#disk,
      notes: this.#notes,
      handover: this.#handover,
      mirror: this.#mirror,
      say: (phase) => this.#say(phase),
      poke: () => this.#poke(),
      stopFor: (code, phase) => this.#stopFor(code, phase),
    }
    this.#standby = new StandbyDuty(this.#parts, (entry) => this.#begin(() => this.#takeUp(entry)))
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
    this.#term = null
    this.#become('stopped', 'the process stops')
    this.#handover.callOff('the process stops')
    this.#mirrorCommits.end()
    await primary?.end('the process stops', null)
    this.#mirror?.leave(false)
    this.#mirror?.close('the process stops')
    await Promise.all([this.#task, this.#standby.idle(), this.#desk.idle(), this.#repairer.idle()])
  }

  onRole(listener: (event: RoleEvent) => void): void {
    this.#roleListeners.push(listener)
  }

  /** Called when the right to read (rule 8) is lost or comes back: on loss every session must be closed in this call. */
  onReadRight(listener: (right: ReadRight) => void): void {
    this.#reading.onChange(listener)
  }

  /** Rule 8: to be asked before bytes of mail go to a socket, and again after each pause. */
  readRight(): ReadRight {
    return this.#reading.right()
  }

  mayServe(): boolean {
    return this.readRight().kind === 'may'
  }

  /** For `admit` and `replyTo` of ../roles/admission.ts. */
  admissionFacts(): AdmissionFacts {
    const role = this.#role === 'primary' ? 'primary' : 'other'
    return this.#admission.facts(role, this.#handover.draining, this.#primary?.peerSpace ?? null)
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
      fenced: this.#handover.fenced,
      mirror: facts && {
        id: facts.id,
        phase: facts.phase,
        lagBytes: facts.lagBytes,
        growing: facts.growing,
        damaged: facts.damaged,
        standsBack: facts.standsBack,
      },
    }
  }

  get role(): MachineRole {
    return this.#role
  }

  get phase(): string {
    return this.#phase
  }

  /** As primary: what a replica acknowledged as durable in this term; null: nothing. For compaction (rule 10). */
  durableLsnOf(id: ReplicaId): Lsn | null {
    return this.#primary?.durableLsnOf(id) ?? null
  }

  /** The highest commit known here. */
  get commit(): Lsn {
    return this.#primary?.commit ?? toLsn(Math.max(this.#options.log.commit, this.#mirror?.commit ?? 0))
  }

  /**
   * Planned: resolves when the peer is named primary and this replica has stepped down.
   * @throws {CommandError} REPLICA_NOT_PRIMARY, REPLICA_NOT_IN_SYNC, REPLICA_PEER_STANDS_BACK, REPLICA_CALLED_OFF
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
    if (this.#primary.mirrorFacts()?.standsBack) {
      return Promise.reject(
        new CommandError('REPLICA_PEER_STANDS_BACK', 'Cannot hand over: the other member is fenced or about to stop'),
      )
    }
    const handedOver = this.#handover.request()
    this.#poke()
    return handedOver
  }

  /**
   * The process is about to stop: from now on this replica takes no office, and hands over the one it has, if it can within
   * `withinMs`. `stop` comes next. @returns In words what came of it
   */
  retire(withinMs: number): Promise<string> {
    this.#handover.retire()
    this.#poke()
    const { clock, log } = this.#options
    return retire({
      clock,
      withinMs,
      isPrimary: () => this.#primary !== null,
      handOver: () => this.switchover(),
      successorServes: () => {
        const newest = log.epochs().at(-1)
        return newest !== undefined && newest.epoch > this.#writtenEpoch && this.commit >= newest.firstLsn
      },
    })
  }

  /** Keeps this replica from becoming primary until `unfence` or the end of the process (the shell renews it at the next); a primary hands over first. */
  async fence(): Promise<void> {
    this.#handover.fence()
    this.#poke()
    if (this.#primary !== null) await this.switchover()
  }

  unfence(): void {
    this.#handover.unfence()
    this.#poke()
  }

  /**
   * Rule 11. @returns In words what may be lost; it has happened then.
   * @throws {CommandError} REPLICA_FORCE_REFUSED, REPLICA_CALLED_OFF
   */
  promoteByForce(proof: ForceProof | null, otherPod: string): Promise<string> {
    const { log, self } = this.#options
    const options = {
      self,
      times: this.#times,
      log,
      agent: this.#agent,
      notes: this.#notes,
      mirror: this.#mirror,
      standing: () => ({
        role: this.#standingRole,
        fenced: this.#handover.fenced,
        quietMs: this.#standby.quietMs,
        commit: this.commit,
      }),
      onSwapped: (result: SwapResult, phase: string) => this.#notice({ kind: 'swap', change: 'force', result, phase }),
      nowMs: () => this.#options.clock.nowMs(),
      onNamed: () => this.#poke(),
    }
    return forcePromotion(options, proof, otherPod)
  }

  /**
   * Rule 13. @returns In words why this replica could make the ledger anew; it has happened then.
   * @throws {CommandError} REPLICA_RESTORE_REFUSED, REPLICA_CALLED_OFF
   */
  restoreLedger(pods: { readonly self: string; readonly other: string }): Promise<string> {
    const { log, self, network, clock, shard } = this.#options
    if (network === null || this.#mirror === null) {
      return Promise.reject(
        new CommandError('REPLICA_RESTORE_REFUSED', 'This shard has one replica: promote it by force'),
      )
    }
    return restoreLedger({
      self,
      pods,
      log,
      agent: this.#agent,
      notes: this.#notes,
      mirror: this.#mirror,
      probe: () => probePeer(network, clock, shard, this.#notes.note.promisedEpoch),
      standing: () => ({ role: this.#standingRole, fenced: this.#handover.fenced }),
      onSwapped: (result, phase) => this.#notice({ kind: 'swap', change: 'restore', result, phase }),
      onNamed: () => this.#poke(),
    })
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
    this.#reading.watchClock()
    this.#mirror?.watch(this.#times.graceMs)
    this.#primary?.refresh()
    this.#noteFollower.follow(this.#primary !== null || this.#role === 'taking-up')
    this.#announce()
    this.#admission.watch(this.#primary)
    this.#reading.check()
    if (this.#task !== null) return
    if (this.#term !== null) {
      this.#term.act()
    } else {
      if (this.#role === 'starting' && this.#agent.readAtMs !== null) this.#become('mirror', this.#phase)
      this.#standby.act(this.#writtenEpoch)
    }
    this.#repairer.look()
  }

  // ---- carrying out

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
      ...note,
      promisedEpoch: entry.epoch,
      ledgerVersion: Math.max(note.ledgerVersion, entry.version),
      inSync: true,
    }))
    if (this.#agent.base?.nonce !== entry.nonce || this.#role !== 'taking-up') return
    this.#mirrorCommits.end()
    log.setEpoch(entry.epoch)
    this.#writtenEpoch = entry.epoch
    const side = new PrimarySide({
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
    this.#term = new PrimaryDuty({
      parts: this.#parts,
      epoch: entry.epoch,
      side,
      stepDown: (phase) => this.#begin(() => this.#stepDown(side, phase)),
    })
    side.start()
  }

  async #stepDown(primary: PrimarySide, phase: string): Promise<void> {
    const { log, self } = this.#options
    const entry = this.#agent.base
    this.#become('stepping-down', phase)
    this.#tell({ role: 'stepping-down', phase })
    this.#reading.check()
    this.#term = null
    this.#handover.endDraining()
    const named = entry !== null && entry.primary !== self.id && entry.primary === primary.mirror?.id
    await primary.end(phase, named ? entry.version : null)
    if (named) this.#handover.done()
    else this.#handover.callOff(phase)
    if (this.#disk.failure === null) {
      await log.drained()
      await this.#notes.update((note) => ({
        ...note,
        ledgerVersion: Math.max(note.ledgerVersion, this.#agent.seenVersion),
        inSync: note.inSync && (entry?.inSync.includes(self.id) ?? false),
      }))
    }
    this.#standby.restart()
    this.#mirrorCommits = new CommitFeed()
    this.#become('mirror', phase)
    this.#tell({ role: 'mirror', commits: this.#mirrorCommits, commit: log.commit })
  }

  /** The epoch's first record is committed: from here on this replica serves. */
  #announce(): void {
    const term = this.#term
    if (term === null || this.#role !== 'taking-up' || !term.begun) return
    const { epoch, side } = term
    this.#become('primary', 'primary')
    if (term.jumped) this.#forgetJump()
    this.#tell({ role: 'primary', epoch, commits: side.commits, commit: side.commit, forced: term.jumped })
  }

  /** The jump is committed: the next epoch needs none. */
  #forgetJump(): void {
    const forgotten = this.#notes.update((note) => ({ ...note, jumpUids: 0 }))
    forgotten.catch((error: unknown) => this.#disk.fail(error))
  }

  #stopFor(code: string, phase: string): void {
    const primary = this.#primary
    this.#term = null
    this.#become('failed', phase)
    if (primary !== null) {
      this.#tell({ role: 'stepping-down', phase })
      this.#begin(() => primary.end(phase, null))
    }
    this.#reading.check()
    this.#mirrorCommits.end()
    this.#mirror?.close(phase)
    this.#handover.callOff(phase)
    this.#tell({ role: 'failed', code, phase })
  }

  #fail(error: unknown): void {
    if (this.#role === 'failed' || this.#role === 'stopped') return
    this.#stopFor('FAILED', errorMessage(error))
    this.#options.onFailure(error instanceof Error ? error : new Error(errorMessage(error)))
  }

  // ---- small things

  get #primary(): PrimarySide | null {
    return this.#term?.side ?? null
  }

  get #standingRole(): 'standby' | 'primary' | 'ended' {
    if (this.#role === 'failed' || this.#role === 'stopped') return 'ended'
    return this.#primary === null ? 'standby' : 'primary'
  }

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
      space,
      featureLevel: () => this.#agent.base?.featureLevel ?? 1,
      standsBack: () => this.#handover.standsBack,
      events: {
        mayFollow: (epoch) => this.#mayFollow(epoch),
        ledgerVersion: (version) => this.#heardOf(version),
        handover: () => this.#desk.readChanged(),
        commit: (commit) => this.#mirrorCommits.tell(commit),
        historiesDiffer: () => {
          this.#standby.historiesDiffer()
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
    if (this.#term !== null) {
      this.#term.hear(epoch)
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
