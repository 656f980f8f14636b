/** What the index tells of the queue, as rows. Names of columns and states: `schema.ts`. */
import type { NotifyOccasion } from '#lib/mail/notify.ts'
import type { AccountId, Lsn } from '#lib/mail/types.ts'
import type { BodyReference, QueueKind } from '../records/types.ts'

/** `attempting`: a sender has it, or had it when it was last heard of. */
export type QueueState = 'waiting' | 'attempting' | 'held'
/** Position is the number in the table. */
export const QUEUE_STATES: readonly QueueState[] = ['waiting', 'attempting', 'held']
export const QUEUE_KINDS: readonly QueueKind[] = ['submission', 'notification', 'transit']

export interface QueueEntryRow {
  /** LSN of its queue.add: its name. */
  readonly entry: Lsn
  readonly account: AccountId | null
  readonly kind: QueueKind
  readonly reversePath: string
  readonly traceId: string
  readonly addedMs: number
  readonly expiresMs: number
  readonly eightBit: boolean
  readonly smtpUtf8: boolean
  readonly ret: 'FULL' | 'HDRS' | null
  readonly envid: string | null
  readonly headerBlock: Uint8Array
  readonly body: BodyReference
}

export interface QueueRecipientRow {
  readonly entry: Lsn
  readonly place: number
  readonly address: string
  readonly destination: string
  readonly notify: readonly NotifyOccasion[] | null
  readonly orcpt: string | null
  readonly state: QueueState
  readonly dueMs: number
  /** Attempts that are over. */
  readonly attempts: number
  /** LSN of the queue.attempt that is under way; 0: none. */
  readonly attempt: number
  readonly warned: boolean
  readonly reply: string
  readonly remote: string
}

export interface DestinationRow {
  readonly destination: string
  /** When the first of those who wait is due. */
  readonly dueMs: number
  readonly waiting: number
}

export interface QueueTotals {
  readonly entries: number
  readonly waiting: number
  readonly attempting: number
  readonly held: number
  /** Of the open entries; null: there are none. */
  readonly oldestMs: number | null
}
