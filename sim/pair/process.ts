/**
 * One process life of a member: opens the replica directory, log and index, hosts the ReplicaMachine, and serves with a MailStore
 * while it is primary. It stands in the place of the shard's own shell, whose rules it keeps (services/shard/replication/README.md):
 * the index never passes commit, the store dies with the term, reads need the right to read, replies the reply rule.
 */
import { AssertionFailure } from '#lib/errors/assert.ts'
import { errorCode, errorMessage } from '#lib/errors/coded-error.ts'
import { type Lsn, toLsn } from '#lib/mail/types.ts'
import { sleep } from '#lib/ports/clock.ts'
import { randomId } from '#lib/ports/random.ts'
import { catchUp } from '#shard/index/open.ts'
import type { ShardIndex } from '#shard/index/port.ts'
import type { Ledger, LedgerReplica } from '#shard/ledger/types.ts'
import { Log } from '#shard/log/log.ts'
import { ReplicaDirectory } from '#shard/log/replica-directory.ts'
import { SpaceWait } from '#shard/log/space-wait.ts'
import { MailStore } from '#shard/mailbox/mod.ts'
import { noteStore } from '#shard/replication/directory-notes.ts'
import { type MachineNotice, ReplicaMachine, type RoleEvent } from '#shard/replication/machine.ts'
import { admit, type OperationKind, replyTo } from '#shard/roles/admission.ts'
import { UPKEEP_POLICY } from '#shard/upkeep/decide.ts'
import { followersOf } from '#shard/upkeep/replica-upkeep.ts'
import { ScrubFile } from '#shard/upkeep/scrub.ts'
import { Upkeep, type UpkeepNotice } from '#shard/upkeep/upkeep.ts'
import type { Life } from '../world.ts'
import type { PairMember } from './member.ts'

export const DIRECTORY = 'n1/0'
const ROTTEN_RETRY_MS = 300
const HOLD_MS = 20
const HOLD_TRIES = 60

/** Everything that takes days takes seconds here, so that a history sees much of it. */
const UPKEEP = { deadShareMin: 0.001, markEveryMs: 2_500, retentionMs: 1_000 }
const UPKEEP_LOOK_MS = 1_000
const SCRUB_EVERY_MS = 20_000

/** A term of office in which the store is open. */
export interface Term {
  readonly epoch: number
  readonly store: MailStore
}

export class Process {
  readonly life: Life
  readonly member: PairMember
  machine: ReplicaMachine | null = null
  upkeep: Upkeep | null = null
  log: Log | null = null
  index: ShardIndex | null = null
  directory: ReplicaDirectory | null = null
  term: Term | null = null
  bootId = ''
  #followTo = 0
  #following: Promise<void> | null = null
  #office = 0

  constructor(member: PairMember, life: Life) {
    this.member = member
    this.life = life
  }

