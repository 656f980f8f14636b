/**
 * One `rpc` stream: frames in, frames out, many requests at once. A request that fails is answered `refused` and leaves the
 * others alone; a frame that breaks the protocol or that its sender's role may not send ends the stream.
 */
import type { Duplex } from 'node:stream'
import { CodedError, errorMessage } from '#lib/errors/coded-error.ts'
import { AccountCommand } from '#lib/frames/account-command.ts'
import { type Frame, type FrameDecoder, FrameError } from '#lib/frames/codec.ts'
import { ExplainQuery } from '#lib/frames/explain.ts'
import { QuarantineOrder } from '#lib/frames/quarantine.ts'
import { decodeQueueRequest } from '#lib/frames/queue.ts'
import { RoleCommand } from '#lib/frames/role-command.ts'
import * as protocol from '#lib/frames/shard-protocol.ts'
import { FrameType, type Refusal } from '#lib/frames/shard-protocol.ts'
import { encodeStatusReport } from '#lib/frames/status-report.ts'
import { writeFrame } from '#lib/link/rpc-client.ts'
import type { Logger } from '#lib/log/logger.ts'
import { toAccountId } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { maySend, type PeerIdentity } from '#lib/tls/roles.ts'
import type { DeliveryRequest, DeliveryStream, MailStore } from '../mailbox/mod.ts'
import type { ShardMetrics } from '../metrics.ts'
import type { OperationKind } from '../roles/admission.ts'
import { OpenCopies, serveMoveAsk, serveMoveOrder } from './move-frames.ts'
import { QUEUE_ANSWERS, serveQueueFrame } from './queue-frames.ts'
import type { Served } from './served.ts'

/** Letters in pieces that one stream may have open: more than an edge's budget of large letters ever needs. */
const OPEN_DELIVERIES_MAX = 256

export interface RpcContext {
  readonly served: Served
  readonly logger: Logger
  readonly metrics: ShardMetrics
  readonly clock: Clock
}

export class RpcStream {
  readonly #stream: Duplex
  readonly #peer: PeerIdentity
  readonly #decoder: FrameDecoder
  readonly #context: RpcContext
  readonly #deliveries = new Map<number, DeliveryStream>()
  readonly #copies = new OpenCopies()

