/**
 * All moves of a shard, while it is primary: those that leave, driven from here (`departure.ts`), and those that come (`arrivals.ts`). What
 * was under way when the shard became primary goes on by itself; nobody outside has to ask for it.
 */
import { errorMessage } from '#lib/errors/coded-error.ts'
import {
  MOVES_LISTED_MAX,
  type MoveAnswer,
  type MoveAsk,
  type MoveOrder,
  type MoveProgress,
  type MoveReport,
} from '#lib/frames/move.ts'
import type { AccountId, ShardName } from '#lib/mail/types.ts'
import { StoreError } from '../errors.ts'
import type { MoveRow } from '../index/move-rows.ts'
import type { StoreCore } from '../mailbox/store-core.ts'
import type { OutgoingQueue } from '../queue/outgoing-queue.ts'
import { RecordType } from '../records/types.ts'
import { Pacer } from '../upkeep/pace.ts'
import { Arrivals } from './arrivals.ts'
import { commitStep } from './commit.ts'
import { CANCELLED, Departure } from './departure.ts'
import { FINISHED_REMEMBERED, MOVES_AT_ONCE, ORPHAN_LOOK_MS, ORPHAN_MS } from './limits.ts'
import type { MoveNotice } from './notices.ts'
import type { MovePeers } from './peer.ts'

export interface MovesOptions {
  /** This shard. */
  readonly shard: ShardName
  readonly peers: MovePeers
  /** Why no move may begin here, as that the members are not of one version; null: it may. */
  readonly mayNot: () => string | null
  readonly onNotice: (notice: MoveNotice) => void
}

export interface MoveCounts {
  readonly leaving: number
  readonly arriving: number
  readonly done: number
  readonly failed: number
  readonly copiedMessages: number
  readonly copiedBytes: number
  /** Of the last one that was done. */
  readonly freezeMs: number | null
}

export class Moves {
  readonly arrivals: Arrivals
  readonly #core: StoreCore
  readonly #options: MovesOptions
  readonly #queue: Pick<OutgoingQueue, 'handOver'>
  readonly #pacer: Pacer
  readonly #departures = new Map<AccountId, Departure>()
  readonly #waiting: MoveRow[] = []
  readonly #finished = new Map<string, MoveProgress>()
  #running = 0
  #starting = new Set<AccountId>()
  #totals = { done: 0, failed: 0, messages: 0, bytes: 0, freezeMs: null as number | null }
  #stopped = false

  constructor(core: StoreCore, options: MovesOptions, queue: Pick<OutgoingQueue, 'handOver'>) {
    this.#core = core
    this.#queue = queue
    this.#options = options
    this.#pacer = new Pacer(core.clock)
    this.arrivals = new Arrivals(core, options.mayNot, options.onNotice)
    for (const row of core.index.moves.all()) if (row.direction === 'out') this.#drive(row)
    void this.#lookForOrphans()
  }

  stop(): void {
    this.#stopped = true
    this.#pacer.stop()
  }

  counts(): MoveCounts {
    const { done, failed, messages, bytes, freezeMs } = this.#totals
    const arriving = this.#core.index.moves.all().filter(({ direction }) => direction === 'in').length
    return {
      leaving: this.#departures.size,
      arriving,
      done,
      failed,
      copiedMessages: messages,
      copiedBytes: bytes,
      freezeMs,
    }
  }

