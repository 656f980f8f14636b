/** Why a letter is still in the queue, in plain words. Pure. */
import type { QueuedLetterReport } from '#lib/frames/queue.ts'
import type { Say } from './messages/mod.ts'

type Recipient = QueuedLetterReport['recipients'][number]

/** A shard gives out what is due at once: what waits longer than this has no sender. */
const OVERDUE_MS = 120_000

export function whyWords(say: Say, recipient: Recipient, nowMs: number): string {
  const { state, dueMs, attempts } = recipient
  switch (state) {
    case 'held':
      return say('queueHeld', { reply: lastWords(say, recipient) })
    case 'attempting':
      return say('queueAttempting', { attempt: attempts + 1 })
    case 'waiting':
      if (dueMs > nowMs) {
        const values = { reply: lastWords(say, recipient), time: durationWords(say, dueMs - nowMs), attempts }
        return say(attempts === 0 ? 'queueScheduled' : 'queueDeferred', values)
      }
      if (nowMs - dueMs > OVERDUE_MS) return say('queueOverdue', { time: durationWords(say, nowMs - dueMs) })
      return say('queueDue')
    default:
      return state satisfies never
  }
}

/** What the other side said last. */
function lastWords(say: Say, { reply, remote }: Recipient): string {
  if (reply === '') return say('queueNoReply')
  return remote === '' ? reply : `${remote}: ${reply}`
}

/** `45 s`, `12 min`, `3 h`, `2 d`. */
export function durationWords(say: Say, ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000))
  if (seconds < 120) return say('seconds', { count: seconds })
  const minutes = Math.round(seconds / 60)
  if (minutes < 120) return say('minutes', { count: minutes })
  const hours = Math.round(minutes / 60)
  return hours < 48 ? say('hours', { count: hours }) : say('days', { count: Math.round(hours / 24) })
}
