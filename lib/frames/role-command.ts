/** What an administrator asks of one replica. JSON, because it is rare and grows; checked like all that comes from outside. */
import { z } from 'zod'

export const RoleCommand = z.discriminatedUnion('kind', [
  /** Hand the shard over to the other member. */
  z.strictObject({ kind: z.literal('switchover') }),
  /** Keep this replica from being primary until `unfence`; a primary hands over first. */
  z.strictObject({ kind: z.literal('fence') }),
  z.strictObject({ kind: z.literal('unfence') }),
  /** Make the lost ledger of the shard anew, if this replica is the one that can. */
  z.strictObject({ kind: z.literal('restore-ledger') }),
  z.strictObject({
    kind: z.literal('promote'),
    /** Pod of the other member: it is stopped and stays stopped until this is over. */
    otherStopped: z.string().max(63),
    /** The operator says itself that no process of it runs and that it starts none. */
    seenStopped: z.boolean(),
  }),
])
export type RoleCommand = z.infer<typeof RoleCommand>

export const RoleResult = z.strictObject({
  done: z.boolean(),
  /** What was done, or why not and what to do. */
  words: z.string(),
})
export type RoleResult = z.infer<typeof RoleResult>
