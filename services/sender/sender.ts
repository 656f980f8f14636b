/**
 * One sender: asks the shards of its MailNode for letters that are due, sends each to where it belongs, and tells what came of it.
 *
 * Invariants
 * - No more letters than `lettersMax` are in its hands; each is told once, or lost to another attempt.
 * - Which attempts it has is said to their shards every second: a shard that hears nothing gives them out again.
 * - It keeps nothing: killed at any moment, all it had is in the log of a shard.
 */
import { createHash } from 'node:crypto'
import { domainToASCII } from 'node:url'
import type { Smarthost } from '#lib/directory/domain-sending.ts'
import type { Directory } from '#lib/directory/port.ts'
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { QueueItem } from '#lib/frames/queue.ts'
import type { ShardRouter } from '#lib/link/shard-router.ts'
import type { Logger } from '#lib/log/logger.ts'
import type { ShardName } from '#lib/mail/types.ts'
import { type Clock, sleep } from '#lib/ports/clock.ts'
import { oneLine } from '#lib/smtp/mod.ts'
import type { TlsReports } from '#lib/tls-policy/tls-report.ts'
import type { ConnectionOptions } from './connection.ts'
import { Destination } from './destination.ts'
import { type Letter, type Outcome, same } from './letter.ts'
import type { LetterSigner } from './letter-signer.ts'
import { DESTINATIONS_IDLE_MAX, HOLDING_EVERY_MS, TAKE_PAUSE_MS, TAKE_WAIT_MS } from './limits.ts'
import { LocalDelivery } from './local-delivery.ts'
import type { SenderMetrics } from './metrics.ts'
import { QueueClient } from './queue-client.ts'
import type { Route } from './remote-route.ts'

export interface SenderOptions {
  readonly shards: readonly ShardName[]
  readonly router: ShardRouter
  readonly directory: Directory
  readonly signer: Pick<LetterSigner, 'prepare'>
  readonly route: (domain: string) => Promise<Route>
  readonly routeVia: (smarthost: Smarthost) => Promise<Route>
  readonly tlsReports: Pick<TlsReports, 'count'>
  readonly connection: ConnectionOptions
  readonly lettersMax: number
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: SenderMetrics
}

interface Held {
  readonly letter: Letter
  readonly give: AbortController
  readonly beganMs: number
}

const NO_SIGNATURE = Buffer.alloc(0)
/** One answer to `take`. */
const ITEMS_MAX = 50

export class Sender {
  readonly #options: SenderOptions
  readonly #local: LocalDelivery
  readonly #destinations = new Map<string, Destination>()
  /** By shard, then attempt. */
  readonly #held = new Map<ShardName, Map<number, Held>>()
  readonly #stop = new AbortController()
  #room: (() => void)[] = []
  #loops: Promise<unknown>[] = []

  constructor(options: SenderOptions) {
    this.#options = options
    this.#local = new LocalDelivery(options)
  }

