/**
 * Random histories of the queue: letters come, senders take, send, die, lose their streams and claim what they have, the shard crashes and
 * comes back with an index made anew, administrators give orders. Checked against a model of the world outside:
 *
 * - what was acknowledged is delivered, or reported to its author, or dropped by an administrator: nothing is lost;
 * - no recipient has two attempts that may end their letter at the same time;
 * - a recipient gets a letter twice only if a sender died, or the other side's answer was lost, after a whole letter;
 * - nobody is told of a failure that did not happen.
 *
 * `QUEUE_SEEDS=n` for more, `QUEUE_SEED=s` for one.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { QueueItem, RecipientResult } from '#lib/frames/queue.ts'
import { fsck } from '../index/fsck.ts'
import { SeededRandom } from '../mailbox/testing/world.ts'
import { DOUBT_MS } from './limits.ts'
import { AUTHOR, QueueWorld } from './testing/queue-world.ts'

const STEPS = 150
const DESTINATIONS = 4

interface Told {
  readonly item: QueueItem
  /** Of a notification: whose failure it reports. */
  readonly tellsOf: readonly string[]
  /** After the whole letter went out: what each recipient's side did. */
  results: RecipientResult[] | null
}

/** A sender process: its stream, and what it has. */
interface Sender {
  owner: object
  readonly attempts: Map<number, Told>
  /** Its stream broke: it must claim what it has. */
  unclaimed: boolean
  /** It stands still, and claims nothing while time goes by. */
  frozen: boolean
}

class History {
  readonly #random: SeededRandom
  readonly #world: QueueWorld
  #senders: Sender[] = [newSender(), newSender()]
  #letters = 0
  /** By address, each used once. */
  readonly #acknowledged = new Set<string>()
  readonly #delivered = new Map<string, number>()
  readonly #mayDouble = new Map<string, number>()
  readonly #refused = new Set<string>()
  readonly #reported = new Set<string>()
  readonly #dropped = new Set<string>()
  /** Attempts whose letter has ended and whose result is not told: by address. */
  readonly #ending = new Map<string, number>()
  #kind = false
  deaths = 0
  doubles = 0

  constructor(world: QueueWorld, seed: number) {
    this.#world = world
    this.#random = new SeededRandom(seed)
  }

