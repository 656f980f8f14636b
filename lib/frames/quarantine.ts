/**
 * What the command line asks a shard about letters in quarantine. JSON, because it is rare and grows; checked like all that comes from
 * outside. A delivery that names `QUARANTINE` as its mailbox travels in frames of its own (`quarantineBegin`, `quarantineEnd`): a shard
 * that does not know them refuses them, and never puts such a letter anywhere else.
 */
import { z } from 'zod'

/** As `DeliveryRecipient.mailbox`: where no user looks. */
export const QUARANTINE = '\\Quarantine'

/** Bytes of a letter that are shown at most. */
export const QUARANTINE_SHOWN_BYTES_MAX = 512 * 1024

export const QuarantineFilter = z.strictObject({
  /** Number of the letter in the quarantine of its shard. */
  letter: z.int().min(1).optional(),
  /** Address it was sent to, or the domain of that. */
  to: z.string().min(1).max(320).optional(),
  /** Reverse-path. */
  from: z.string().max(320).optional(),
})
export type QuarantineFilter = z.infer<typeof QuarantineFilter>

export const QuarantineOrder = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('list'),
    filter: QuarantineFilter,
    /** Those before this one, the newest first; null: from the newest on. */
    before: z.int().min(1).nullable(),
    rowsMax: z.int().min(1).max(200),
  }),
  z.strictObject({ kind: z.literal('read'), letter: z.int().min(1) }),
  /** Into the INBOX of the one it was for. */
  z.strictObject({ kind: z.literal('release'), letter: z.int().min(1) }),
  z.strictObject({ kind: z.literal('delete'), filter: QuarantineFilter }),
])
export type QuarantineOrder = z.infer<typeof QuarantineOrder>

export const QuarantinedLetter = z.object({
  letter: z.int(),
  account: z.string(),
  /** As the client said it. */
  to: z.string(),
  from: z.string(),
  author: z.string(),
  subject: z.string(),
  receivedMs: z.number(),
  expiresMs: z.number(),
  sizeBytes: z.int(),
  /** Why it is here, most weighty first. */
  reasons: z.array(z.string()),
})
export type QuarantinedLetter = z.infer<typeof QuarantinedLetter>

export const QuarantineReport = z.object({
  letters: z.array(QuarantinedLetter),
  /** Where `list` goes on; null: that was all. */
  next: z.int().nullable(),
  /** Letters that an order took out. */
  changed: z.int(),
  /** What `read` asked for, base64: the letter with its header block, its first bytes if it is large. */
  bytes: z.base64().nullable(),
})
export type QuarantineReport = z.infer<typeof QuarantineReport>
