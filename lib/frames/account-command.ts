/** What provisioning asks of a shard about one account. JSON, because it is rare and grows; checked like all that comes from outside. */
import { z } from 'zod'
import { type AccountId, toAccountId } from '#lib/mail/types.ts'

const account = z.string().transform((text, context): AccountId => {
  try {
    return toAccountId(text)
  } catch {
    context.addIssue({ code: 'custom', message: 'must be an account id' })
    return z.NEVER
  }
})
const quotaBytes = z.int().min(0).nullable()

export const AccountCommand = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('own'),
    account,
    /** Grows with each move of the account; a lower one is refused. */
    generation: z.int().min(1),
    quotaBytes,
    /** Language tag for the names of the first mailboxes. */
    locale: z.string().max(35),
  }),
  z.strictObject({ kind: z.literal('set-quota'), account, quotaBytes }),
  z.strictObject({ kind: z.enum(['suspend', 'resume', 'delete']), account }),
  /** Lets the command line open one session with this id; kept in memory, so a failover takes it away. */
  z.strictObject({
    kind: z.literal('admit'),
    account,
    ticket: z.string().regex(/^[a-z2-7]{32}$/),
    seconds: z.int().min(1).max(600),
  }),
])
export type AccountCommand = z.infer<typeof AccountCommand>

export const AccountResult = z.strictObject({
  account,
  /** False when the command found its wish already true (a repeat). */
  changed: z.boolean(),
})
export type AccountResult = z.infer<typeof AccountResult>