  start(): void {
    for (const shard of this.#options.shards) {
      const queue = new QueueClient(this.#options.router, shard)
      this.#held.set(shard, new Map())
      this.#loops.push(this.#takeLoop(queue), this.#holdLoop(queue))
    }
  }

  /** Letters in its hands. */
  get letters(): number {
    let count = 0
    for (const held of this.#held.values()) count += held.size
    return count
  }

  get connections(): number {
    let count = 0
    for (const destination of this.#destinations.values()) count += destination.connections
    return count
  }

  /** Takes nothing new, gives back what waits, and lets letters under way come to their end, for `withinMs` at most. */
  async stop(withinMs: number): Promise<void> {
    const { clock } = this.#options
    this.#stop.abort()
    for (const wake of this.#room.splice(0)) wake()
    for (const destination of this.#destinations.values()) destination.stop()
    const deadline = clock.monotonicMs() + withinMs
    while (this.letters > 0 && clock.monotonicMs() < deadline) await sleep(clock, 50)
    await Promise.race([Promise.all(this.#loops), sleep(clock, TAKE_WAIT_MS)])
  }

  async #takeLoop(queue: QueueClient): Promise<void> {
    const { clock, logger, lettersMax } = this.#options
    let away = false
    while (!this.#stop.signal.aborted) {
      const room = lettersMax - this.letters
      if (room <= 0) {
        await new Promise<void>((resolve) => this.#room.push(resolve))
        continue
      }
      try {
        const request = { itemsMax: Math.min(ITEMS_MAX, room), busy: this.#busy(), waitMs: TAKE_WAIT_MS }
        const items = await queue.take(request)
        for (const item of items) this.#begin(queue, item)
        away = false
      } catch (err) {
        if (!away) logger.warn({ shard: queue.shard, err }, 'cannot ask a shard for letters: it will be asked again')
        away = true
        await sleep(clock, TAKE_PAUSE_MS, this.#stop.signal).catch(() => undefined)
      }
    }
  }

  async #holdLoop(queue: QueueClient): Promise<void> {
    const { clock, logger } = this.#options
    const held = this.#held.get(queue.shard) ?? new Map<number, Held>()
    while (!this.#stop.signal.aborted || held.size > 0) {
      await sleep(clock, HOLDING_EVERY_MS)
      if (held.size === 0) continue
      try {
        for (const attempt of await queue.holding([...held.keys()])) held.get(attempt)?.give.abort()
      } catch (err) {
        logger.warn({ shard: queue.shard, err, letters: held.size }, 'cannot tell a shard what is being sent')
      }
    }
  }

  #begin(queue: QueueClient, item: QueueItem): void {
    const { clock } = this.#options
    const give = new AbortController()
    const letter: Letter = {
      item,
      name: `${queue.shard} ${item.entry} ${item.traceId} ${item.addedMs}`,
      signature: NO_SIGNATURE,
      read: (from, to) => queue.read(item, from, to),
      mayEnd: () => queue.confirm(item.attempt),
      lost: give.signal,
      settle: (outcome) => this.#settle(queue, letter, outcome),
    }
    this.#held.get(queue.shard)?.set(item.attempt, { letter, give, beganMs: clock.monotonicMs() })
    this.#isOurs(item.destination).then(
      (ours) => {
        if (this.#stop.signal.aborted) letter.settle(same(letter, 'untried', ''))
        else if (ours) void this.#local.deliver(letter).then(letter.settle)
        else this.#send(letter)
      },
      () => letter.settle(same(letter, 'deferred', '451 4.4.3 The directory cannot be reached')),
    )
  }

  #send(letter: Letter): void {
    const { signer } = this.#options
    signer.prepare(letter).then(
      ({ letter: signed, smarthost }) => {
        const way = smarthost === null ? this.#destination(letter.item.destination) : this.#via(smarthost)
        way.add(signed)
      },
      (error: unknown) => {
        if (letter.lost.aborted) letter.settle(null)
        else letter.settle(same(letter, 'deferred', oneLine(errorMessage(error))))
      },
    )
  }

  /** Mail for a Domain of ours never leaves. @throws {DirectoryError} */
  async #isOurs(destination: string): Promise<boolean> {
    return (await this.#options.directory.domain(domainToASCII(destination) || destination)) !== null
  }

  /** Told by the destination, or by local delivery. */
  #settle(queue: QueueClient, letter: Letter, outcome: Outcome | null): void {
    const { metrics, logger, clock } = this.#options
    const { item } = letter
    const held = this.#held.get(queue.shard)
    const over = () => {
      held?.delete(item.attempt)
      this.#forgetSome()
      for (const wake of this.#room.splice(0)) wake()
    }
    if (outcome === null) {
      metrics.results.inc({ result: 'lost' }, item.recipients.length)
      over()
      return
    }
    const beganMs = held?.get(item.attempt)?.beganMs ?? clock.monotonicMs()
    const ms = Math.round(clock.monotonicMs() - beganMs)
    for (const { kind } of outcome) metrics.results.inc({ result: kind })
    metrics.seconds.observe(ms / 1000)
    const results = outcome.map((one, i) => ({ ...one, place: item.recipients[i]?.place ?? 0 }))
    const [first] = outcome
    logger.info(
      {
        trace: item.traceId,
        shard: queue.shard,
        entry: item.entry,
        to: item.destination,
        recipients: results.length,
        result: [...new Set(outcome.map(({ kind }) => kind))].join(','),
        reply: first?.reply,
        remote: first?.remote,
        ms,
      },
      'sent',
    )
    queue.result({ attempt: item.attempt, results }).then(over, (err: unknown) => {
      // The shard finds it in doubt and gives it out again: at least once.
      logger.error({ trace: item.traceId, shard: queue.shard, err }, 'cannot tell a shard what came of a letter')
      over()
    })
  }

  #destination(domain: string): Destination {
    return this.#wayTo(domain, { domain, route: this.#options.route })
  }

  /** All that a Domain of ours sends. Brackets keep it apart from any domain. */
  #via(smarthost: Smarthost): Destination {
    const { host, port } = smarthost
    const route = () => this.#options.routeVia(smarthost)
    return this.#wayTo(`[via ${host}:${port} ${digest(smarthost)}]`, { domain: host, route, shared: true })
  }

  #wayTo(
    key: string,
    way: { readonly domain: string; readonly route: (domain: string) => Promise<Route>; readonly shared?: boolean },
  ): Destination {
    const known = this.#destinations.get(key)
    if (known !== undefined) return known
    const { connection, clock, metrics } = this.#options
    const { domain } = way
    const made = new Destination({
      ...way,
      connection,
      clock,
      onConnection: (how) => metrics.connections.inc({ result: how }),
      onTls: (session) => {
        metrics.tls.inc({ policy: session.policy, result: session.failure ?? 'good' })
        this.#options.tlsReports.count({ ...session, domain })
      },
    })
    this.#destinations.set(key, made)
    return made
  }

  #busy(): string[] {
    const busy: string[] = []
    for (const [domain, destination] of this.#destinations) {
      if (destination.busy && !destination.shared) busy.push(domain)
    }
    return busy.slice(0, 2_000)
  }

  #forgetSome(): void {
    if (this.#destinations.size <= DESTINATIONS_IDLE_MAX) return
    for (const [domain, destination] of this.#destinations) {
      if (destination.forgettable) this.#destinations.delete(domain)
    }
  }
}

/** A new password is another way: connections that were made with the old one end by themselves. */
function digest(smarthost: Smarthost): string {
  return createHash('sha256').update(JSON.stringify(smarthost)).digest('hex').slice(0, 8)
}
