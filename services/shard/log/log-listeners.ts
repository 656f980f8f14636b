/** Who is told what a log did. Listeners are called in the order in which they came, synchronously. */
import type { Lsn } from '#lib/mail/types.ts'
import type { CommitSample } from './log-options.ts'
import type { EncodedBatch } from './types.ts'

export class LogListeners {
  readonly durable: ((durable: Lsn) => void)[] = []
  readonly batch: ((batch: EncodedBatch) => void)[] = []
  readonly failure: ((error: Error) => void)[] = []
  readonly commit: ((sample: CommitSample) => void)[] = []
}

export function tell<T>(listeners: readonly ((value: T) => void)[], value: T): void {
  for (const listener of listeners) listener(value)
}

/** Those who wait until nothing is left to be written. */
export class Waiters {
  readonly #waiting: { resolve: () => void; reject: (error: Error) => void }[] = []

  wait(): Promise<void> {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  /** @param failure Null: what they waited for has come. */
  wake(failure: Error | null): void {
    for (const { resolve, reject } of this.#waiting.splice(0)) failure === null ? resolve() : reject(failure)
  }
}
