/**
 * Moves of accounts: what provisioning asks a shard (`moveOrder`), and what the shard that an account leaves says to the one where it goes
 * (`moveAsk`, then pieces of a copy as `moveData` ... `moveEnd`). The frames carry JSON, checked on arrival, but for the copy, which is
 * made of records of the log (`services/shard/move/batch.ts`).
 */
import { z } from 'zod'
import {
  type AccountId,
  type MailboxId,
  type ShardName,
  toAccountId,
  toMailboxId,
  toShardName,
} from '#lib/mail/types.ts'

/** UIDs in one question. */
export const MOVE_UIDS_MAX = 1_000
/** Accounts in one answer: well below a frame. */
export const MOVE_LOADS_MAX = 2_000
/** Moves in one answer. */
export const MOVES_LISTED_MAX = 200

function checked<T>(make: (text: string) => T, what: string) {
  return z.string().transform((text, context): T => {
    try {
      return make(text)
    } catch {
      context.addIssue({ code: 'custom', message: `must be ${what}` })
      return z.NEVER
    }
  })
}

const account = checked<AccountId>(toAccountId, 'an account id')
const shard = checked<ShardName>(toShardName, 'the name of a shard')
const mailbox = checked<MailboxId>(toMailboxId, 'a mailbox id')
const move = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/)

export const MoveOrder = z.discriminatedUnion('kind', [
  /** Begins the move, or finds it under way: `move` names it. */
  z.strictObject({ kind: z.literal('start'), account, target: shard, move }),
  /** Before the decision: the account stays. After it: nothing. */
  z.strictObject({ kind: z.literal('cancel'), account }),
  z.strictObject({ kind: z.literal('list'), account: account.nullable() }),
  /** What the accounts of the shard hold, by id, from behind `after` on. */
  z.strictObject({ kind: z.literal('loads'), after: z.string().max(16), rowsMax: z.int().min(1).max(MOVE_LOADS_MAX) }),
])
export type MoveOrder = z.infer<typeof MoveOrder>

export const MOVE_PHASES = [
  'requested',
  'copying',
  'catching-up',
  'freezing',
  'flipping',
  'cleaning',
  'done',
  'failed',
  'cancelled',
] as const
export type MovePhase = (typeof MOVE_PHASES)[number]

export const MoveProgress = z.object({
  account,
  move,
  /** The shard that the account leaves. */
  source: shard,
  target: shard,
  phase: z.enum(MOVE_PHASES),
  generation: z.int(),
  startedMs: z.number(),
  /** Letters in the account, as far as they are known here, and those that have been copied. */
  messages: z.int(),
  copiedMessages: z.int(),
  copiedBytes: z.number(),
  /** From the moment that writes wait until the target serves; null: that is still to come. */
  freezeMs: z.number().nullable(),
  /** Why it waits, failed or was cancelled. */
  reason: z.string(),
})
export type MoveProgress = z.infer<typeof MoveProgress>

export const MoveReport = z.object({
  moves: z.array(MoveProgress),
  /** Answers `loads`. */
  loads: z.array(z.object({ account, bytes: z.number() })).default([]),
})
export type MoveReport = z.infer<typeof MoveReport>

const about = { account, move, source: shard }

export const MoveAsk = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('state'), ...about }),
  /** Makes room for the account. */
  z.strictObject({ kind: z.literal('offer'), ...about, generation: z.int().min(1) }),
  /** How far a mailbox is copied, and which of these UIDs it lacks. */
  z.strictObject({ kind: z.literal('missing'), ...about, mailbox, uids: z.array(z.int()).max(MOVE_UIDS_MAX) }),
  /** The source has decided. */
  z.strictObject({ kind: z.literal('own'), ...about, generation: z.int().min(1) }),
  z.strictObject({ kind: z.literal('drop'), ...about }),
])
export type MoveAsk = z.infer<typeof MoveAsk>

const cursor = z.object({
  modSeq: z.int(),
  uid: z.int(),
  goneModSeq: z.int(),
  goneUid: z.int(),
  deliveryUid: z.int(),
})

export const MoveAnswer = z.object({
  /** `sealed`: whole, and closed for copies. `refuses`: `reason` says why. `again`: pieces that the copy refers to are not known here. */
  state: z.enum(['none', 'copying', 'ready', 'sealed', 'owned', 'refuses', 'again']),
  generation: z.int(),
  reason: z.string(),
  cursor: cursor.nullable(),
  missing: z.array(z.int()),
})
export type MoveAnswer = z.infer<typeof MoveAnswer>
