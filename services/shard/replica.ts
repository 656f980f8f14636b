/**
 * One replica of a shard in this process: opens its directory, log and index, lets the replication machine decide what it
 * is, and serves while it is primary. The machine tells each change of role synchronously; what takes time (bringing the index
 * up to commit) runs in one queue behind it, and is dropped if the role has changed again meanwhile.
 *
 * Invariants: nothing is served before the index holds everything up to the commit of the new term; on stepping down every
 * waiting operation is refused and every session closed before that call returns; the index never passes commit.
 */
import { join } from 'node:path'
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { RoleCommand, RoleResult } from '#lib/frames/role-command.ts'
import type { Refusal } from '#lib/frames/shard-protocol.ts'
import type { StatusReport } from '#lib/frames/status-report.ts'
import { preferredMember } from '#lib/link/address.ts'
import type { Logger } from '#lib/log/logger.ts'
import { type Lsn, type ShardName, toLsn } from '#lib/mail/types.ts'
import { eventLoopLoad } from '#lib/platform/event-loop-load.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Disk } from '#lib/ports/disk.ts'
import type { PeerNetwork } from '#lib/ports/network.ts'
import { type Random, randomId } from '#lib/ports/random.ts'
import type { BackupCounts, BackupKeeper } from './backup/keeper.ts'
import { type BackupTarget, startBackup } from './backup/replica-backup.ts'
import { StoreError } from './errors.ts'
import { GiveBack } from './give-back.ts'
import {
  catchUp,
  type IndexFolder,
  type IndexMaintenance,
  indexAppliedLsn,
  isIndexUnusable,
  openIndex,
  putIndexAside,
  type ShardIndex,
  startIndexMaintenance,
} from './index/mod.ts'
import type { Teacher } from './learning/learner.ts'
import { LEVEL_OF_MOVES } from './ledger/feature-level.ts'
import type { Ledger, LedgerReplica } from './ledger/types.ts'
import type { ReplicaLock } from './log/lock.ts'
import { Log } from './log/log.ts'
import { ReplicaDirectory } from './log/replica-directory.ts'
import { SpaceWait } from './log/space-wait.ts'
import { type CommitSource, MailStore } from './mailbox/mod.ts'
import type { Moves } from './move/moves.ts'
import type { MovePeers } from './move/peer.ts'
import type { Quarantine } from './quarantine/quarantine.ts'
import type { OutgoingQueue } from './queue/outgoing-queue.ts'
import { DELIVERY_MEMORY_MS } from './records/types.ts'
import { noteStore } from './replication/directory-notes.ts'
import { ReplicaMachine, type RoleEvent } from './replication/machine.ts'
import { FenceMark, runRoleCommand } from './role-commands.ts'
import { admit, type DurabilityPolicy, type OperationKind, replyTo } from './roles/admission.ts'
import type { Served, Serving } from './server/served.ts'
import { FEED_FREE_SHARE_MIN } from './text/limits.ts'
import { startTextService, type TextService } from './text/text-service.ts'
import { policyOf } from './upkeep/decide.ts'
import { startUpkeep } from './upkeep/replica-upkeep.ts'
import { Reserve, reserveFileBytes, withReserve } from './upkeep/reserve.ts'
import type { Upkeep, UpkeepCounts } from './upkeep/upkeep.ts'

const BOOT_ID_CHARACTERS = 16
/** A mirror's index may lag by this: many records in one step cost little more than one, and a new primary catches up first. */
const FOLLOW_EVERY_MS = 50
/** How often free space is asked for: it bounds how far a volume can fill unseen. */
const SPACE_LOOK_MS = 1_000

const REFUSED_BECAUSE = {
  'not-primary': 'the other member is primary',
  'disk-failed': 'the disk failed',
  stalled: 'the other member is away and the ledger cannot be reached',
  'one-copy': 'only one copy would be kept, and the durability of this MailNode asks for two',
  full: 'the disk of a member is nearly full',
} as const

