/**
 * What a sender, an edge and an administrator say to a shard about its outgoing queue, and what it answers.
 *
 * A sender takes items (`queueTake`), reads the letter (`queueRead`), asks just before the end of the letter whether it may
 * go out (`queueConfirm`, rule 18 of the replication design), and tells what came of it (`queueResult`). An attempt belongs to
 * the stream on which it was taken: when that ends, the shard waits and then gives the recipient out again, unless the sender
 * says in time that the letter is on its way already (`queueHolding`).
 *
 * These frames carry JSON, checked on arrival: they are few for each letter, and an administrator's answers are of the same kind.
 */
import { z } from 'zod'
import { ByteReader } from '#lib/bytes/reader.ts'
import { ByteWriter } from '#lib/bytes/writer.ts'
import { NOTIFY_OCCASIONS, type NotifyOccasion } from '#lib/mail/notify.ts'
import { type AccountId, toAccountId } from '#lib/mail/types.ts'

/** Items of one answer: with what is known of each, well below a frame. */
export const QUEUE_ITEMS_MAX = 50
/** Recipients of one item: RFC 5321 section 4.5.3.1.8 lets a server refuse more in a transaction. */
export const QUEUE_ITEM_RECIPIENTS_MAX = 100
/** Destinations that a sender can name as busy: as many as it has connections for. */
export const QUEUE_BUSY_MAX = 2_000
/** Bytes of one answer to `queueRead`. */
export const QUEUE_READ_BYTES_MAX = 128 * 1024
const REPLY_CHARACTERS_MAX = 1_000

const lsn = z.int().min(1)
const occasions = z.array(z.enum(NOTIFY_OCCASIONS)).nullable()

export const QueueTake = z.strictObject({
  itemsMax: z.int().min(1).max(QUEUE_ITEMS_MAX),
  /** No items for these: the sender has all the connections there that it wants. */
  busy: z.array(z.string()).max(QUEUE_BUSY_MAX),
  /** How long to wait for something that is due. */
  waitMs: z.int().min(0).max(3_000),
})
export type QueueTake = z.infer<typeof QueueTake>

/** One attempt: some recipients of one letter at one destination. */
export const QueueItem = z.object({
  /** LSN of the queue.attempt. */
  attempt: lsn,
  entry: lsn,
  account: z.string().nullable(),
  reversePath: z.string(),
  traceId: z.string(),
  destination: z.string(),
  addedMs: z.number(),
  /** Trace fields and body together. */
  sizeBytes: z.int(),
  headerBytes: z.int(),
  eightBit: z.boolean(),
  smtpUtf8: z.boolean(),
  ret: z.enum(['FULL', 'HDRS']).nullable(),
  envid: z.string().nullable(),
  recipients: z.array(
    z.object({ place: z.int(), address: z.string(), notify: occasions, orcpt: z.string().nullable() }),
  ),
})
export type QueueItem = z.infer<typeof QueueItem>
export const QueueItems = z.object({ items: z.array(QueueItem) })

export const QueueRead = z.strictObject({
  entry: lsn,
  offset: z.int().min(0),
  length: z.int().min(1).max(QUEUE_READ_BYTES_MAX),
})

export const QueueConfirm = z.strictObject({ attempt: lsn })

export const QueueConfirmed = z.object({ may: z.boolean() })

export const QueueHolding = z.strictObject({ attempts: z.array(lsn).max(10_000) })
/** Attempts that are not this sender's any more. */
export const QueueHeld = z.object({ lost: z.array(lsn) })

/** What came of one recipient of an attempt. */
export const RecipientResult = z.strictObject({
  place: z.int().min(0),
  /** `untried`: given back, no attempt was made. */
  kind: z.enum(['delivered', 'deferred', 'failed', 'untried']),
  /** What the remote server said, or why there was no answer; one line. */
  reply: z.string().max(REPLY_CHARACTERS_MAX),
  /** Name or address of the server that said it; empty: none did. */
  remote: z.string().max(REPLY_CHARACTERS_MAX),
  /** Delivered to a server that keeps the promises of DSN, or to a mailbox of ours. */
  dsn: z.boolean(),
})
export type RecipientResult = z.infer<typeof RecipientResult>

export const QueueResult = z.strictObject({
  attempt: lsn,
  results: z.array(RecipientResult).min(1).max(QUEUE_ITEM_RECIPIENTS_MAX),
})
export type QueueResult = z.infer<typeof QueueResult>

