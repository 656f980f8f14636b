/** A new life of the process goes on in the epoch of the one before. */
import { type Epoch, toEpoch } from '#lib/mail/types.ts'

export * from '#shard/log/epochs.ts'

export function openingEpoch(_asked: Epoch | null, seen: number): Epoch {
  return toEpoch(Math.max(1, seen))
}
