/** What is said between a shard's process and its text worker: each request is answered by one reply, in order. */
import type { TextAnswer, TextQuestion } from './text-database.ts'

export type WorkerRequest =
  | { readonly kind: 'missing'; readonly account: string; readonly emailIds: readonly string[] }
  | { readonly kind: 'add'; readonly account: string; readonly emailId: string; readonly letter: Uint8Array | null }
  | { readonly kind: 'commit'; readonly lsn: number }
  | { readonly kind: 'ask'; readonly account: string; readonly questions: readonly TextQuestion[] }
  | { readonly kind: 'close' }

export type WorkerReply =
  /** Sent once, unasked, when the database is open. */
  | { readonly kind: 'opened'; readonly appliedLsn: number }
  | { readonly kind: 'done' }
  | { readonly kind: 'missing'; readonly emailIds: readonly string[] }
  | { readonly kind: 'answer'; readonly answer: TextAnswer }
  | { readonly kind: 'failed'; readonly message: string }
