/**
 * Brings one letter to the primaries of all its recipients' shards, in parallel, and says what became of each recipient.
 * A letter that is held in memory is tried again with the same delivery ids while a shard restarts or changes its primary;
 * one that streams through is not, once bytes of it are gone.
 */
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'
import { FRAME_PAYLOAD_BYTES_MAX } from '#lib/frames/codec.ts'
import { fillFrames } from '#lib/frames/frame-filler.ts'
import { QUARANTINE } from '#lib/frames/quarantine.ts'
import { encodeQueueRequest, type QueueRequest } from '#lib/frames/queue.ts'
import {
  type DeliveryAmendment,
  type DeliveryOutcome,
  decodeDeliverResult,
  encodeDeliverBegin,
  encodeDeliverEnd,
  FrameType,
} from '#lib/frames/shard-protocol.ts'
import { type OpenRequest, RefusedError, type RpcClient } from '#lib/link/rpc-client.ts'
import type { ShardRouter } from '#lib/link/shard-router.ts'
import type { Logger } from '#lib/log/logger.ts'
import { type AccountId, type ShardName, toShardName } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { MOVES_FOLLOWED_MAX } from '../limits.ts'

export const DELIVERY_ERRORS = {
  DELIVERY_STREAM_BROKEN: {
    smtp: '451 4.3.0',
    retry: true,
    meaning: 'The shard was lost in the middle of a letter that is streamed and cannot be sent again.',
  },
  DELIVERY_TIMEOUT: {
    smtp: '451 4.3.0',
    retry: true,
    meaning: 'The shard did not commit in time; the letter may be there, and a repetition is the same delivery.',
  },
} as const satisfies Record<string, ErrorSpec>

export class DeliveryError extends CodedError<keyof typeof DELIVERY_ERRORS> {
  override readonly name = 'DeliveryError'
}

export interface Delivery {
  readonly account: AccountId
  readonly shard: ShardName
  readonly deliveryId: Uint8Array
  /** Name or special use, as in the frame. */
  readonly mailbox: string
  readonly headerBlock: Uint8Array
}

export interface Envelope {
  readonly traceId: string
  readonly reversePath: string
  /** Submitted by a user of ours. */
  readonly fromUser: boolean
}

/** What of a letter is to leave, and the shard whose queue takes it: the author's. */
export interface QueuedPart {
  readonly shard: ShardName
  readonly request: QueueRequest
}

/** What one shard gets of a letter. Its answer has an outcome for each recipient, then one for what is queued. */
interface ShardPart {
  readonly shard: ShardName
  readonly deliveries: readonly Delivery[]
  readonly queue: QueueRequest | null
}

/** The part of a letter that is not in memory yet. */
export interface BodyRest {
  /** The next pieces, or null at the end. */
  next(): Promise<readonly Uint8Array[] | null>
  /** Asked at the end: whether the letter is to be stored, and where it now goes, in the order of the deliveries; empty: as said at the beginning. */
  verdict(): Promise<{ readonly commit: boolean; readonly amendments: readonly DeliveryAmendment[] }>
}

const UNAVAILABLE: DeliveryOutcome = { kind: 'unavailable' }
/** Rule 16: mail is refused, deleting goes on. */
const NO_ROOM: DeliveryOutcome = { kind: 'no-room' }

export class Deliverer {
  readonly #router: ShardRouter
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #patienceMs: number

  constructor(options: {
    readonly router: ShardRouter
    readonly clock: Clock
    readonly logger: Logger
    /** Bound on the whole, from the last byte of the letter on. */
    readonly patienceMs: number
  }) {
    this.#router = options.router
    this.#clock = options.clock
    this.#logger = options.logger
    this.#patienceMs = options.patienceMs
  }