export const QueueFilter = z.strictObject({
  entry: lsn.optional(),
  account: z.string().optional(),
  /** Address or domain of a recipient. */
  to: z.string().optional(),
  from: z.string().optional(),
  state: z.enum(['waiting', 'attempting', 'held']).optional(),
})
export type QueueFilter = z.infer<typeof QueueFilter>

export const QueueOrder = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('list'),
    filter: QueueFilter,
    after: z.int().min(0),
    rowsMax: z.int().min(1).max(500),
  }),
  /** Held recipients are not tried until they are released. `retry`: due now. `drop`: gone without a word. */
  z.strictObject({ kind: z.enum(['hold', 'release', 'retry', 'drop']), filter: QueueFilter }),
])
export type QueueOrder = z.infer<typeof QueueOrder>

export const QueuedRecipientReport = z.object({
  place: z.int(),
  address: z.string(),
  state: z.enum(['waiting', 'attempting', 'held']),
  dueMs: z.number(),
  attempts: z.int(),
  reply: z.string(),
  remote: z.string(),
})
export const QueuedLetterReport = z.object({
  entry: lsn,
  kind: z.enum(['submission', 'notification', 'transit']),
  account: z.string().nullable(),
  from: z.string(),
  traceId: z.string(),
  addedMs: z.number(),
  expiresMs: z.number(),
  sizeBytes: z.int(),
  recipients: z.array(QueuedRecipientReport),
})
export type QueuedLetterReport = z.infer<typeof QueuedLetterReport>

export const QueueReport = z.object({
  letters: z.array(QueuedLetterReport),
  /** Where `list` goes on; null: that was all. */
  next: z.int().nullable(),
  /** Recipients that an order changed. */
  changed: z.int(),
})
export type QueueReport = z.infer<typeof QueueReport>

/** What an edge wants queued with a letter that it delivers (`queueBegin`). */
export interface QueueRequest {
  readonly account: AccountId
  /** Same on every retry, as that of a delivery. 16 bytes. */
  readonly deliveryId: Uint8Array
  readonly headerBlock: Uint8Array
  readonly eightBit: boolean
  readonly smtpUtf8: boolean
  readonly ret: 'FULL' | 'HDRS' | null
  readonly envid: string | null
  readonly recipients: readonly {
    readonly address: string
    readonly notify: readonly NotifyOccasion[] | null
    readonly orcpt: string | null
  }[]
}

const DELIVERY_ID_BYTES = 16
/** Positions are what goes over the wire. */
const RETURNS = [null, 'FULL', 'HDRS'] as const

/** The beginning of a `queueBegin`: what follows is a `deliverBegin`. */
export function encodeQueueRequest(request: QueueRequest): Buffer {
  const to = new ByteWriter(512)
  to.string(request.account).raw(request.deliveryId).bytes(request.headerBlock)
  to.bool(request.eightBit).bool(request.smtpUtf8)
  to.u8(RETURNS.indexOf(request.ret)).optional(request.envid, (envid) => to.string(envid))
  to.list(request.recipients, ({ address, notify, orcpt }) => {
    to.string(address)
    to.optional(notify, (list) => to.list(list, (occasion) => to.u8(NOTIFY_OCCASIONS.indexOf(occasion))))
    to.optional(orcpt, (text) => to.string(text))
  })
  return to.finish()
}

/** @returns The request and what follows it. @throws {BytesError} */
export function decodeQueueRequest(payload: Uint8Array): { readonly request: QueueRequest; readonly rest: Buffer } {
  const from = new ByteReader(payload)
  const request: QueueRequest = {
    account: toAccountId(from.string()),
    deliveryId: from.raw(DELIVERY_ID_BYTES),
    headerBlock: from.bytes(),
    eightBit: from.bool(),
    smtpUtf8: from.bool(),
    ret: RETURNS[from.u8()] ?? null,
    envid: from.optional(() => from.string()),
    recipients: from.list(() => ({
      address: from.string(),
      notify: from.optional(() => from.list(() => from.u8()).flatMap((at) => NOTIFY_OCCASIONS[at] ?? [])),
      orcpt: from.optional(() => from.string()),
    })),
  }
  return { request, rest: from.raw(from.remaining) }
}
