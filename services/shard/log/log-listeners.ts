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