  /** @param decoder May hold frames that came with the hello; they are served first. */
  constructor(stream: Duplex, peer: PeerIdentity, decoder: FrameDecoder, context: RpcContext) {
    this.#stream = stream
    this.#peer = peer
    this.#decoder = decoder
    this.#context = context
    stream.on('data', (chunk: Buffer) => {
      decoder.push(chunk)
      this.#drain()
    })
    stream.once('end', () => stream.end())
    stream.once('close', () => {
      for (const delivery of this.#deliveries.values()) delivery.abort()
      this.#deliveries.clear()
      this.#queueStore?.queue.ownerGone(stream)
    })
    this.#drain()
  }

  #drain(): void {
    try {
      for (let frame = this.#decoder.next(); frame; frame = this.#decoder.next()) {
        if (!maySend(this.#peer.role, frame.type)) {
          throw new FrameError('FRAME_FORBIDDEN', `Refused frame ${frame.type} from role ${this.#peer.role}`)
        }
        const pause = this.#take(frame)
        if (pause) {
          this.#stream.pause()
          pause.then(
            () => {
              this.#stream.resume()
              this.#drain()
            },
            (error) => this.#break(error),
          )
          return
        }
      }
    } catch (error) {
      this.#break(error)
    }
  }

  /** Begins one request. @returns A promise when the stream must wait before its next frame, else null. */
  #take(frame: Frame): Promise<void> | null {
    const id = frame.requestId
    switch (frame.type) {
      case FrameType.statusQuery:
        writeFrame(this.#stream, FrameType.statusReport, id, [encodeStatusReport(this.#context.served.status())])
        return null
      case FrameType.roleCommand: {
        const command = RoleCommand.parse(JSON.parse(frame.payload.toString('utf8')))
        const done = this.#context.served.command(command).then((result) => Buffer.from(JSON.stringify(result)))
        this.#answer(id, FrameType.roleResult, done)
        return null
      }
      case FrameType.deliverData:
        return this.#deliverData(id, frame.payload)
      case FrameType.moveData:
        this.#copies.data(id, frame.payload)
        return null
      case FrameType.deliverEnd:
      case FrameType.quarantineEnd:
        this.#deliverEnd(id, protocol.decodeDeliverEnd(frame.payload))
        return null
      default: {
        const serving = this.#context.served.serving()
        if (serving.kind === 'refusing') {
          this.#refuse(id, serving.refusal)
        } else this.#serve(frame, serving.store)
        return null
      }
    }
  }

  #serve(frame: Frame, store: MailStore): void {
    const id = frame.requestId
    switch (frame.type) {
      case FrameType.recipientsCheck: {
        const verdicts = store.checkRecipients(protocol.decodeRecipientsCheck(frame.payload))
        writeFrame(this.#stream, FrameType.recipientsVerdict, id, [protocol.encodeRecipientsVerdict(verdicts)])
        return
      }
      case FrameType.deliverBegin:
      case FrameType.quarantineBegin:
        this.#deliverBegin(id, protocol.decodeDeliverBegin(frame.payload), store)
        return
      case FrameType.queueBegin: {
        const { request, rest } = decodeQueueRequest(frame.payload)
        this.#deliverBegin(id, { ...protocol.decodeDeliverBegin(rest), queue: request }, store)
        return
      }
      case FrameType.queueTake:
      case FrameType.queueRead:
      case FrameType.queueConfirm:
      case FrameType.queueResult:
      case FrameType.queueHolding:
      case FrameType.queueOrder: {
        this.#queueStore = store
        const answer = serveQueueFrame(frame, store.queue, this.#stream, this.#context.served)
        const type = QUEUE_ANSWERS[frame.type]
        this.#answer(id, type, answer)
        return
      }
      case FrameType.quarantineOrder: {
        const order = QuarantineOrder.parse(JSON.parse(frame.payload.toString('utf8')))
        const { kind } = order
        const done = store.quarantine.order(order).then((report) => {
          if (kind !== 'list') this.#context.logger.info({ order, changed: report.changed }, 'quarantine')
          return Buffer.from(JSON.stringify(report))
        })
        this.#answer(id, FrameType.quarantineReport, done)
        return
      }
      case FrameType.explainQuery: {
        const { account, name } = ExplainQuery.parse(JSON.parse(frame.payload.toString('utf8')))
        const done = store.explain(account === null ? null : toAccountId(account), name)
        this.#answer(
          id,
          FrameType.explainReport,
          done.then((report) => Buffer.from(JSON.stringify(report))),
        )
        return
      }
      case FrameType.accountCommand: {
        const command = AccountCommand.parse(JSON.parse(frame.payload.toString('utf8')))
        // Who opens sessions may not admit itself: provisioning writes the audit trail first.
        if (command.kind === 'admit' && this.#peer.role !== 'provision') {
          this.#refuse(id, { reason: 'forbidden', message: 'Only provisioning admits sessions', target: null })
          return
        }
        const done = store.runAccountCommand(command).then((result) => {
          this.#context.logger.info(
            { account: command.account, command: command.kind, changed: result.changed },
            'account command',
          )
          return Buffer.from(JSON.stringify(result))
        })
        this.#answer(id, FrameType.accountResult, done)
        return
      }
      case FrameType.moveOrder:
        this.#answer(id, FrameType.moveReport, serveMoveOrder(frame.payload, store))
        return
      case FrameType.moveAsk:
        this.#answer(id, FrameType.moveAnswer, serveMoveAsk(frame.payload, store, this.#peer))
        return
      case FrameType.moveEnd:
        this.#answer(id, FrameType.moveAnswer, this.#copies.end(id, frame.payload, store, this.#peer))
        return
      case FrameType.sessionsEnd: {
        const { account, reason } = protocol.decodeSessionsEnd(frame.payload)
        const ended = store.endSessions(account, reason)
        this.#context.logger.info({ account, reason, ended }, 'sessions ended')
        writeFrame(this.#stream, FrameType.done, id, [])
        return
      }
      default:
        throw new FrameError('FRAME_TYPE', `Refused frame ${frame.type}: not a request to a shard`)
    }
  }

  #deliverBegin(id: number, begin: protocol.DeliverBegin & DeliveryRequest, store: MailStore): void {
    const kind = begin.fromUser ? 'user' : 'inbound'
    const refusal = this.#context.served.admit(kind)
    if (refusal) {
      this.#refuse(id, refusal)
      return
    }
    if (begin.complete) {
      this.#result(id, begin.traceId, kind, store.deliver(begin, [begin.body]))
      return
    }
    if (this.#deliveries.has(id) || this.#deliveries.size >= OPEN_DELIVERIES_MAX) {
      throw new FrameError('FRAME_MALFORMED', `Refused delivery ${id}: already open, or too many are`)
    }
    const delivery = store.beginDelivery(begin)
    this.#deliveries.set(id, delivery)
    this.#letters.set(delivery, { trace: begin.traceId, kind })
    if (begin.body.length > 0) void this.#deliverData(id, begin.body)
  }

