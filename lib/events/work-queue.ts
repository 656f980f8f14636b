/**
 * The commands' durable consumer: each command is handed out until somebody says that it is done. A worker that dies gives
 * it back after `ACK_WAIT_MS`; one that cannot now gives it back with a pause. Also makes the streams that are missing.
 */
import {
  AckPolicy,
  type ConsumerMessages,
  type JetStreamManager,
  type JsMsg,
  jetstream,
  jetstreamManager,
} from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import type { Logger } from '#lib/log/logger.ts'
import { type Clock, sleep } from '#lib/ports/clock.ts'
import { type AnyEvent, decodeEvent, type ProvisionResult, resultSubject, type TwinpostEvent } from './events.ts'
import { ACK_WAIT_MS, COMMANDS_AT_ONCE, RECONNECT_PAUSE_MS, RETRY_PAUSES_MS } from './limits.ts'
import type { NatsLink } from './nats.ts'
import { PROVISION_CONSUMER, STREAMS, streamConfig } from './streams.ts'

/** Where a command stands in its stream: the order in which commands were accepted, which no clock can change. */
export interface CommandPlace {
  /** When the stream was made, milliseconds: another stream counts from one again. */
  readonly stream: number
  readonly sequence: number
}

export interface CommandDelivery {
  readonly event: TwinpostEvent<'provision.command'>
  readonly place: CommandPlace
  /** 1 for the first time. */
  readonly delivery: number
}

export type CommandOutcome = { readonly kind: 'done' } | { readonly kind: 'retry' }

export interface WorkQueueOptions {
  readonly link: NatsLink
  /** Copies of each stream. */
  readonly replicas: number
  readonly clock: Clock
  readonly logger: Logger
  /** Called for several commands at once; must not throw for what it expects. */
  readonly handle: (delivery: CommandDelivery) => Promise<CommandOutcome>
}

export interface WorkQueue {
  /** Whether commands are being consumed now. */
  readonly working: boolean
  /** The stored result of a command, if it has one. */
  result(commandId: string): Promise<ProvisionResult | null>
  /** Takes no more commands and waits for those in work. */
  close(): Promise<void>
}

const NANOS_PER_MS = 1_000_000

/** Makes every stream that is missing and brings the others to their definition. */
export async function ensureStreams(manager: JetStreamManager, replicas: number): Promise<void> {
  for (const definition of Object.values(STREAMS)) {
    const config = streamConfig(definition, replicas)
    const known = await manager.streams.info(config.name).catch(() => null) // missing: add says what else is wrong
    if (known) await manager.streams.update(config.name, config)
    else await manager.streams.add(config)
  }
}

/** The result of a command that was carried out before. */
export async function storedResult(manager: JetStreamManager, commandId: string): Promise<ProvisionResult | null> {
  const message = await manager.direct.getMessage(STREAMS.results.name, { last_by_subj: resultSubject(commandId) })
  const event = message ? decodeEvent(message.data) : null
  return event?.type === 'provision.result' ? event.payload : null
}

export function startWorkQueue(options: WorkQueueOptions): WorkQueue {
  const { link, clock, logger } = options
  const inWork = new Set<Promise<void>>()
  let messages: ConsumerMessages | null = null
  let manager: JetStreamManager | null = null
  let closed = false

  link.onConnection((connection) => void serve(connection))

  async function serve(connection: NatsConnection): Promise<void> {
    while (!closed && !connection.isClosed()) {
      try {
        await consume(connection)
      } catch (err) {
        logger.warn({ err }, 'cannot consume commands, trying again')
      }
      messages = null
      await sleep(clock, RECONNECT_PAUSE_MS)
    }
  }

  async function consume(connection: NatsConnection): Promise<void> {
    manager = await jetstreamManager(connection, { checkAPI: false })
    await ensureStreams(manager, options.replicas)
    const stream = await manager.streams.info(STREAMS.commands.name)
    await manager.consumers.add(STREAMS.commands.name, {
      durable_name: PROVISION_CONSUMER,
      ack_policy: AckPolicy.Explicit,
      ack_wait: ACK_WAIT_MS * NANOS_PER_MS,
      max_ack_pending: COMMANDS_AT_ONCE,
      max_deliver: -1,
      num_replicas: options.replicas,
    })
    const consumer = await jetstream(connection, { checkAPI: false }).consumers.get(
      STREAMS.commands.name,
      PROVISION_CONSUMER,
    )
    messages = await consumer.consume({ max_messages: COMMANDS_AT_ONCE })
    logger.info('consuming commands')
    for await (const message of messages) {
      const work = carryOut(message, Date.parse(stream.created)).finally(() => inWork.delete(work))
      inWork.add(work)
    }
  }

  async function carryOut(message: JsMsg, streamMadeMs: number): Promise<void> {
    const event: AnyEvent | null = decodeEvent(message.data)
    if (event?.type !== 'provision.command') {
      logger.error({ subject: message.subject, sequence: message.seq }, 'dropped a message that is no command')
      message.term('not a command')
      return
    }
    let finished = false
    const keepAlive = () => {
      if (finished) return
      message.working()
      cancel = clock.after(ACK_WAIT_MS / 3, keepAlive)
    }
    let cancel = clock.after(ACK_WAIT_MS / 3, keepAlive)
    const delivery = message.info.deliveryCount
    try {
      const place = { stream: streamMadeMs, sequence: message.seq }
      const outcome = await options.handle({ event, place, delivery })
      if (outcome.kind === 'done') message.ack()
      else message.nak(pauseMs(delivery))
    } catch (err) {
      logger.error({ err, command: event.id }, 'a command failed unexpectedly')
      message.nak(pauseMs(delivery))
    } finally {
      finished = true
      cancel()
    }
  }

  return {
    get working() {
      return messages !== null && link.connected
    },
    async result(commandId) {
      if (!manager) return null
      return await storedResult(manager, commandId)
    },
    async close() {
      closed = true
      await messages?.close()
      await Promise.allSettled(inWork)
    },
  }
}

function pauseMs(delivery: number): number {
  return RETRY_PAUSES_MS[Math.min(delivery, RETRY_PAUSES_MS.length) - 1] ?? 0
}