export interface ReplicaOptions {
  readonly shard: ShardName
  readonly member: number
  readonly pod: string
  readonly podUid: string
  readonly disk: Disk
  /** Absolute path of the disk's root: SQLite opens files by path. */
  readonly diskRoot: string
  /** Replica directory below the disk's root. */
  readonly folder: string
  readonly lock: ReplicaLock
  readonly ledger: Ledger
  readonly network: PeerNetwork
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly durability: DurabilityPolicy
  readonly messageBytesMax: number
  /** Name under which notifications about letters are sent. */
  readonly hostname: string
  /** Where what is committed is kept besides; null: nowhere. */
  readonly backup: BackupTarget | null
  /** Who is told what users call junk; null: nobody. */
  readonly teacher: Teacher | null
  readonly quarantineMs: number
  readonly quarantineDigests: boolean
  /** How long the bytes of an expunged message stay on disk at least. */
  readonly expungedRetentionMs: number
  /** Other shards, for accounts that move. */
  readonly movePeers: MovePeers
  /** After so long with both members in sync a shard goes back to the member it prefers; null: never by itself. */
  readonly giveBackAfterMs: number | null
  /** What the other member sent was refused: malformed, out of turn, of an epoch that is over. */
  readonly onPeerRefused: () => void
  /** The log or index failed: nothing is served any more, the process should end. */
  readonly onFailure: (error: Error) => void
}

interface Opened {
  readonly directory: ReplicaDirectory
  readonly log: Log
  readonly index: ShardIndex
  readonly maintenance: IndexMaintenance
  readonly machine: ReplicaMachine
  readonly reserve: Reserve
  readonly upkeep: Upkeep
  readonly text: TextService
  readonly backup: BackupKeeper | null
}

export class Replica implements Served {
  readonly shard: ShardName
  readonly #options: ReplicaOptions
  #opened: Opened | null = null
  #giveBack: GiveBack | null = null
  #store: MailStore | null = null
  /** Grows with each change of role: work of an older term stops. */
  #term = 0
  #work: Promise<void> = Promise.resolve()
  /** Commit to which the step of `#follow` that waits in the queue will go. */
  #followTo: Lsn | null = null
  #cancelFollow = () => {}
  #phase = 'opening the replica directory'
  #failed = false
  #stopped = false
  #space = { freeBytes: 0, totalBytes: 0 }
  #cancelSpaceLook = () => {}
  /** Where the start and the replica's notes wait for space; the log has one of its own. */
  readonly #spaceWait: SpaceWait