  /** @throws {StoreError} STORE_UNKNOWN_ACCOUNT, STORE_MOVED, STORE_MOVE */
  async order(order: MoveOrder): Promise<MoveReport> {
    switch (order.kind) {
      case 'start':
        return { moves: [await this.#start(order)], loads: [] }
      case 'cancel':
        await this.#cancel(order.account)
        return { moves: this.#list(order.account), loads: [] }
      case 'list':
        return { moves: this.#list(order.account), loads: [] }
      case 'loads':
        return { moves: [], loads: this.#core.index.moves.loads(order.after, order.rowsMax) }
      default:
        return order satisfies never
    }
  }

  ask(question: MoveAsk): Promise<MoveAnswer> {
    return this.arrivals.ask(question)
  }

  async #start({ account, target, move }: Extract<MoveOrder, { kind: 'start' }>): Promise<MoveProgress> {
    const { index, clock } = this.#core
    this.#core.check()
    const over = this.#finished.get(move)
    if (over !== undefined) return over
    const underWay = this.#departures.get(account)?.progress
    if (underWay?.move === move) return underWay
    const state = this.#core.account(account)
    if (underWay !== undefined || this.#starting.has(account) || index.moves.move(account) !== null) {
      throw new StoreError('STORE_MOVE', `Cannot move account ${account}: another move of it is under way`)
    }
    if (target === this.#options.shard) throw new StoreError('STORE_MOVE', `Cannot move ${account}: it is at ${target}`)
    const mayNot = this.#options.mayNot()
    if (mayNot !== null) throw new StoreError('STORE_MOVE', `Cannot move account ${account}: ${mayNot}`)
    this.#starting.add(account)
    try {
      await commitStep(this.#core, [
        {
          type: RecordType.moveBegin,
          account,
          direction: 'out',
          peer: target,
          generation: state.row.generation + 1,
          move,
          atMs: clock.nowMs(),
        },
      ])
    } finally {
      this.#starting.delete(account)
    }
    const row = index.moves.move(account)
    if (row === null) throw this.#core.absence(account)
    this.#options.onNotice({ kind: 'leaves', account, to: target, move })
    return this.#drive(row).progress
  }

  async #cancel(account: AccountId): Promise<void> {
    const row = this.#core.index.moves.move(account)
    if (row === null || row.direction !== 'out' || row.phase !== 'copying') return
    await commitStep(this.#core, [{ type: RecordType.moveCancel, account, reason: CANCELLED }])
  }

  #list(account: AccountId | null): MoveProgress[] {
    const all = [...this.#finished.values(), ...[...this.#departures.values()].map(({ progress }) => progress)]
    const wanted = account === null ? all : all.filter((one) => one.account === account)
    return wanted.slice(-MOVES_LISTED_MAX)
  }

  #drive(row: MoveRow): Departure {
    const { shard, peers, onNotice } = this.#options
    const departure = new Departure({
      core: this.#core,
      source: shard,
      move: row,
      peer: peers(row.peer),
      queue: this.#queue,
      pacer: this.#pacer,
      sharers: () => this.#running,
      onNotice,
    })
    this.#departures.set(row.account, departure)
    // What is decided has nobody who serves it: it waits for no turn.
    if (row.phase === 'copying') {
      this.#waiting.push(row)
      this.#next()
    } else void this.#run(departure, row)
    return departure
  }

  #next(): void {
    while (!this.#stopped && this.#running < MOVES_AT_ONCE) {
      const row = this.#waiting.shift()
      if (row === undefined) return
      const departure = this.#departures.get(row.account)
      if (departure !== undefined) void this.#run(departure, row)
    }
  }

  async #run(departure: Departure, row: MoveRow): Promise<void> {
    this.#running++
    try {
      await departure.run()
    } finally {
      this.#running--
    }
    if (this.#stopped) return
    const { progress } = departure
    this.#departures.delete(row.account)
    this.#finished.set(row.move, progress)
    const [oldest] = this.#finished.keys()
    if (this.#finished.size > FINISHED_REMEMBERED && oldest !== undefined) this.#finished.delete(oldest)
    const totals = this.#totals
    if (progress.phase === 'done') totals.done++
    else totals.failed++
    totals.messages += progress.copiedMessages
    totals.bytes += progress.copiedBytes
    totals.freezeMs = progress.freezeMs ?? totals.freezeMs
    this.#next()
  }

  /** What arrives and is not heard of: its source knows whether it still comes. */
  async #lookForOrphans(): Promise<void> {
    const { clock } = this.#core
    while (await this.#pacer.wait(ORPHAN_LOOK_MS)) {
      this.arrivals.forgetSince(clock.monotonicMs() - ORPHAN_MS)
      for (const row of this.arrivals.silentSince(clock.monotonicMs() - ORPHAN_MS)) {
        try {
          const answer = await this.#options.peers(row.peer).ask({
            kind: 'state',
            account: row.account,
            move: row.move,
            source: this.#options.shard,
          })
          // Its source may have moved the account elsewhere since.
          if (answer.reason !== row.move) await this.arrivals.drop(row)
        } catch (error) {
          this.#options.onNotice({ kind: 'waits', account: row.account, move: row.move, why: errorMessage(error) })
        }
      }
    }
  }
}