  /** @throws ReplicaError REPLICA_LOCKED and whatever makes it impossible to start */
  async start(): Promise<void> {
    const { life, member } = this
    const { world } = member
    const { disk, clock, random } = life
    const nowMs = clock.nowMs()
    const shard = world.shard
    const lock = member.locks.for(life)
    const directory = await ReplicaDirectory.open({
      disk,
      directory: DIRECTORY,
      shard,
      replica: `n1-${member.member}`,
      random,
      nowMs,
      lock,
    })
    this.directory = directory
    if (directory.created) member.image.forget()
    let index = member.restoreIndex()
    const log = await Log.open({
      disk,
      directory: directory.logDirectory,
      shard,
      clock,
      random,
      epoch: 'seen',
      gather: true,
      knownUpTo: directory.note.inSync ? index.appliedLsn : toLsn(0),
      segmentBytes: world.segmentBytes,
    })
    this.log = log
    const { cut, rotten } = log.recovery
    member.told('opened', {
      last: log.lastLsn,
      commit: log.commit,
      applied: index.appliedLsn,
      epoch: log.epoch,
      cut,
      rotten,
    })
    if (cut !== null) world.coverage.count('torn tail cut at open')
    if (rotten.length > 0) world.coverage.count('rotten records found at open', rotten.length)
    if (index.appliedLsn > log.lastLsn) {
      if (directory.note.inSync) {
        const words = `The index of ${member.name} is at ${index.appliedLsn}, its log ends at ${log.lastLsn}`
        throw new AssertionFailure(words)
      }
      world.coverage.count('index ahead of a log that is copied anew')
      member.image.forget()
      index = member.restoreIndex()
    }
    this.index = index
    this.bootId = randomId(random, 16)
    const { incarnation } = directory.superblock
    const self: LedgerReplica = {
      id: `${shard}@${member.member}#${incarnation}`,
      member: member.member,
      podUid: `pod-${member.member}`,
      incarnation,
      bootId: this.bootId,
    }
    member.id = self.id
    const machine = new ReplicaMachine({
      shard,
      self,
      preferred: member.member === 0,
      log,
      notes: noteStore(directory, new SpaceWait(clock)),
      ledger: this.#ledger(),
      network: world.network.end(member.member, life),
      clock,
      random,
      appliedLsn: () => index.appliedLsn,
      space: () => {
        const { capacityBytes, usedBytes } = member.machine.disk
        const full = Number.isFinite(capacityBytes)
        return full ? { freeBytes: capacityBytes - usedBytes, totalBytes: capacityBytes } : plenty(member.freeShare)
      },
      durability: world.durability,
      bulkBytesPerSecond: world.bulkBytesPerSecond,
      ...(world.times === null ? {} : { times: world.times }),
      onNotice: (notice) => this.#noticed(notice),
      onFailure: (error) => this.#failed(error),
    })
    this.machine = machine
    machine.onRole((event) => this.#role(event))
    machine.onReadRight((right) => {
      if (right.kind === 'may') return
      member.told('right to read lost', right.reason)
      if (right.reason === 'lease-lost') world.coverage.count('lease lost')
    })
    machine.start()
    this.#keep(log, index, machine, self.id)
  }

  /** Compaction and scrub, as the shard's own shell runs them. */
  #keep(log: Log, index: ShardIndex, machine: ReplicaMachine, self: string): void {
    const { life, member } = this
    const { world } = member
    const awaySinceMs = new Map<string, number>()
    const awayMs = (id: string, isAway: boolean) => {
      const sinceMs = isAway ? (awaySinceMs.get(id) ?? world.nowMs) : world.nowMs
      if (isAway) awaySinceMs.set(id, sinceMs)
      else awaySinceMs.delete(id)
      return world.nowMs - sinceMs
    }
    const upkeep = new Upkeep({
      log,
      index,
      clock: life.clock,
      surroundings: () => {
        const { entry, commit } = machine.status()
        const followers = followersOf({ self, entry, commit, durableOf: (id) => machine.durableLsnOf(id) }, awayMs)
        // An image of it that is older may come back all the same: what is left folds to the same rows from any of them.
        return { commit, indexLsn: index.appliedLsn, followers, freeBytes: 5e11, totalBytes: 1e12 }
      },
      scrubFile: new ScrubFile(life.disk, DIRECTORY),
      reserve: null,
      onNotice: (notice) => this.#kept(notice),
      policy: { ...UPKEEP_POLICY, atEase: UPKEEP, scrubEveryMs: SCRUB_EVERY_MS },
      lagLimits: world.lagLimits,
      lookMs: UPKEEP_LOOK_MS,
    })
    this.upkeep = upkeep
    log.onFailure(() => void upkeep.stop())
    upkeep.start()
  }

