/**
 * Two replicas of one shard on one virtual clock, a wire and a ledger, with a writer that records what was acknowledged: the
 * smallest world in which the two sides meet. The simulator in `sim/` has the real log and all faults.
 */
import assert from 'node:assert/strict'
import { AssertionFailure } from '#lib/errors/assert.ts'
import { type Lsn, toEpoch, toLsn, toShardName } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { SimLedger, type SimLedgerClient } from '../../ledger/testing/sim-ledger.ts'
import type { LedgerReplica } from '../../ledger/types.ts'
import { type MachineNotice, ReplicaMachine, type RoleEvent } from '../machine.ts'
import type { NoteStore, ReplicaNote } from '../ports.ts'
import { type MemoryDisk, MemoryReplicaLog, memoryDisk } from './memory-replica-log.ts'
import { PairNetwork } from './pair-network.ts'
import { SeededRandom } from './seeded-random.ts'
import { VirtualClock } from './virtual-clock.ts'

export const SHARD = toShardName('n1/0')

export type Member = 0 | 1

/** One process life. */
export interface Life {
  readonly machine: ReplicaMachine
  readonly log: MemoryReplicaLog
  readonly clock: Clock
  readonly end: () => void
  /** SIGSTOP and SIGCONT, as far as timers go: cut the network beside it. */
  readonly freeze: () => void
  readonly thaw: () => void
  readonly events: RoleEvent[]
  readonly notices: MachineNotice[]
  failure: Error | null
}

export class Node {
  /** Of its volume. */
  space = { freeBytes: 50, totalBytes: 100 }
  readonly member: Member
  readonly ledger: SimLedgerClient
  disk: MemoryDisk
  note: ReplicaNote = { promisedEpoch: toEpoch(0), ledgerVersion: 0, inSync: false, jumpUids: 0 }
  life: Life | null = null
  /** What its index holds. */
  applied = 0
  readonly #pair: Pair
  #incarnation = 0
  #boots = 0

  constructor(pair: Pair, member: Member) {
    this.#pair = pair
    this.member = member
    this.ledger = pair.ledger.client()
    this.disk = memoryDisk(`${pair.seed}-${member}`)
  }

  get id(): string {
    return `${SHARD}@${this.member}#${this.#incarnation}`
  }

  get machine(): ReplicaMachine {
    if (this.life === null) throw new AssertionFailure(`member ${this.member} runs`)
    return this.life.machine
  }

  get log(): MemoryReplicaLog {
    if (this.life === null) throw new AssertionFailure(`member ${this.member} runs`)
    return this.life.log
  }

  start(): void {
    const { clock, end, freeze, thaw } = this.#pair.clock.life()
    const log = new MemoryReplicaLog(clock, this.disk)
    const notes: NoteStore = this.#notes(clock)
    const self: LedgerReplica = {
      id: this.id,
      member: this.member,
      podUid: `u${this.member}`,
      incarnation: String(this.#incarnation),
      bootId: `boot-${this.member}-${++this.#boots}`,
    }
    const events: RoleEvent[] = []
    const notices: MachineNotice[] = []
    const life: Life = {
      machine: this.#machine(self, log, notes, clock, notices),
      log,
      clock,
      end,
      freeze,
      thaw,
      events,
      notices,
      failure: null,
    }
    life.machine.onRole((event) => {
      events.push(event)
      this.#pair.onRole(this, event)
    })
    this.life = life
    life.machine.start()
  }

  /** kill -9; `tail` records that were not synced survive all the same. */
  kill(tail = 0): void {
    this.life?.log.crash(tail)
    this.#ended()
  }

  /** kill -9, and the last `count` records rot before a later header covers them. */
  killAndRot(count: number): void {
    this.life?.log.crashAndRot(count)
    this.#ended()
  }

  /** kill -9, and the last `count` records are gone, although the index has applied them. */
  killAndForget(count: number): void {
    this.life?.log.crashAndForget(count)
    this.applied = this.disk.records.length
    this.#ended()
  }

  #ended(): void {
    this.life?.end()
    this.life = null
    this.#pair.network.kill(this.member)
    this.#pair.forget(this.member)
  }

  /** The volume comes back empty. */
  replaceDisk(): void {
    this.#incarnation++
    this.disk = memoryDisk(`${this.#pair.seed}-${this.member}-${this.#incarnation}`)
    this.note = { promisedEpoch: toEpoch(0), ledgerVersion: 0, inSync: false, jumpUids: 0 }
  }

  #machine(
    self: LedgerReplica,
    log: MemoryReplicaLog,
    notes: NoteStore,
    clock: Clock,
    notices: MachineNotice[],
  ): ReplicaMachine {
    return new ReplicaMachine({
      shard: SHARD,
      self,
      preferred: this.member === 0,
      log,
      notes,
      ledger: this.ledger,
      network: this.#pair.network.end(this.member),
      clock,
      random: new SeededRandom(this.#pair.seed * 100 + this.member * 10 + this.#boots),
      appliedLsn: () => toLsn(this.applied),
      space: () => this.space,
      onNotice: (notice) => {
        notices.push(notice)
        this.#pair.trace.push({ atMs: clock.monotonicMs(), member: this.member, notice })
      },
      onFailure: (error) => {
        if (this.life) this.life.failure = error
      },
    })
  }

  #notes(clock: Clock): NoteStore {
    const node = this
    return {
      get note() {
        return node.note
      },
      writeNote: (note) =>
        new Promise((resolve) =>
          clock.after(0.5, () => {
            node.note = note
            resolve()
          }),
        ),
    }
  }
}

