/**
 * The text index as the rest of the shard sees it: which letters a search by text must look at. It only ever spares work: whoever
 * follows it finds what a scan of everything finds.
 */
import type { TextAnswer, TextQuestion } from './text-database.ts'

export interface TextIndex {
  /** Everything in the log up to here can be asked for. */
  readonly appliedLsn: number
  /** Null: it cannot answer now. Never rejects. */
  ask(account: string, questions: readonly TextQuestion[]): Promise<TextAnswer | null>
}

/** What feeds it. All reject when the index failed: its content is then as it was after the last commit. */
export interface TextIndexWriter extends TextIndex {
  missing(account: string, emailIds: readonly string[]): Promise<readonly string[]>
  /** @param letter As it is served; null: too large to be read for this. */
  add(account: string, emailId: string, letter: Uint8Array | null): Promise<void>
  commit(lsn: number): Promise<void>
  close(): Promise<void>
}