  #kept(notice: UpkeepNotice): void {
    const { member } = this
    const { coverage } = member.world
    member.told(notice.kind, notice)
    if (notice.kind === 'marked') member.world.watch.marked(member, notice.horizon)
    if (notice.kind === 'compacted') {
      coverage.count('segments compacted')
      coverage.count('records dropped by compaction', notice.droppedRecords)
      member.world.watch.compacted(member)
    } else if (notice.kind === 'scrubbed') coverage.count('logs scrubbed')
    else if (notice.kind === 'needs-full-copy') coverage.count('mirror given up by compaction')
  }

  get primary(): boolean {
    return this.life.alive && this.machine?.role === 'primary' && this.term !== null
  }

  mayServe(): boolean {
    return this.life.alive && (this.machine?.mayServe() ?? false)
  }

  /** Whether an operation is taken in, as a session or the delivery port asks; `hold` is waited for. */
  async admitted(kind: OperationKind): Promise<string | null> {
    for (let tries = 0; tries < HOLD_TRIES; tries++) {
      const { machine } = this
      if (machine === null) return 'starting'
      const verdict = admit(kind, machine.admissionFacts())
      if (verdict.kind === 'accept') return null
      if (verdict.kind === 'refuse') {
        this.member.world.coverage.count(`refused: ${verdict.reason}`)
        return verdict.reason
      }
      this.member.world.coverage.count('held for a handover')
      await sleep(this.life.clock, HOLD_MS)
    }
    return 'held too long'
  }

  mayReply(kind: OperationKind): boolean {
    const { machine } = this
    return machine !== null && replyTo(kind, machine.admissionFacts()) === 'done'
  }

  #ledger(): Ledger {
    const { life } = this
    const client = this.member.ledger
    return {
      read: (shard) => life.given(client.read(shard)),
      compareAndSwap: (shard, from, to) => life.given(client.compareAndSwap(shard, from, to)),
    }
  }

  #role(event: RoleEvent): void {
    const { member } = this
    member.told(event.role, event.role === 'primary' ? { epoch: event.epoch, commit: event.commit } : null)
    const office = ++this.#office
    switch (event.role) {
      case 'mirror':
        this.#follow(event.commit)
        event.commits.onCommit((commit) => this.#follow(commit))
        return
      case 'primary':
        event.commits.onCommit((commit) => member.world.watch.committed(this, event.epoch, commit))
        member.world.watch.serves(this, event.epoch)
        this.#serve(office, event).catch((error: unknown) => this.#failed(error))
        return
      case 'stepping-down':
      case 'failed':
        this.term?.store.depose(event.role)
        this.term = null
        return
      default:
        event satisfies never
    }
  }

  async #serve(office: number, event: Extract<RoleEvent, { role: 'primary' }>): Promise<void> {
    const { log, index, life, member } = this
    if (log === null || index === null) throw new AssertionFailure('a role comes after the start')
    this.#follow(event.commit)
    while (this.#following !== null) await this.#following
    if (this.#office !== office) return
    const store = new MailStore({
      log,
      index,
      commits: event.commits,
      clock: life.clock,
      random: life.random,
      onFailure: (error) => member.told('store failed', errorMessage(error)),
    })
    this.term = { epoch: event.epoch, store }
    member.told('serving', { epoch: event.epoch })
  }

  #follow(commit: Lsn): void {
    this.#followTo = Math.max(this.#followTo, commit)
    this.#following ??= this.#bringUp()
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#following = null
      })
  }

  async #bringUp(): Promise<void> {
    const { log, index, life, member } = this
    if (log === null || index === null) return
    while (life.alive) {
      const upTo = toLsn(Math.min(this.#followTo, log.durableLsn))
      if (index.appliedLsn >= upTo) return
      try {
        await catchUp(log, index, upTo)
      } catch (error) {
        if (errorCode(error) !== 'LOG_ROTTEN_RECORD') throw error
        member.world.coverage.count('index waits for a repair')
        await sleep(life.clock, ROTTEN_RETRY_MS)
      }
    }
  }

  #noticed(notice: MachineNotice): void {
    this.member.world.watch.noticed(this.member, notice)
  }

  #failed(error: unknown): void {
    this.member.processFailed(this, error)
  }
}

/** A volume that is large enough for any history. */
function plenty(freeShare: number): { freeBytes: number; totalBytes: number } {
  return { freeBytes: freeShare * 1e12, totalBytes: 1e12 }
}
