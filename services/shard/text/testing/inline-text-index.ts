/** The text index without a thread. */
import type { TextIndexWriter } from '../port.ts'
import { type TextAnswer, TextDatabase, type TextQuestion } from '../text-database.ts'

export class InlineTextIndex implements TextIndexWriter {
  readonly #database = new TextDatabase(':memory:')
  /** Questions so far. */
  asked = 0

  get appliedLsn(): number {
    return this.#database.appliedLsn
  }

  async ask(account: string, questions: readonly TextQuestion[]): Promise<TextAnswer | null> {
    this.asked++
    return this.#database.ask(account, questions)
  }

  async missing(account: string, emailIds: readonly string[]): Promise<readonly string[]> {
    return this.#database.missing(account, emailIds)
  }

  async add(account: string, emailId: string, letter: Uint8Array | null): Promise<void> {
    this.#database.add(account, emailId, letter === null ? null : Buffer.from(letter))
  }

  async commit(lsn: number): Promise<void> {
    this.#database.commit(lsn)
  }

  async close(): Promise<void> {
    this.#database.close()
  }
}
