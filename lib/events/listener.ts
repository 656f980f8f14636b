/**
 * Live news: hears events while connected, and is told when some may have been missed. That is all a cache needs: it drops
 * what the news names, and everything after a gap.
 */
import type { AnyEvent, EventType, TwinpostEvent } from './events.ts'
import { decodeEvent, SUBJECT_PREFIX } from './events.ts'
import type { NatsLink } from './nats.ts'

/** @param onGap Called after each connect and reconnect. */
export function listenEvents<Type extends Exclude<EventType, 'provision.result'>>(
  link: NatsLink,
  types: readonly Type[],
  heard: (event: Extract<AnyEvent, TwinpostEvent<Type>>) => void,
  onGap: () => void,
): void {
  const isWanted = (event: AnyEvent): event is Extract<AnyEvent, TwinpostEvent<Type>> =>
    types.some((type) => type === event.type)
  link.onConnection((connection) => {
    for (const type of types) {
      connection.subscribe(`${SUBJECT_PREFIX}.${type}`, {
        callback(error, message) {
          const event = error ? null : decodeEvent(message.data)
          if (event && isWanted(event)) heard(event)
        },
      })
    }
  })
  link.onGap(onGap)
}