  /** From which attempts were taken on this stream. */
  #queueStore: MailStore | null = null
  readonly #letters = new WeakMap<DeliveryStream, { readonly trace: string; readonly kind: OperationKind }>()

  #deliverData(id: number, payload: Uint8Array): Promise<void> | null {
    const delivery = this.#deliveries.get(id)
    if (!delivery) return null // refused already: what was on its way is dropped
    try {
      return delivery.write(payload)?.catch((error: unknown) => this.#failDelivery(id, error)) ?? null
    } catch (error) {
      this.#failDelivery(id, error)
      return null
    }
  }

  #failDelivery(id: number, error: unknown): void {
    this.#deliveries.get(id)?.abort()
    this.#deliveries.delete(id)
    this.#refuse(id, refusalFor(error))
  }

  #deliverEnd(id: number, { commit, amendments }: protocol.DeliverEnd): void {
    const delivery = this.#deliveries.get(id)
    if (!delivery) return
    this.#deliveries.delete(id)
    const letter = this.#letters.get(delivery)
    if (commit && letter) this.#result(id, letter.trace, letter.kind, delivery.finish(amendments))
    else {
      delivery.abort()
      this.#refuse(id, { reason: 'unavailable', message: 'The delivery was given up', target: null })
    }
  }

  #result(id: number, trace: string, kind: OperationKind, outcomes: Promise<protocol.DeliveryOutcome[]>): void {
    const { metrics, logger, clock } = this.#context
    const startedMs = clock.monotonicMs()
    const answer = outcomes.then((stored) => {
      // Stored on one disk where two are demanded: the sender is asked to come again, and the retry is recognised.
      const all = this.#context.served.mayAcknowledge(kind)
        ? stored
        : stored.map(
            (outcome): protocol.DeliveryOutcome => (outcome.kind === 'stored' ? { kind: 'unavailable' } : outcome),
          )
      metrics.deliverySeconds.observe((clock.monotonicMs() - startedMs) / 1000)
      for (const outcome of all) metrics.deliveries.inc({ outcome: outcome.kind })
      if (logger.isLevelEnabled('debug')) logger.debug({ trace, outcomes: all }, 'delivered')
      return protocol.encodeDeliverResult(all)
    })
    this.#answer(id, FrameType.deliverResult, answer)
  }

  #answer(id: number, type: number, payload: Promise<Uint8Array>): void {
    payload.then(
      (bytes) => {
        if (!this.#stream.destroyed) writeFrame(this.#stream, type, id, [bytes])
      },
      (error: unknown) => this.#refuse(id, refusalFor(error)),
    )
  }

  #refuse(id: number, refusal: Refusal): void {
    if (!this.#stream.destroyed) writeFrame(this.#stream, FrameType.refused, id, [protocol.encodeRefusal(refusal)])
  }

  #break(error: unknown): void {
    this.#context.metrics.brokenStreams.inc()
    this.#context.logger.warn({ peer: this.#peer, reason: errorMessage(error) }, 'link broken off')
    this.#stream.destroy()
  }
}

/** What the asker is told about a failure: every failure of the store is temporary unless its code says otherwise. */
export function refusalFor(error: unknown): Refusal {
  if (error instanceof FrameError && error.code === 'FRAME_FORBIDDEN') {
    return { reason: 'forbidden', message: error.message, target: null }
  }
  if (error instanceof CodedError && error.code === 'STORE_MOVED') {
    return { reason: 'moved', message: error.message, target: String(error.details['target']) }
  }
  if (error instanceof CodedError && (error.code === 'STORE_UNKNOWN_ACCOUNT' || error.code === 'STORE_NOT_OWNED')) {
    return { reason: 'unknown-account', message: error.message, target: null }
  }
  if (
    error instanceof CodedError &&
    (error.code.startsWith('VALUE_') || error.code === 'STORE_NO_ENTRY' || error.code === 'STORE_MOVE')
  ) {
    return { reason: 'malformed', message: error.message, target: null }
  }
  return { reason: 'unavailable', message: errorMessage(error), target: null }
}
