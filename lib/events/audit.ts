/** Reads the audit trail in the order in which it was written, a batch at a time: it may hold a year of logins. */
import { type DirectBatchLimits, type JetStreamManager, jetstreamManager, type StoredMsg } from '@nats-io/jetstream'
import { errorMessage } from '#lib/errors/coded-error.ts'
import { EventError } from './errors.ts'
import { type AnyEvent, decodeEvent, SUBJECT_PREFIX } from './events.ts'
import type { NatsLink } from './nats.ts'
import { STREAMS } from './streams.ts'

export type AuditEvent = Extract<AnyEvent, { readonly type: `audit.${string}` }>

/** Where reading goes on: behind a record, or at a time. */
export type AuditPlace =
  | { readonly afterSequence: number }
  /** Wall-clock time, milliseconds. */
  | { readonly sinceMs: number }

/** Some hundred KB at once. */
const BATCH_RECORDS = 256
const CONNECT_TIMEOUT_MS = 5_000

/**
 * Everything from `place` to the end that there is now.
 * @returns where to go on later: what was given if there was nothing new
 * @throws {EventError} EVENTS_UNAVAILABLE
 */
export async function readAudit(
  link: NatsLink,
  place: AuditPlace,
  take: (event: AuditEvent, sequence: number) => void,
): Promise<AuditPlace> {
  const connection = await link.connection(CONNECT_TIMEOUT_MS)
  try {
    const manager = await jetstreamManager(connection, { checkAPI: false })
    let at = place
    for (;;) {
      const records = await batch(manager, at)
      for (const record of records) {
        at = { afterSequence: record.seq }
        const event = decodeEvent(record.data)
        if (event !== null && isAudit(event)) take(event, record.seq)
      }
      if (records.length < BATCH_RECORDS) return at
    }
  } catch (cause) {
    if (cause instanceof EventError) throw cause
    throw new EventError('EVENTS_UNAVAILABLE', `Cannot read the audit trail: ${errorMessage(cause)}`, { cause })
  }
}

async function batch(manager: JetStreamManager, place: AuditPlace): Promise<StoredMsg[]> {
  const start = 'sinceMs' in place ? { start_time: new Date(place.sinceMs) } : { seq: place.afterSequence + 1 }
  const filter = { next_by_subj: `${SUBJECT_PREFIX}.audit.>`, batch: BATCH_RECORDS }
  const records: StoredMsg[] = []
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  // With a callback the library gives its subscription back at the end; as an iterator it would keep it.
  const callback: DirectBatchLimits['callback'] = (done, record) => {
    if (done === null) records.push(record)
    else if (done.err && !/\b404\b|not found/i.test(errorMessage(done.err))) reject(done.err)
    else resolve() // 404: there is nothing (more)
  }
  await manager.direct.getBatch(STREAMS.audit.name, { ...start, ...filter, callback })
  await promise
  return records
}

function isAudit(event: AnyEvent): event is AuditEvent {
  return event.type.startsWith('audit.')
}
