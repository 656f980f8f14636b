/**
 * One replica of a shard in this process, from opening its directory to serving and stopping. It carries out what
 * `roles/start.ts` decides; what it is doing stands in `phase`, in words, for status.
 *
 * Order at start: lock and superblock, ledger, decision, epoch (swap first), log, index, store. Nothing is served before
 * all of it is done; everything is refused again from the moment that any part fails.
 */
import { join } from 'node:path'
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { Refusal } from '#lib/frames/shard-protocol.ts'
import { MEMBERS_PER_MAILNODE, preferredMember } from '#lib/link/address.ts'
import type { Logger } from '#lib/log/logger.ts'
import type { Epoch, ShardName } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Disk } from '#lib/ports/disk.ts'
import { type Random, randomId } from '#lib/ports/random.ts'
import {
  type IndexFolder,
  type IndexMaintenance,
  indexAppliedLsn,
  isIndexUnusable,
  openIndex,
  putIndexAside,
  type ShardIndex,
  startIndexMaintenance,
} from './index/mod.ts'
import type { Ledger, LedgerEntry, LedgerReplica } from './ledger/types.ts'
import type { ReplicaLock } from './log/lock.ts'
import { Log } from './log/log.ts'
import { ReplicaDirectory } from './log/replica-directory.ts'
import { MailStore } from './mailbox/mod.ts'
import { encodeRecord } from './records/codec.ts'
import { RecordType } from './records/types.ts'
import { claimedEntry, decideAtStart, firstEntry } from './roles/start.ts'
import type { Served, Serving, ShardStatus } from './server/served.ts'

/** How often a replica that waits looks at the ledger again. */
const WAIT_LOOK_MS = 1_000
const BOOT_ID_CHARACTERS = 16

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
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly messageBytesMax: number
  /** The log or index failed: nothing is served any more, the process should end. */
  readonly onFailure: (error: Error) => void
}

interface Primary {
  readonly log: Log
  readonly index: ShardIndex
  readonly maintenance: IndexMaintenance
  readonly store: MailStore
}

type Role = ShardStatus['role']

export class Replica implements Served {
  readonly shard: ShardName
  readonly #options: ReplicaOptions
  readonly #bootId: string
  #directory: ReplicaDirectory | null = null
  #entry: LedgerEntry | null = null
  #primary: Primary | null = null
  #role: Role = 'starting'
  #phase = 'opening the replica directory'
  #cancelLook = () => {}
  #lastStatus: ShardStatus

  constructor(options: ReplicaOptions) {
    this.shard = options.shard
    this.#options = options
    this.#bootId = randomId(options.random, BOOT_ID_CHARACTERS)
    this.#lastStatus = this.#snapshot({ freeBytes: 0, totalBytes: 0 })
  }

  /** True once the replica has reached a state that it can stay in. */
  get settled(): boolean {
    return this.#role !== 'starting'
  }

  /** The status as last asked for, without waiting; for metrics. */
  get lastStatus(): ShardStatus {
    return this.#lastStatus
  }

  get phase(): string {
    return this.#phase
  }

