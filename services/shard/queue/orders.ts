/** What an administrator's order means for each recipient, and how a letter in the queue is told. Pure. */
import type { QueuedLetterReport, QueueFilter, QueueOrder } from '#lib/frames/queue.ts'
import type { QueueEntryRow, QueueRecipientRow } from '../index/queue-rows.ts'
import type { QueueDefer, QueueDone } from '../records/types.ts'

export function matches(filter: QueueFilter, entry: QueueEntryRow, row: QueueRecipientRow): boolean {
  const to = filter.to?.toLowerCase()
  return (
    (filter.entry === undefined || filter.entry === entry.entry) &&
    (filter.account === undefined || filter.account === entry.account) &&
    (filter.from === undefined || filter.from.toLowerCase() === entry.reversePath.toLowerCase()) &&
    (filter.state === undefined || filter.state === row.state) &&
    (to === undefined || row.destination === to || row.address.toLowerCase() === to)
  )
}

/** Recipients that an order changes. One whose attempt is under way is left alone: what comes of it would be lost. */
export function changesOf(
  kind: Exclude<QueueOrder['kind'], 'list'>,
  rows: readonly QueueRecipientRow[],
  nowMs: number,
): { readonly deferred: QueueDefer['recipients']; readonly done: QueueDone['recipients'] } {
  const free = rows.filter(({ state }) => state !== 'attempting')
  const stay = (chosen: readonly QueueRecipientRow[], held: boolean, dueMs: (row: QueueRecipientRow) => number) => ({
    deferred: chosen.map((row) => {
      const { place, attempts, warned, reply, remote } = row
      return { place, attempts, dueMs: dueMs(row), held, warned, reply, remote }
    }),
    done: [],
  })
  switch (kind) {
    case 'hold':
      return stay(
        free.filter(({ state }) => state === 'waiting'),
        true,
        (row) => row.dueMs,
      )
    case 'release':
      return stay(
        free.filter(({ state }) => state === 'held'),
        false,
        () => nowMs,
      )
    case 'retry':
      return stay(
        free.filter(({ state, dueMs }) => state === 'waiting' && dueMs > nowMs),
        false,
        () => nowMs,
      )
    case 'drop':
      return {
        deferred: [],
        done: free.map(({ place, reply }) => ({ place, outcome: 'dropped' as const, reply })),
      }
    default:
      return kind satisfies never
  }
}

export function letterReport(entry: QueueEntryRow, rows: readonly QueueRecipientRow[]): QueuedLetterReport {
  const { kind, account, reversePath, traceId, addedMs, expiresMs, headerBlock, body } = entry
  return {
    entry: entry.entry,
    kind,
    account,
    from: reversePath,
    traceId,
    addedMs,
    expiresMs,
    sizeBytes: headerBlock.byteLength + body.sizeBytes,
    recipients: rows.map(({ place, address, state, dueMs, attempts, reply, remote }) => ({
      place,
      address,
      state,
      dueMs,
      attempts,
      reply,
      remote,
    })),
  }
}
