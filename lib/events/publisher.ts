/**
 * Says events. `publish` is done when JetStream has the event on disk; `offer` takes it along when NATS answers again and
 * never makes anybody wait. Repeats of one event carry one id, so that they are stored once.
 */
import { jetstream } from '@nats-io/jetstream'
import { errorMessage } from '#lib/errors/coded-error.ts'
import { type Clock, sleep } from '#lib/ports/clock.ts'
import { type Random, randomId } from '#lib/ports/random.ts'
import { EventError } from './errors.ts'
import {
  type AnyEvent,
  type EventPayload,
  type EventType,
  encodeEvent,
  subjectOf,
  type TwinpostEvent,
} from './events.ts'
import { OUTBOX_EVENTS_MAX, PUBLISH_TIMEOUT_MS, RECONNECT_PAUSE_MS } from './limits.ts'
import type { NatsLink } from './nats.ts'

export interface EventPublisher {
  /**
   * @param id The same for every repeat of one event; null: a new one.
   * @throws {EventError} EVENTS_UNAVAILABLE when JetStream did not acknowledge in time: repeat with the same id.
   */
  publish<Type extends EventType>(type: Type, payload: EventPayload<Type>, id: string | null): Promise<void>
  /** For events that may be lost when NATS is away for long: the oldest are dropped first. */
  offer<Type extends EventType>(type: Type, payload: EventPayload<Type>): void
  /** Events dropped so far, for a metric. */
  readonly dropped: number
  /** Stops taking offers; what is waiting is given up. */
  close(): void
}

const EVENT_ID_CHARS = 24

export function createEventPublisher(
  link: NatsLink,
  options: { readonly source: string; readonly clock: Clock; readonly random: Random },
): EventPublisher {
  const { source, clock, random } = options
  const outbox: AnyEvent[] = []
  let draining = false
  let closed = false
  let dropped = 0

  function eventOf<Type extends EventType>(type: Type, payload: EventPayload<Type>, id: string | null): AnyEvent {
    const event: TwinpostEvent<Type> = {
      type,
      payload,
      id: id ?? randomId(random, EVENT_ID_CHARS),
      source,
      atMs: clock.nowMs(),
    }
    return event as AnyEvent // `type` and `payload` were given together
  }

  async function send(event: AnyEvent): Promise<void> {
    const connection = await link.connection(PUBLISH_TIMEOUT_MS)
    try {
      await jetstream(connection).publish(subjectOf(event), encodeEvent(event), {
        msgID: event.id,
        timeout: PUBLISH_TIMEOUT_MS,
      })
    } catch (cause) {
      throw new EventError('EVENTS_UNAVAILABLE', `Cannot publish ${event.type}: ${errorMessage(cause)}`, { cause })
    }
  }

  async function drain(): Promise<void> {
    draining = true
    for (let event = outbox[0]; event && !closed; event = outbox[0]) {
      try {
        await send(event)
        if (outbox[0] === event) outbox.shift()
      } catch (error) {
        if (!(error instanceof EventError)) throw error
        await sleep(clock, RECONNECT_PAUSE_MS)
      }
    }
    draining = false
  }

  return {
    publish: (type, payload, id) => send(eventOf(type, payload, id)),
    offer(type, payload) {
      if (closed) return
      outbox.push(eventOf(type, payload, null))
      if (outbox.length > OUTBOX_EVENTS_MAX) {
        outbox.shift()
        dropped++
      }
      if (!draining) void drain()
    },
    get dropped() {
      return dropped
    },
    close() {
      closed = true
    },
  }
}