  async run(): Promise<void> {
    for (let step = 0; step < STEPS; step++) await this.#step()
    await this.#calm()
    for (const address of this.#acknowledged) {
      const count = this.#delivered.get(address) ?? 0
      const over = this.#reported.has(address) || this.#dropped.has(address)
      assert.ok(count > 0 || over, `${address} is lost`)
      assert.ok(count <= 1 + (this.#mayDouble.get(address) ?? 0), `${address} got ${count} copies`)
      if (count > 1) this.doubles++
    }
    for (const address of this.#reported) {
      assert.ok(this.#refused.has(address), `${address} was reported as refused, and was not`)
    }
    assert.deepEqual(this.#world.failures, [])
    const { log, index, clock } = this.#world
    assert.deepEqual((await fsck({ log, index, nowMs: clock.nowMs() })).findings, [])
  }

  async #step(): Promise<void> {
    const dice = this.#random.fraction()
    if (dice < 0.25) await this.#submit()
    else if (dice < 0.5) await this.#take(this.#any(this.#senders))
    else if (dice < 0.75) await this.#advance(this.#any(this.#senders))
    else if (dice < 0.78) this.#break(this.#any(this.#senders))
    else if (dice < 0.8) await this.#freeze(this.#any(this.#senders))
    else if (dice < 0.84) this.#die()
    else if (dice < 0.88) await this.#crash()
    else if (dice < 0.93) await this.#order()
    else await this.#pass(this.#random.fraction() < 0.5 ? 1_000 : Math.floor(this.#random.fraction() * 3_600_000))
  }

  async #submit(): Promise<void> {
    const to = Array.from(
      { length: 1 + Math.floor(this.#random.fraction() * 3) },
      (_, i) => `r${this.#letters}-${i}@d${Math.floor(this.#random.fraction() * DESTINATIONS)}.example`,
    )
    this.#letters++
    const [outcome] = await this.#world.submit(to)
    if (outcome?.kind === 'queued') for (const address of to) this.#acknowledged.add(address)
  }

  async #take(sender: Sender): Promise<void> {
    if (sender.frozen) return
    this.#claim(sender)
    const itemsMax = 1 + Math.floor(this.#random.fraction() * 4)
    for (const item of await this.#world.queue.take({ itemsMax, busy: [], waitMs: 0 }, sender.owner)) {
      const tellsOf = item.reversePath === '' ? await this.#readNotification(item) : []
      sender.attempts.set(item.attempt, { item, tellsOf, results: null })
    }
  }

  /** One letter of the sender goes a step further: its end, or the telling. */
  async #advance(sender: Sender): Promise<void> {
    // It may go on before it has claimed what it has: then the shard must say no to the end of a letter.
    if (sender.frozen && this.#random.fraction() < 0.7) return
    if (sender.frozen) sender.frozen = false
    else if (this.#random.fraction() < 0.5) this.#claim(sender)
    const told = this.#any([...sender.attempts.values()])
    if (told === undefined) return
    const { item } = told
    if (told.results === null) {
      if (!this.#world.queue.confirm(item.attempt, sender.owner)) {
        sender.attempts.delete(item.attempt)
        return
      }
      told.results = item.recipients.map(({ place, address }) => this.#remote(told, place, address))
      return
    }
    for (const { address } of item.recipients) this.#over(item, address)
    sender.attempts.delete(item.attempt)
    const result = { attempt: item.attempt, results: told.results }
    // The answer may be lost, and it is told again.
    await Promise.all([
      this.#world.queue.result(result),
      this.#random.fraction() < 0.2 && this.#world.queue.result(result),
    ])
  }

  /** What the other side does with a whole letter. */
  #remote({ item, tellsOf }: Told, place: number, address: string): RecipientResult {
    assert.equal(this.#ending.get(key(item, address)), undefined, `${address} has two attempts at once`)
    this.#ending.set(key(item, address), item.attempt)
    const say = (kind: RecipientResult['kind'], reply: string) => ({ place, kind, reply, remote: 'mx', dsn: false })
    if (item.reversePath === '') {
      if (!this.#kind && this.#random.fraction() < 0.3) return say('deferred', '451 later')
      for (const one of tellsOf) this.#reported.add(one)
      return say('delivered', '250 ok')
    }
    const dice = this.#kind ? 1 : this.#random.fraction()
    if (dice < 0.25) return say('deferred', '451 later')
    if (dice < 0.35) {
      this.#refused.add(address)
      return say('failed', '550 5.1.1 no')
    }
    this.#delivered.set(address, (this.#delivered.get(address) ?? 0) + 1)
    if (dice < 0.4) {
      this.#count(this.#mayDouble, address) // taken, and the answer got lost
      return say('deferred', 'no answer')
    }
    return say('delivered', '250 ok')
  }

  async #readNotification(item: QueueItem): Promise<string[]> {
    assert.equal(item.recipients[0]?.address, AUTHOR)
    const text = await this.#world.text(item)
    return [...text.matchAll(/^Final-Recipient: rfc822; (.*)\r\nAction: failed/gm)].map(([, address = '']) => address)
  }

  /** The stream of a sender ends; the sender lives and will claim what it has. */
  #break(sender: Sender): void {
    this.#world.queue.ownerGone(sender.owner)
    sender.owner = {}
    sender.unclaimed = true
  }

  /** The machine of a sender stands still: what it has ended may come again, what it has not must not end any more when others have it. */
  async #freeze(sender: Sender): Promise<void> {
    this.#break(sender)
    sender.frozen = true
    for (const { item, results } of sender.attempts.values()) {
      if (results === null) continue
      for (const { address } of item.recipients) {
        this.#over(item, address)
        this.#count(this.#mayDouble, address)
      }
    }
    await this.#pass(DOUBT_MS + 1_000)
  }

  #claim(sender: Sender): void {
    if (!sender.unclaimed) return
    sender.unclaimed = false
    for (const attempt of this.#world.queue.holding([...sender.attempts.keys()], sender.owner))
      this.#forget(sender, attempt)
  }

  #die(): void {
    const at = Math.floor(this.#random.fraction() * this.#senders.length)
    const sender = this.#senders[at]
    if (sender === undefined) return
    this.deaths++
    this.#world.queue.ownerGone(sender.owner)
    for (const attempt of [...sender.attempts.keys()]) this.#forget(sender, attempt)
    this.#senders[at] = newSender()
  }

  /** What became of a letter that was ended is told by nobody: it may come again. */
  #forget(sender: Sender, attempt: number): void {
    const told = sender.attempts.get(attempt)
    sender.attempts.delete(attempt)
    if (told === undefined || told.results === null) return
    for (const { address } of told.item.recipients) {
      this.#over(told.item, address)
      this.#count(this.#mayDouble, address)
    }
  }

  async #crash(): Promise<void> {
    await this.#world.crash()
    for (const sender of this.#senders) {
      sender.owner = {}
      sender.unclaimed = true
    }
  }

  async #order(): Promise<void> {
    const kind = this.#any(['hold', 'release', 'retry', 'drop'] as const)
    const to = `d${Math.floor(this.#random.fraction() * DESTINATIONS)}.example`
    if (kind !== 'drop') {
      await this.#world.queue.order({ kind: kind ?? 'retry', filter: { to } })
      return
    }
    for (const { entry } of this.#world.index.queue.openEntries(0, 3)) {
      const before = this.#world.index.queue.recipients(entry)
      await this.#world.queue.order({ kind, filter: { to, entry } })
      const left = new Set(this.#world.index.queue.recipients(entry).map(({ place }) => place))
      for (const { place, address } of before) if (!left.has(place)) this.#dropped.add(address)
    }
  }

  /** Time goes by; who lives says every second what it has, so well within the doubt. */
  async #pass(ms: number): Promise<void> {
    for (const sender of this.#senders) {
      if (sender.frozen) continue
      sender.unclaimed = true
      this.#claim(sender)
    }
    await this.#world.pass(ms)
  }

  /** The world becomes kind: everything that can still go out does. */
  async #calm(): Promise<void> {
    this.#kind = true
    for (const sender of this.#senders) sender.frozen = false
    await this.#world.queue.order({ kind: 'release', filter: {} })
    for (let i = 0; i < 400 && this.#world.queue.totals().entries > 0; i++) {
      for (const sender of this.#senders) {
        await this.#take(sender)
        while (sender.attempts.size > 0) await this.#advance(sender)
      }
      await this.#world.queue.order({ kind: 'retry', filter: {} })
      await this.#pass(DOUBT_MS)
    }
    assert.equal(this.#world.queue.totals().entries, 0)
  }

  #over(item: QueueItem, address: string): void {
    if (this.#ending.get(key(item, address)) === item.attempt) this.#ending.delete(key(item, address))
  }

  #count(counts: Map<string, number>, address: string): void {
    counts.set(address, (counts.get(address) ?? 0) + 1)
  }

  #any<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random.fraction() * list.length)] as T
  }
}

const newSender = (): Sender => ({ owner: {}, attempts: new Map(), unclaimed: false, frozen: false })
const key = (item: QueueItem, address: string) => `${item.entry} ${address}`

const only = process.env['QUEUE_SEED']
const seeds =
  only === undefined
    ? Array.from({ length: Number(process.env['QUEUE_SEEDS'] ?? 30) }, (_, i) => i + 1)
    : [Number(only)]
test(`OutgoingQueue loses nothing and doubles only what it cannot know, over ${seeds.length} histories`, async () => {
  let deaths = 0
  let doubles = 0
  for (const seed of seeds) {
    const history = new History(await QueueWorld.make({ recipientsPerHourMax: 1e6, recipientsPerDayMax: 1e6 }), seed)
    try {
      await history.run()
    } catch (error) {
      throw new Error(`SEED=${seed}`, { cause: error })
    }
    deaths += history.deaths
    doubles += history.doubles
  }
  assert.ok(
    only !== undefined || (deaths > 0 && doubles > 0),
    'the histories had deaths, and letters that came twice for a reason',
  )
})
