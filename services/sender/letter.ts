/** One attempt in a sender's hands: what is to be sent, how it is read, and how it is told what came of it. */
import type { QueueItem, RecipientResult } from '#lib/frames/queue.ts'

export interface Letter {
  readonly item: QueueItem
  /** Names the letter among all shards, the same at each attempt. */
  readonly name: string
  /** Fields that go before it; the size in `item` does not count them. */
  readonly signature: Buffer
  /** Trace fields and body, or a part of it. */
  read(from: number, to: number): AsyncIterable<Buffer>
  /** Asked just before its end. */
  mayEnd(): Promise<boolean>
  /** Somebody else may try by now: stop, and tell nothing. */
  readonly lost: AbortSignal
  /** Called once: with what came of each recipient, or null if the letter was lost. */
  settle(outcome: Outcome | null): void
}

/** Results in the order of the item's recipients. */
export type Outcome = readonly Omit<RecipientResult, 'place'>[]

export function same(letter: Letter, kind: RecipientResult['kind'], reply: string, remote = ''): Outcome {
  return letter.item.recipients.map(() => ({ kind, reply, remote, dsn: false }))
}