  /** Delivers a letter that is all in memory. Never rejects. @returns Outcomes in the order of `deliveries`, then that of `queued`. */
  async deliver(
    envelope: Envelope,
    deliveries: readonly Delivery[],
    body: readonly Uint8Array[],
    queued: QueuedPart | null = null,
  ): Promise<DeliveryOutcome[]> {
    const wanted: readonly (Delivery | QueuedPart)[] = queued === null ? deliveries : [...deliveries, queued]
    const outcomes = wanted.map((): DeliveryOutcome => UNAVAILABLE)
    let open = wanted.map((part, at) => ({ part, shard: part.shard, at }))
    for (let moves = 0; open.length > 0 && moves <= MOVES_FOLLOWED_MAX; moves++) {
      const moved: typeof open = []
      await Promise.all(
        [...Map.groupBy(open, (one) => one.shard)].map(async ([shard, group]) => {
          const part = partOf(
            shard,
            group.map((one) => one.part),
          )
          const answers = await this.#settled(envelope, shard, group.length, () =>
            this.#router.withPrimary(shard, this.#patienceMs, (rpc) => sendWhole(rpc, envelope, part, body)),
          )
          group.forEach((one, i) => {
            const outcome = answers[i] ?? UNAVAILABLE
            if (outcome.kind === 'moved') moved.push({ ...one, shard: toShardName(outcome.target) })
            else outcomes[one.at] = outcome
          })
        }),
      )
      open = moved
    }
    return outcomes
  }

  /**
   * Delivers a letter of which only `prefix` is in memory; the rest is read as fast as the slowest shard takes it. Reads
   * `rest` to its end in any case. Never rejects.
   */
  async deliverStream(
    envelope: Envelope,
    deliveries: readonly Delivery[],
    prefix: readonly Uint8Array[],
    rest: BodyRest,
    queued: QueuedPart | null = null,
  ): Promise<DeliveryOutcome[]> {
    const wanted: readonly (Delivery | QueuedPart)[] = queued === null ? deliveries : [...deliveries, queued]
    const outcomes = wanted.map((): DeliveryOutcome => UNAVAILABLE)
    const groups = [...Map.groupBy(wanted.keys(), (at) => wanted[at]?.shard)]
    const streams = groups.flatMap(([shard, places]) => {
      if (shard === undefined) return []
      const mine = places.flatMap((at) => wanted[at] ?? [])
      return [{ places, stream: new ShardStream(this.#router, envelope, partOf(shard, mine)) }]
    })
    await Promise.all(streams.map(({ stream }) => stream.begin(this.#patienceMs, prefix)))
    for (let pieces = await rest.next(); pieces !== null; pieces = await rest.next()) {
      const chunk = pieces
      await Promise.all(streams.map(({ stream }) => stream.write(chunk)))
    }
    const { commit, amendments } = await rest.verdict()
    await Promise.all(
      streams.map(async ({ places, stream }) => {
        const mine = places.flatMap((at) => amendments[at] ?? [])
        const answers = await this.#settled(envelope, stream.shard, places.length, () => stream.end(commit, mine))
        places.forEach((at, i) => {
          const outcome = answers[i] ?? UNAVAILABLE
          outcomes[at] = outcome.kind === 'moved' ? UNAVAILABLE : outcome
        })
      }),
    )
    return outcomes
  }

  /** Turns failures of one shard into outcomes, also silence beyond the bound. */
  async #settled(
    envelope: Envelope,
    shard: ShardName,
    count: number,
    ask: () => Promise<DeliveryOutcome[]>,
  ): Promise<DeliveryOutcome[]> {
    let cancel = () => {}
    const silence = new Promise<never>((_, reject) => {
      // The router's own patience ends first where there is nobody; this is for one who is there and does not answer.
      cancel = this.#clock.after(this.#patienceMs + 1_000, () =>
        reject(new DeliveryError('DELIVERY_TIMEOUT', `No answer from ${shard} in time`)),
      )
    })
    try {
      return await Promise.race([ask(), silence])
    } catch (err) {
      this.#logger.warn({ trace: envelope.traceId, shard, err }, 'shard did not take a letter')
      const full = err instanceof RefusedError && err.refusal.reason === 'limit'
      return Array.from({ length: count }, () => (full ? NO_ROOM : UNAVAILABLE))
    } finally {
      cancel()
    }
  }
}

/** @param wanted In the order of the answer: what is queued is its last. */
function partOf(shard: ShardName, wanted: readonly (Delivery | QueuedPart)[]): ShardPart {
  const deliveries = wanted.flatMap((one) => ('request' in one ? [] : [one]))
  const queue = wanted.flatMap((one) => ('request' in one ? [one.request] : []))
  return { shard, deliveries, queue: queue[0] ?? null }
}

function beginType({ queue, deliveries }: ShardPart): number {
  if (queue !== null) return FrameType.queueBegin // of a user, whose letters go to no quarantine
  return deliveries.some(isQuarantined) ? FrameType.quarantineBegin : FrameType.deliverBegin
}

function isQuarantined({ mailbox }: { readonly mailbox: string }): boolean {
  return mailbox === QUARANTINE
}

function beginFrame(envelope: Envelope, { deliveries, queue }: ShardPart, complete: boolean): Buffer {
  const recipients = deliveries.map(({ account, deliveryId, headerBlock, mailbox }) => ({
    account,
    deliveryId,
    headerBlock,
    mailbox,
  }))
  const begin = encodeDeliverBegin({ ...envelope, recipients, complete })
  return queue === null ? begin : Buffer.concat([encodeQueueRequest(queue), begin])
}

async function sendWhole(
  rpc: RpcClient,
  envelope: Envelope,
  part: ShardPart,
  body: readonly Uint8Array[],
): Promise<DeliveryOutcome[]> {
  const whole = beginFrame(envelope, part, true)
  const bytes = body.reduce((sum, piece) => sum + piece.byteLength, whole.length)
  if (bytes <= FRAME_PAYLOAD_BYTES_MAX) {
    return decodeDeliverResult(await rpc.request(beginType(part), [whole, ...body]))
  }
  const request = rpc.open(beginType(part), [beginFrame(envelope, part, false)])
  const answered = watch(request)
  for (const frame of fillFrames(body)) {
    if (answered.settled) break
    await request.send(FrameType.deliverData, frame)
  }
  await request.send(FrameType.deliverEnd, [encodeDeliverEnd({ commit: true, amendments: [] })])
  return decodeDeliverResult(await request.answer)
}

/** Sees an early refusal, so that the rest is not sent in vain; and keeps it from being an unhandled rejection meanwhile. */
function watch(request: OpenRequest): { readonly settled: boolean } {
  const state = { settled: false }
  const settle = () => {
    state.settled = true
  }
  request.answer.then(settle, settle)
  return state
}

/** One letter on its way to one shard, piece by piece. */
class ShardStream {
  readonly shard: ShardName
  readonly #router: ShardRouter
  readonly #envelope: Envelope
  readonly #part: ShardPart
  #request: OpenRequest | null = null
  #result: Promise<DeliveryOutcome[]> = Promise.resolve([])
  /** The prefix is out and what follows it is not kept: nothing can be tried again. */
  #flowing = false
  #failed = false

  constructor(router: ShardRouter, envelope: Envelope, part: ShardPart) {
    this.shard = part.shard
    this.#router = router
    this.#envelope = envelope
    this.#part = part
  }

  /** Resolves when the shard's primary has been found and given the prefix, or when it has not. */
  async begin(patienceMs: number, prefix: readonly Uint8Array[]): Promise<void> {
    await new Promise<void>((begun) => {
      this.#result = this.#router.withPrimary(this.shard, patienceMs, async (rpc) => {
        if (this.#flowing) {
          throw new DeliveryError('DELIVERY_STREAM_BROKEN', `Lost ${this.shard} in the middle of a letter`)
        }
        const request = rpc.open(beginType(this.#part), [beginFrame(this.#envelope, this.#part, false)])
        const answered = watch(request)
        this.#request = request
        for (const frame of fillFrames(prefix)) {
          if (answered.settled) break
          await request.send(FrameType.deliverData, frame)
        }
        this.#flowing = true
        begun()
        return decodeDeliverResult(await request.answer)
      })
      this.#result.catch(() => {
        this.#failed = true
        begun()
      })
    })
  }

  async write(pieces: readonly Uint8Array[]): Promise<void> {
    for (const frame of fillFrames(pieces)) {
      if (this.#failed) return
      await this.#request?.send(FrameType.deliverData, frame)
    }
  }

  /** @returns Outcomes; of a letter that is not to be stored there are none, and nobody waits for them. */
  async end(commit: boolean, amendments: readonly DeliveryAmendment[]): Promise<DeliveryOutcome[]> {
    const type = amendments.some(isQuarantined) ? FrameType.quarantineEnd : FrameType.deliverEnd
    await this.#request?.send(type, [encodeDeliverEnd({ commit, amendments })])
    return commit ? await this.#result : []
  }
}