  constructor(options: ReplicaOptions) {
    this.shard = options.shard
    this.#options = options
    this.#spaceWait = new SpaceWait(options.clock, (full) => {
      if (full) options.logger.error('the disk is full to the last byte: waiting for space')
    })
  }

  /** True once the replica knows what it is. */
  get settled(): boolean {
    const role = this.#opened?.machine.role
    return role === 'mirror' || role === 'failed' || (role === 'primary' && this.#store !== null)
  }

  get phase(): string {
    return this.#failed || this.#stopped ? this.#phase : (this.#opened?.machine.phase ?? this.#phase)
  }

  /** Opens everything and takes part. @throws what makes it impossible: foreign directory, lock held, unreadable log */
  async start(): Promise<void> {
    const { disk: bare, folder, shard, pod, podUid, member, lock, clock, random, logger } = this.#options
    let reserve: Reserve | null = null
    const tapped = () => {
      logger.error({ missingBytes: reserve?.missingBytes }, 'the disk is full: living on the reserve')
      this.#lookAtSpaceNow()
    }
    const disk = withReserve(bare, () => reserve, tapped)
    const directory = await ReplicaDirectory.open({
      disk,
      directory: folder,
      shard,
      replica: pod,
      lock,
      random,
      nowMs: clock.nowMs(),
    })
    const place = this.#place
    this.#phase = 'opening the log'
    await this.#lookAtSpace()
    reserve = await Reserve.open(bare, folder, reserveFileBytes(this.#space.totalBytes))
    const openLog = async () =>
      Log.open({
        disk,
        directory: directory.logDirectory,
        shard,
        clock,
        random,
        epoch: 'seen',
        gather: true,
        onSpace: (full) => {
          if (full) logger.error('the disk is full to the last byte: what was written waits for space')
          else logger.info('there is space again: what waited is written')
          this.#lookAtSpaceNow()
        },
        // Not of one that gets a full copy: its log may end below the index, and nothing of it was lost.
        knownUpTo: directory.note.inSync ? await indexAppliedLsn(place) : toLsn(0),
      })
    const log = await this.#spaceWait.run(openLog)
    if (log.recovery.cut) logger.warn({ ...log.recovery.cut }, 'cut a torn tail of the log')
    for (const range of log.recovery.rotten) logger.error({ ...range }, 'the log has rotten records')
    this.#phase = 'bringing the index up to the log'
    const bringUp = () =>
      openIndex({ log, place, upTo: log.commit, deliveriesFromMs: clock.nowMs() - DELIVERY_MEMORY_MS })
    const { index, how, appliedCount } = await this.#spaceWait.run(bringUp)
    logger.info({ how, appliedCount, lastLsn: log.lastLsn, commit: log.commit }, 'replica directory is open')
    const maintenance = startIndexMaintenance({
      index,
      place,
      clock,
      onFailure: (err) => logger.error({ err }, 'the index could not be written out: it will be tried again'),
      onLost: (error) => this.#fail(error),
    })
    const { incarnation } = directory.superblock
    const self: LedgerReplica = {
      id: `${shard}@${member}#${incarnation}`,
      member,
      podUid,
      incarnation,
      bootId: randomId(random, BOOT_ID_CHARACTERS),
    }
    const fenced = await this.#fenceMark.stands()
    const machine = new ReplicaMachine({
      shard,
      self,
      preferred: preferredMember(shard) === member,
      log,
      notes: noteStore(directory, this.#spaceWait),
      ledger: this.#options.ledger,
      network: this.#options.network,
      clock,
      random,
      appliedLsn: () => index.appliedLsn,
      space: () => this.#spaceLeft(),
      durability: this.#options.durability,
      onNotice: (notice) => {
        logger.info(notice, 'replication')
        if (notice.kind === 'bad-frame' || notice.kind === 'refused') this.#options.onPeerRefused()
      },
      onFailure: (error) => this.#fail(error),
    })
    const space = () => this.#space
    const kept = { disk: bare, folder, self: self.id, log, index, maintenance, machine, reserve, clock, logger, space }
    const upkeep = startUpkeep({ ...kept, policy: policyOf(this.#options.expungedRetentionMs) })
    log.onFailure(() => void upkeep.stop())
    const text = this.#startText(log, maintenance, how.kind === 'opened' ? index.appliedLsn : toLsn(0))
    const { backup: target } = this.#options
    const backup = target && startBackup(target, { shard, log, machine, clock, logger })
    this.#opened = { directory, log, index, maintenance, machine, reserve, upkeep, text, backup }
    machine.onRole((event) => this.#roleChanged(event))
    machine.onReadRight((right) => {
      if (right.kind === 'may') return
      logger.warn({ ...right }, 'lost the right to read: closing all sessions')
      this.#store?.endAllSessions('This server may no longer answer, please connect again')
    })
    machine.start()
    this.#giveBack = new GiveBack({
      clock,
      logger,
      preferred: preferredMember(shard) === member,
      afterMs: this.#options.giveBackAfterMs,
      lock,
      status: () => machine.status(),
      handOver: () => machine.switchover(),
    })
    if (fenced) await machine.fence()
  }

  /** The process is asked to stop: hands over what it is primary of, for `withinMs` at most, and stops. Safe in every state. */
  async retire(reason: string, withinMs: number): Promise<void> {
    const machine = this.#opened?.machine
    if (machine && !this.#failed && !this.#stopped) {
      this.#options.logger.info({ came: await machine.retire(withinMs) }, 'before the stop')
    }
    await this.stop(reason)
  }

  /** Refuses from now on, ends sessions, and closes everything in order. Safe in every state. */
  async stop(reason: string): Promise<void> {
    this.#stopped = true
    this.#phase = reason
    this.#cancelSpaceLook()
    this.#spaceWait.end()
    const opened = this.#opened
    if (!opened) return
    const store = this.#store
    this.#store = null
    this.#term++
    // Whatever waits for space waits no longer: everything that is awaited here comes to an end.
    opened.log.space.end()
    await store?.close(reason)
    await opened.upkeep.stop()
    await opened.backup?.stop()
    await opened.machine.stop()
    this.#cancelFollow()
    await this.#giveBack?.stop()
    await this.#work
    await opened.text.stop()
    await opened.maintenance.stop()
    opened.index.close()
    await opened.log.close()
    await opened.directory.close()
  }

  serving(): Serving {
    const machine = this.#opened?.machine
    if (this.#store && machine && !this.#failed && !this.#stopped && machine.mayServe()) {
      return { kind: 'primary', store: this.#store }
    }
    return { kind: 'refusing', refusal: this.#refusal() }
  }

  mayServe(): boolean {
    return this.#opened?.machine.mayServe() ?? false
  }

  admit(kind: OperationKind): Refusal | null {
    const machine = this.#opened?.machine
    if (!machine) return this.#refusal()
    const admission = admit(kind, machine.admissionFacts())
    if (admission.kind === 'accept') return null
    const why = admission.kind === 'hold' ? 'a handover is under way' : REFUSED_BECAUSE[admission.reason]
    const reason = admission.kind === 'refuse' && admission.reason === 'full' ? 'limit' : 'unavailable'
    return { reason, message: `${this.shard} cannot take this now: ${why}`, target: null }
  }

  /** A handover under way refuses nothing here: what is appended before the swap is handed over with the rest. */
  #writeRefusal(kind: OperationKind): StoreError | null {
    const machine = this.#opened?.machine
    const admission = machine && admit(kind, machine.admissionFacts())
    if (admission?.kind !== 'refuse') return null
    const code = admission.reason === 'full' ? 'STORE_FULL' : 'STORE_UNAVAILABLE'
    return new StoreError(code, `Cannot write to ${this.shard} now: ${REFUSED_BECAUSE[admission.reason]}`)
  }

  /** Rule 12: the mirror left between append and commit, and one copy is less than this MailNode promises its users. */
  #writeDoubt(kind: OperationKind): StoreError | null {
    if (this.mayAcknowledge(kind)) return null
    return new StoreError(
      'STORE_ONE_COPY',
      'Done on one disk only, while two are demanded here: look before you repeat it',
    )
  }

  mayAcknowledge(kind: OperationKind): boolean {
    const machine = this.#opened?.machine
    return machine !== undefined && replyTo(kind, machine.admissionFacts()) === 'done'
  }

  /** Carries out an administrator's command. Never rejects: the words say what came of it. */
  async command(command: RoleCommand): Promise<RoleResult> {
    const machine = this.#opened?.machine
    if (!machine) return { done: false, words: `${this.shard} is still starting: try again` }
    const { logger, pod } = this.#options
    logger.info({ command }, 'administrator command')
    const result = await runRoleCommand({ shard: this.shard, pod, machine, mark: this.#fenceMark }, command)
    logger.info({ command, ...result }, 'administrator command answered')
    return result
  }

  status(): StatusReport {
    const { pod, member } = this.#options
    const machine = this.#opened?.machine.status()
    const entry = machine?.entry ?? null
    const counts = this.#store?.counts()
    const memberOf = (id: string) => entry?.replicas.find((replica) => replica.id === id)?.member ?? null
    return {
      shard: this.shard,
      member,
      pod,
      pid: process.pid,
      role: this.#failed ? 'failed' : (machine?.role ?? 'starting'),
      phase: this.phase,
      epoch: entry?.epoch ?? machine?.epoch ?? 0,
      primary: entry ? memberOf(entry.primary) : null,
      inSync: entry ? entry.inSync.map(memberOf).filter((number) => number !== null) : [],
      ledger: machine?.ledger ?? 'away',
      fenced: machine?.fenced ?? false,
      mirrorPhase: machine?.mirror?.phase ?? null,
      mirrorLagBytes: machine?.mirror?.lagBytes ?? null,
      lastLsn: machine?.lastLsn ?? 0,
      durableLsn: machine?.durableLsn ?? 0,
      commitLsn: machine?.commit ?? 0,
      appliedLsn: this.#opened?.index.appliedLsn ?? 0,
      sessions: counts?.sessions ?? 0,
      accounts: counts?.accountsInMemory ?? 0,
      pending: counts?.pending ?? 0,
      freeBytes: this.#space.freeBytes,
      totalBytes: this.#space.totalBytes,
      logBytes: this.#opened?.log.sizeBytes() ?? 0,
    }
  }

  /** What a mirror of an older version could not read must not be in the log. */
  #whyNoMoves(): string | null {
    const level = this.#opened?.machine.status().entry?.featureLevel ?? 0
    if (level >= LEVEL_OF_MOVES) return null
    return `the members of ${this.shard} write at feature level ${level}, moves need ${LEVEL_OF_MOVES}`
  }

  /** Null: there is none, or the log is not open yet. */
  get backup(): BackupCounts | null {
    return this.#opened?.backup?.counts ?? null
  }

  /** Null: this replica is not primary. */
  get moves(): Moves | null {
    return this.#store?.moves ?? null
  }

  /** Null: this replica is not primary. */
  get queue(): OutgoingQueue | null {
    return this.#store?.queue ?? null
  }

  /** Null: this replica is not primary. */
  get quarantine(): Quarantine | null {
    return this.#store?.quarantine ?? null
  }

  /** Null: not open yet. */
  get upkeepCounts(): UpkeepCounts | null {
    return this.#opened?.upkeep.counts ?? null
  }

  /** Synchronous, as the machine demands: what waits is refused and sessions are closed before this returns. */
  #roleChanged(event: RoleEvent): void {
    const term = ++this.#term
    const store = this.#store
    this.#store = null
    switch (event.role) {
      case 'mirror':
        store?.depose('another member is primary')
        event.commits.onCommit((commit) => this.#follow(commit))
        this.#follow(event.commit)
        return
      case 'primary':
        this.#enqueue(async () => {
          await this.#bringIndexTo(event.commit)
          if (term === this.#term) this.#serve(event.commits)
        })
        return
      case 'stepping-down':
      case 'failed':
        store?.depose(event.phase)
        return
      default:
        event satisfies never
    }
  }

  /** The index follows commit; what is committed stays so, whatever the role becomes meanwhile. */
  #follow(commit: Lsn): void {
    const waiting = this.#followTo !== null
    this.#followTo = commit
    if (waiting) return // the step that waits goes this far
    this.#cancelFollow = this.#options.clock.after(FOLLOW_EVERY_MS, () =>
      this.#enqueue(async () => {
        const upTo = this.#followTo
        this.#followTo = null
        if (upTo !== null) await this.#bringIndexTo(upTo)
      }),
    )
  }

  async #bringIndexTo(upTo: Lsn): Promise<void> {
    if (this.#opened) await catchUp(this.#opened.log, this.#opened.index, upTo)
  }

  #serve(commits: CommitSource): void {
    const opened = this.#opened
    if (!opened) return
    const { clock, random, logger, messageBytesMax, hostname, quarantineMs, quarantineDigests, teacher } = this.#options
    const { log, index } = opened
    this.#store = new MailStore({
      log,
      index,
      commits,
      clock,
      random,
      text: opened.text,
      limits: { bodyBytesMax: messageBytesMax },
      hostname,
      quarantineMs,
      quarantineDigests,
      ...(teacher && { teacher }),
      moves: {
        shard: this.shard,
        peers: this.#options.movePeers,
        mayNot: () => this.#whyNoMoves(),
        onNotice: (notice) => logger.info(notice, 'move'),
      },
      onFailure: (error) => this.#fail(error),
      refusal: (kind) => this.#writeRefusal(kind),
      doubt: (kind) => this.#writeDoubt(kind),
    })
    logger.info({ epoch: log.epoch, lastLsn: log.lastLsn }, 'serving as primary')
  }

  /**
   * Searches are faster with it; nothing else depends on it.
   * @param usableUpTo Of an index that was built anew nobody knows whether the text index had the same history.
   */
  #startText(log: Log, maintenance: IndexMaintenance, usableUpTo: Lsn): TextService {
    const { clock, logger } = this.#options
    return startTextService({
      place: this.#place,
      log,
      usableUpTo,
      indexedLsn: () => maintenance.checkpointedLsn,
      mayGrow: () => {
        const { freeBytes, totalBytes } = this.#spaceLeft()
        return freeBytes > totalBytes * FEED_FREE_SHARE_MIN
      },
      load: eventLoopLoad(),
      clock,
      onFailure: (err) => logger.warn({ err }, 'the text index does not keep up: searches look at every newer letter'),
    })
  }

  /** Up to here searches by text need not look at every letter. */
  get textIndexLsn(): number {
    return this.#opened?.text.appliedLsn ?? 0
  }

  #enqueue(step: () => Promise<void>): void {
    this.#work = this.#work.then(step).catch((error: unknown) => this.#fail(error))
  }

  get #fenceMark(): FenceMark {
    return new FenceMark(this.#options.disk, this.#options.folder)
  }

  get #place(): IndexFolder {
    const { disk, diskRoot, folder } = this.#options
    return { disk, folder: join(folder, 'index'), rootPath: diskRoot }
  }

  /** What is owed to the reserve is spoken for: a disk that lives on it takes in nothing new. */
  #spaceLeft(): { freeBytes: number; totalBytes: number } {
    const { freeBytes, totalBytes } = this.#space
    return { freeBytes: Math.max(0, freeBytes - (this.#opened?.reserve.missingBytes ?? 0)), totalBytes }
  }

  #lookAtSpaceNow(): void {
    this.#cancelSpaceLook()
    void this.#lookAtSpace()
  }

  async #lookAtSpace(): Promise<void> {
    const { disk, clock, logger } = this.#options
    try {
      this.#space = await disk.space('')
    } catch (err) {
      logger.warn({ err }, 'free space of the volume is unknown')
    }
    this.#cancelSpaceLook()
    if (!this.#stopped) this.#cancelSpaceLook = clock.after(SPACE_LOOK_MS, () => void this.#lookAtSpace())
  }

  #fail(error: unknown): void {
    if (this.#failed || this.#stopped) return
    this.#failed = true
    this.#phase = errorMessage(error)
    this.#options.logger.error({ err: error }, 'the replica failed')
    this.#store?.depose('the replica failed')
    this.#store = null
    const end = () => this.#options.onFailure(error instanceof Error ? error : new Error(errorMessage(error)))
    // A damaged index would be opened again at the next start: the log builds a new one.
    if (isIndexUnusable(error)) putIndexAside(this.#place).then(end, end)
    else end()
  }

  #refusal(): Refusal {
    const role = this.#opened?.machine.role
    const elsewhere = role === 'mirror' && !this.#failed
    return {
      reason: elsewhere ? 'not-primary' : 'unavailable',
      message: `${this.shard} on ${this.#options.pod}: ${this.phase}`,
      target: null,
    }
  }
}
