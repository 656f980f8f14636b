/**
 * What becomes of a recipient after an attempt, and whether the sender of the letter is told. Pure: facts in, one decision out.
 *
 * Invariants: nobody is told about a letter with the null reverse-path (RFC 5321 section 4.5.5); a refusal for good is never
 * repeated, one for now never given up before its time.
 */
import type { RecipientResult } from '#lib/frames/queue.ts'
import type { NotifyOccasion } from '#lib/mail/notify.ts'
import type { QueueEntryRow, QueueRecipientRow } from '../index/queue-rows.ts'
import type { DeferredRecipient, QueueOutcome } from '../records/types.ts'
import { WARN_AFTER_MS } from './limits.ts'
import { nextTryMs } from './schedule.ts'

/** RFC 3464 section 2.3.3: the action that a notification reports; `expired` is `failed` with another reason. */
export type Notice = 'failed' | 'expired' | 'delayed' | 'delivered' | 'relayed'

export type ResultDecision =
  | { readonly kind: 'defer'; readonly recipient: DeferredRecipient; readonly notice: 'delayed' | null }
  | { readonly kind: 'done'; readonly outcome: QueueOutcome; readonly notice: Notice | null }

type EntryFacts = Pick<QueueEntryRow, 'kind' | 'reversePath' | 'addedMs' | 'expiresMs'>
type RecipientFacts = Pick<QueueRecipientRow, 'place' | 'attempts' | 'warned' | 'notify' | 'reply' | 'remote'>

export function decideResult(
  entry: EntryFacts,
  recipient: RecipientFacts,
  result: Pick<RecipientResult, 'kind' | 'reply' | 'remote' | 'dsn'>,
  nowMs: number,
  chance: number,
): ResultDecision {
  const { place, warned } = recipient
  const tell = (notice: Notice) => (wants(entry, recipient, notice) ? notice : null)
  switch (result.kind) {
    case 'delivered':
      return { kind: 'done', outcome: 'delivered', notice: tell(result.dsn ? 'delivered' : 'relayed') }
    case 'failed':
      return { kind: 'done', outcome: 'failed', notice: tell('failed') }
    case 'untried': {
      const { attempts, reply, remote } = recipient
      return {
        kind: 'defer',
        recipient: { place, attempts, dueMs: nowMs, held: false, warned, reply, remote },
        notice: null,
      }
    }
    case 'deferred': {
      if (nowMs >= entry.expiresMs) return { kind: 'done', outcome: 'expired', notice: tell('expired') }
      const attempts = recipient.attempts + 1
      const late = nowMs - entry.addedMs >= WARN_AFTER_MS && !warned
      const { reply, remote } = result
      const dueMs = nextTryMs(entry.kind, attempts, nowMs, entry.expiresMs, chance)
      return {
        kind: 'defer',
        recipient: { place, attempts, dueMs, held: false, warned: warned || late, reply, remote },
        notice: late && tell('delayed') !== null ? 'delayed' : null,
      }
    }
    default:
      return result.kind satisfies never
  }
}

const OCCASIONS: Readonly<Record<Notice, NotifyOccasion>> = {
  failed: 'FAILURE',
  expired: 'FAILURE',
  delayed: 'DELAY',
  delivered: 'SUCCESS',
  relayed: 'SUCCESS',
}

/** RFC 3461 section 4.1: without NOTIFY failures are told, and delays as the server likes. */
export function wants(
  entry: Pick<QueueEntryRow, 'reversePath' | 'kind'>,
  recipient: Pick<QueueRecipientRow, 'notify'>,
  notice: Notice,
): boolean {
  if (entry.reversePath === '' || entry.kind === 'notification') return false
  const occasion = OCCASIONS[notice]
  return recipient.notify === null ? occasion !== 'SUCCESS' : recipient.notify.includes(occasion)
}