  /** Takes up this replica's role. @throws what makes it impossible: foreign directory, lock held, unreadable ledger */
  async start(): Promise<void> {
    const { disk, folder, shard, pod, lock, clock, random } = this.#options
    this.#directory = await ReplicaDirectory.open({
      disk,
      directory: folder,
      shard,
      replica: pod,
      lock,
      random,
      nowMs: clock.nowMs(),
    })
    await this.#look()
  }

  /** Refuses from now on, ends sessions, and closes everything in order. Safe in every state. */
  async stop(reason: string): Promise<void> {
    this.#cancelLook()
    this.#become('stopped', reason)
    const primary = this.#primary
    this.#primary = null
    if (primary) {
      await primary.store.close(reason)
      await primary.maintenance.stop()
      primary.index.close()
      await primary.log.close()
    }
    await this.#directory?.close()
    this.#directory = null
  }

  serving(): Serving {
    if (this.#primary && this.#role === 'primary') return { kind: 'primary', store: this.#primary.store }
    return { kind: 'refusing', refusal: this.#refusal() }
  }

  async status(): Promise<ShardStatus> {
    const space = await this.#options.disk.space('').catch(() => ({ freeBytes: 0, totalBytes: 0 }))
    this.#lastStatus = this.#snapshot(space)
    return this.#lastStatus
  }

  /** Reads the ledger and does what the decision says; a waiting replica looks again later. */
  async #look(): Promise<void> {
    const directory = this.#directory
    if (!directory) return
    const { ledger, shard, member, clock, random, logger } = this.#options
    const entry = await ledger.read(shard)
    this.#entry = entry
    const self: LedgerReplica = {
      id: `${shard}@${member}#${directory.superblock.incarnation}`,
      member,
      podUid: this.#options.podUid,
      incarnation: directory.superblock.incarnation,
      bootId: this.#bootId,
    }
    const decision = decideAtStart({
      self,
      entry,
      newDirectory: directory.created,
      seenVersion: directory.note.highestLedgerVersion,
      preferred: preferredMember(shard) === member,
    })
    switch (decision.kind) {
      case 'create':
        await this.#claim(null, firstEntry(self, random))
        return
      case 'claim':
        await this.#claim(decision.from, claimedEntry(decision.from, self, random))
        return
      case 'wait':
        if (this.#role !== 'standby') logger.info({ phase: decision.phase }, 'standing by')
        this.#become('standby', decision.phase)
        this.#cancelLook = clock.after(WAIT_LOOK_MS, () => {
          this.#look().catch((error: unknown) => this.#fail(error))
        })
        return
      case 'stop':
        logger.error({ code: decision.code, phase: decision.phase }, 'this replica must not serve')
        this.#become('failed', decision.phase)
        return
      default:
        decision satisfies never
    }
  }

  /** Swaps to `to` and serves as its primary; after a conflict everything is decided anew. */
  async #claim(from: LedgerEntry | null, to: LedgerEntry): Promise<void> {
    const { ledger, shard, clock } = this.#options
    const outcome = await ledger.compareAndSwap(shard, from, to)
    if (outcome.kind !== 'ok') {
      // Unknown: a later look sees either our nonce's epoch, which is then claimed anew, or the old entry.
      this.#phase = `the ledger swap ended in ${outcome.kind}; looking again`
      this.#cancelLook = clock.after(WAIT_LOOK_MS, () => {
        this.#look().catch((error: unknown) => this.#fail(error))
      })
      return
    }
    this.#entry = to
    await this.#directory?.storeNote({
      highestEpochPromised: to.epoch,
      highestLedgerVersion: to.version,
      inSync: to.inSync.includes(to.primary),
    })
    await this.#serve(to.epoch)
  }

  get #place(): IndexFolder {
    const { disk, diskRoot, folder } = this.#options
    return { disk, folder: join(folder, 'index'), rootPath: diskRoot }
  }

  async #serve(epoch: Epoch): Promise<void> {
    const { disk, folder, shard, clock, random, logger, messageBytesMax } = this.#options
    this.#phase = 'opening the log'
    const place = this.#place
    const log = await Log.open({
      disk,
      directory: join(folder, 'log'),
      shard,
      clock,
      random,
      epoch,
      knownUpTo: await indexAppliedLsn(place),
    })
    if (log.recovery.cut) logger.warn({ ...log.recovery.cut }, 'cut a torn tail of the log')
    for (const range of log.recovery.rotten)
      logger.error({ ...range }, 'the log has rotten records: letters in them cannot be read')
    await this.#beginEpoch(log)
    this.#phase = 'bringing the index up to the log'
    const { index, how, appliedCount } = await openIndex({ log, place })
    logger.info({ how, appliedCount, lastLsn: log.lastLsn }, 'index is up to date')
    const maintenance = startIndexMaintenance({
      index,
      place,
      clock,
      onFailure: (err) => logger.error({ err }, 'the index could not be checkpointed'),
    })
    const store = new MailStore({
      log,
      index,
      clock,
      random,
      limits: { bodyBytesMax: messageBytesMax },
      onFailure: (error) => this.#fail(error),
    })
    this.#primary = { log, index, maintenance, store }
    this.#become('primary', 'serving alone: mirroring is not part of this version')
    logger.info({ epoch, lastLsn: log.lastLsn }, 'serving as primary')
  }

  /** The first record of an epoch says who writes from here on; it is durable before anything is served. */
  async #beginEpoch(log: Log): Promise<void> {
    const { shard, member } = this.#options
    const replica = `${shard}@${member}#${this.#directory?.superblock.incarnation ?? ''}`
    const type = RecordType.epochStart
    const durable = new Promise<void>((resolve, reject) => {
      log.onFailure(reject)
      log.onDurable((lsn) => {
        if (lsn >= log.lastLsn) resolve()
      })
    })
    log.append([{ type, meta: encodeRecord({ type, replica, bootId: this.#bootId }) }])
    await durable
  }

  #fail(error: unknown): void {
    this.#options.logger.error({ err: error }, 'the replica failed')
    this.#become('failed', errorMessage(error))
    const end = () => this.#options.onFailure(error instanceof Error ? error : new Error(errorMessage(error)))
    // A damaged index would be opened again at the next start: the log builds a new one.
    if (isIndexUnusable(error)) putIndexAside(this.#place).then(end, end)
    else end()
  }

  #become(role: Role, phase: string): void {
    this.#role = role
    this.#phase = phase
  }

  #refusal(): Refusal {
    const message = `${this.shard} on ${this.#options.pod}: ${this.#phase}`
    return { reason: this.#role === 'standby' ? 'not-primary' : 'unavailable', message, target: null }
  }

  #snapshot(space: { freeBytes: number; totalBytes: number }): ShardStatus {
    const { pod, member } = this.#options
    const entry = this.#entry
    const counts = this.#primary?.store.counts()
    const memberOf = (id: string) =>
      entry?.replicas.find((replica) => replica.id === id)?.member ?? MEMBERS_PER_MAILNODE
    return {
      shard: this.shard,
      member,
      pod,
      pid: process.pid,
      role: this.#role,
      phase: this.#phase,
      epoch: entry?.epoch ?? 0,
      primary: entry ? memberOf(entry.primary) : null,
      inSync: entry ? entry.inSync.map(memberOf) : [],
      lastLsn: this.#primary?.log.lastLsn ?? 0,
      durableLsn: this.#primary?.log.durableLsn ?? 0,
      appliedLsn: this.#primary?.index.appliedLsn ?? 0,
      sessions: counts?.sessions ?? 0,
      accounts: counts?.accountsInMemory ?? 0,
      pending: counts?.pending ?? 0,
      freeBytes: space.freeBytes,
      totalBytes: space.totalBytes,
      logBytes: this.#primary?.log.sizeBytes() ?? 0,
    }
  }
}
