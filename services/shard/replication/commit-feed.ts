/** Where one term of a role gets its commits from; what comes after its end is not told any more. */
import type { Lsn } from '#lib/mail/types.ts'
import type { CommitSource } from '../mailbox/commit-pipeline.ts'

export class CommitFeed implements CommitSource {
  readonly #listeners: ((commit: Lsn) => void)[] = []
  #told = 0
  #ended = false

  onCommit(listener: (commit: Lsn) => void): void {
    this.#listeners.push(listener)
  }

  /** Tells a commit, if it is higher than the last. */
  tell(commit: Lsn): void {
    if (this.#ended || commit <= this.#told) return
    this.#told = commit
    for (const listener of this.#listeners) listener(commit)
  }

  end(): void {
    this.#ended = true
  }
}