export class Pair {
  readonly seed: number
  readonly clock = new VirtualClock()
  readonly network = new PairNetwork(this.clock)
  readonly ledger: SimLedger
  readonly nodes: readonly [Node, Node]
  /** Text by LSN of all that was acknowledged to the writer. */
  readonly acknowledged = new Map<Lsn, string>()
  readonly trace: { atMs: number; member: Member; notice: MachineNotice }[] = []
  #waiting: { lsn: Lsn; text: string; member: Member }[] = []
  #texts = 0

  constructor(seed = 1) {
    this.seed = seed
    this.ledger = new SimLedger({ clock: this.clock, random: new SeededRandom(seed) })
    this.nodes = [new Node(this, 0), new Node(this, 1)]
  }

  get a(): Node {
    return this.nodes[0]
  }

  get b(): Node {
    return this.nodes[1]
  }

  get entry() {
    return this.ledger.entry(SHARD)
  }

  get primary(): Node | null {
    const [one, two] = this.nodes.filter((node) => node.life?.machine.role === 'primary')
    return two === undefined ? (one ?? null) : null
  }

  /** Both members run, one is primary, both are in sync. */
  async startInSync(): Promise<void> {
    this.a.start()
    this.b.start()
    await this.waitInSync()
  }

  async waitInSync(withinMs = 20_000): Promise<void> {
    const done = () => this.entry?.inSync.length === 2 && this.primary !== null && this.primary.machine.status().settled
    await this.wait(done, withinMs, 'both members are in sync')
  }

  async wait(done: () => boolean, withinMs: number, what: string): Promise<void> {
    if (await this.clock.until(done, withinMs)) return
    throw new AssertionFailure(`${what} within ${withinMs} ms\n${this.story()}`)
  }

  /** Appends to the primary; acknowledged when its commit gets there. */
  write(count = 1, node = this.primary): void {
    if (node === null) throw new AssertionFailure('there is a primary')
    for (let i = 0; i < count; i++) {
      const text = `text ${++this.#texts}`
      const { last } = node.log.append([{ type: 2, meta: Buffer.from(text) }])
      this.#waiting.push({ lsn: last, text, member: node.member })
    }
  }

  /** Nobody will answer for what that member had not acknowledged. */
  forget(member: Member): void {
    this.#waiting = this.#waiting.filter((one) => one.member !== member)
  }

  onRole(node: Node, event: RoleEvent): void {
    if (event.role === 'stepping-down') this.forget(node.member)
    if (event.role !== 'primary') return
    event.commits.onCommit((commit) => {
      for (const { lsn, text } of this.#waiting.filter((one) => one.member === node.member && one.lsn <= commit)) {
        this.acknowledged.set(lsn, text)
      }
      this.#waiting = this.#waiting.filter((one) => one.member !== node.member || one.lsn > commit)
    })
  }

  /** All that was acknowledged stands in the log of `node`, under its number. */
  async check(node: Node): Promise<void> {
    for (const [lsn, text] of this.acknowledged) {
      const record = node.disk.records[lsn - 1]?.record
      const found = record === undefined ? 'nothing' : Buffer.from(record.meta).toString()
      if (found !== text) {
        throw new AssertionFailure(`record ${lsn} on member ${node.member} is ${text}, not ${found}\n${this.story()}`)
      }
    }
  }

  /** Both logs hold the same bytes up to the shorter's end. */
  checkEqual(): void {
    const [a, b] = [this.a.disk.records, this.b.disk.records]
    for (let i = 0; i < Math.min(a.length, b.length); i++) {
      const [one, two] = [a[i], b[i]]
      if (one && two && !one.bytes.equals(two.bytes)) throw new AssertionFailure(`record ${i + 1} is the same on both`)
    }
  }

  /** What happened, for a failure. */
  story(): string {
    const lines = this.trace.map(
      ({ atMs, member, notice }) => `${atMs.toFixed(0).padStart(7)} ${'AB'[member]} ${JSON.stringify(notice)}`,
    )
    const states = this.nodes.map(
      (node) => `${'AB'[node.member]}: ${JSON.stringify(node.life?.machine.status() ?? 'down')}`,
    )
    return [...lines.slice(-60), ...states, JSON.stringify(this.entry)].join('\n')
  }
}

/** A pair of which A acknowledged records that B has not, and is gone; B waits. */
export async function staleLeft(): Promise<Pair> {
  const pair = new Pair()
  await pair.startInSync()
  pair.write(5)
  await pair.clock.pass(500)
  pair.b.kill()
  await pair.clock.pass(2_000)
  pair.write(5)
  await pair.clock.pass(100)
  pair.a.kill()
  pair.b.start()
  await pair.clock.pass(5_000)
  assert.equal(pair.primary, null)
  return pair
}
