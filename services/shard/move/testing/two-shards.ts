/** Two stores in memory between which accounts move: each can be killed and goes on from what was committed. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { MoveProgress } from '#lib/frames/move.ts'
import { type AccountId, type ShardName, toShardName } from '#lib/mail/types.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { sleep } from '#lib/ports/clock.ts'
import { openIndex, rebuildIndex } from '../../index/open.ts'
import type { ShardIndex } from '../../index/port.ts'
import { MailStore } from '../../mailbox/mail-store.ts'
import { MemoryLog } from '../../mailbox/testing/memory-log.ts'
import { SeededRandom } from '../../mailbox/testing/world.ts'
import type { CopyCursor } from '../../records/move-records.ts'
import type { MoveNotice } from '../notices.ts'

/** Waits for moves are short here; hours of silence are not. */
export const quickClock: Clock = {
  nowMs: () => nodeClock.nowMs(),
  monotonicMs: () => nodeClock.monotonicMs(),
  after: (ms, action) => nodeClock.after(ms > 5_000 ? ms : Math.min(ms, 2), action),
}

export interface Shard {
  readonly name: ShardName
  log: MemoryLog
  index: ShardIndex
  store: MailStore
}

/** Called before and after each message from one shard to the other: `true` means that it is lost. */
export type Fault = (when: 'before' | 'after', what: string) => Promise<boolean>

export class TwoShards {
  readonly shards = new Map<ShardName, Shard>()
  readonly notices: MoveNotice[] = []
  fault: Fault = async () => false
  mayNot: string | null = null

  /** It ends with the test. */
  static async make(context: TestContext): Promise<TwoShards> {
    const world = new TwoShards()
    context.after(() => world.stop())
    for (const name of ['n1/0', 'n2/0'].map(toShardName)) {
      const log = new MemoryLog()
      const { index } = await openIndex({ log, place: ':memory:' })
      world.shards.set(name, { name, log, index, store: world.#store(name, log, index) })
    }
    return world
  }

  shard(name: string): Shard {
    return this.shards.get(toShardName(name)) ?? assert.fail(name)
  }

  /** The process dies; another one begins with what was committed. */
  async restart(name: string): Promise<void> {
    const shard = this.shard(name)
    shard.store.depose('it dies')
    shard.log = shard.log.afterCrash()
    shard.index = (await openIndex({ log: shard.log, place: ':memory:' })).index
    shard.store = this.#store(shard.name, shard.log, shard.index)
  }

  async start(
    from: string,
    to: string,
    account: AccountId,
    move = `m-${from}-${to}-${++names}`,
  ): Promise<MoveProgress> {
    const { moves } = this.shard(from).store
    const report = await moves?.order({ kind: 'start', account, target: toShardName(to), move })
    return report?.moves[0] ?? assert.fail('no move')
  }

  /** Waits until nothing of a move is under way at either side. */
  async settled(withinMs = 10_000): Promise<void> {
    const deadline = nodeClock.monotonicMs() + withinMs
    for (;;) {
      if ([...this.shards.values()].every(({ index }) => index.moves.all().length === 0)) return
      assert.ok(nodeClock.monotonicMs() < deadline, `still under way: ${JSON.stringify(this.notices.slice(-5))}`)
      await sleep(nodeClock, 2)
    }
  }

  async move(from: string, to: string, account: AccountId): Promise<void> {
    const { move } = await this.start(from, to, account)
    await this.settled()
    const end = this.notices.find((notice) => notice.kind === 'over' && notice.move === move)
    assert.equal(end?.kind === 'over' ? end.phase : 'not over', 'done', JSON.stringify(end))
  }

  /** The index of each shard is what its log says. */
  async checkLogs(): Promise<void> {
    for (const { log, index } of this.shards.values()) {
      const rebuilt = await rebuildIndex(log)
      assert.deepEqual(index.digest(0), rebuilt.digest(0))
      rebuilt.close()
    }
  }

  stop(): void {
    for (const { store } of this.shards.values()) store.depose('the test is over')
  }

  #store(name: ShardName, log: MemoryLog, index: ShardIndex): MailStore {
    const peer = (to: ShardName) => {
      const moves = () => this.shards.get(to)?.store.moves ?? assert.fail(to)
      const lossy = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
        if (await this.fault('before', what)) throw new Error('lost on the way')
        const answer = await work()
        if (await this.fault('after', what)) throw new Error('lost on the way back')
        return answer
      }
      return {
        ask: (question: Parameters<ReturnType<typeof moves>['ask']>[0]) =>
          lossy(question.kind, () => moves().ask(structuredClone(question))),
        copy: (batch: readonly Uint8Array[]) =>
          lossy('copy', () => {
            const bytes = Buffer.concat(batch) // as the wire: the source may go on with its buffers
            return moves().arrivals.copy(bytes)
          }),
      }
    }
    return new MailStore({
      log,
      index,
      clock: quickClock,
      random: new SeededRandom(seeds++),
      moves: { shard: name, peers: peer, mayNot: () => this.mayNot, onNotice: (notice) => this.notices.push(notice) },
    })
  }
}

let names = 0
let seeds = 1
const FROM_THE_BEGINNING: CopyCursor = { modSeq: 0, uid: 0, goneModSeq: 0, goneUid: 0, deliveryUid: 0 }

/** All that a client can see of an account, and what is remembered for it; bytes as they are served. */
export async function contents({ index, log }: Shard, account: AccountId): Promise<unknown> {
  const row = index.account(account)
  assert.ok(row)
  const mailboxes = []
  for (const mailbox of index.mailboxes(row.key).toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
    const { key, ...rest } = mailbox
    const messages = []
    for (const { body, ...message } of index.moves.messagesAfter(key, FROM_THE_BEGINNING, 100_000)) {
      const bytes = await Promise.all(
        body.lsns.map(async (lsn) => Buffer.from((await log.read(lsn)).body).toString('latin1')),
      )
      const text = bytes.join('')
      assert.equal(text.length, body.sizeBytes)
      messages.push({ ...message, headerBlock: Buffer.from(message.headerBlock).toString('latin1'), text })
    }
    mailboxes.push({
      ...rest,
      messages,
      gone: index.moves.goneAfter(key, FROM_THE_BEGINNING, 100_000),
      gaps: index.moves.gaps(key),
      keywords: index.keywords(key).toSorted(),
      metadata: index.metadata(row.key, key).map(({ name, value }) => [name, Buffer.from(value).toString()]),
      deliveries: index.moves
        .deliveriesAfter(key, 0, 100_000)
        .map(({ id, ...one }) => ({ ...one, id: Buffer.from(id).toString('hex') })),
    })
  }
  const queue = []
  for (const { entry, body, headerBlock, ...letter } of index.queue.openEntries(0, 1_000)) {
    const bytes = await Promise.all(
      body.lsns.map(async (lsn) => Buffer.from((await log.read(lsn)).body).toString('latin1')),
    )
    const recipients = index.queue.recipients(entry).map(({ entry: _, ...one }) => one)
    queue.push({ ...letter, text: bytes.join(''), header: Buffer.from(headerBlock).toString(), recipients })
  }
  return {
    queue: queue.toSorted((a, b) => (a.text < b.text ? -1 : 1)),
    quota: row.quotaBytes,
    status: row.status,
    uidValidityMax: row.uidValidityMax,
    mailboxes,
    subscriptions: index.subscriptions(row.key).toSorted(),
    metadata: index.metadata(row.key, null).map(({ name, value }) => [name, Buffer.from(value).toString()]),
  }
}
