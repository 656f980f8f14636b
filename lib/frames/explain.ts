/** Asks a shard what was decided about a letter that it stored, by what the letter is called. JSON, because it is rare. */
import { z } from 'zod'

/** A Message-ID without its angle brackets, or the id under which servers of ours log the letter (`with ESMTP id ...`). */
export const ExplainQuery = z.strictObject({
  /** In whose mailboxes it is looked for; null: in quarantine. */
  account: z.string().max(32).nullable(),
  name: z.string().min(1).max(998),
})
export type ExplainQuery = z.infer<typeof ExplainQuery>

export const ExplainReport = z.object({
  letters: z.array(
    z.object({
      /** Name of the mailbox; `\Quarantine` for what is there. */
      mailbox: z.string(),
      uid: z.int(),
      receivedMs: z.number(),
      /** What this server put before the letter, in order: Return-Path, Received, what was found, what was decided. */
      fields: z.array(z.object({ name: z.string(), value: z.string() })),
    }),
  ),
  /** Letters that were looked at, the newest of each mailbox first. */
  lookedAt: z.int(),
  /** False: there are more, older ones. */
  all: z.boolean(),
})
export type ExplainReport = z.infer<typeof ExplainReport>
