/** Rule 3: an epoch belongs to one life of a process, so that (epoch, LSN) never means two records. */
import { type Epoch, toEpoch } from '#lib/mail/types.ts'
import { LogError } from './errors.ts'

/**
 * The epoch of a log that is being opened.
 * @param asked By the ledger's authority. Null: the next one after all that the log has seen. 'seen': the newest that it has seen,
 * for a replica that may become a mirror, whose headers must not be ahead of the records that the primary will send.
 * @param seen The highest in any header of the log, those of empty batches included.
 * @throws {LogError} LOG_EPOCH_BACKWARDS
 */
export function openingEpoch(asked: Epoch | null | 'seen', seen: number): Epoch {
  if (asked === 'seen') return toEpoch(seen)
  const epoch = asked ?? toEpoch(seen + 1)
  if (epoch < seen) {
    throw new LogError('LOG_EPOCH_BACKWARDS', `Cannot open the log in epoch ${epoch}: it has seen ${seen}`)
  }
  return epoch
}
