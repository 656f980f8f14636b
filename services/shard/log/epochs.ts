/**
 * Rule 3: an epoch belongs to one life of a process, so that (epoch, LSN) never means two records. Here: in which epoch a log is opened,
 * and where the epochs of a segment begin (rule 9).
 *
 * Invariant: rot never moves the begin of an epoch. What cannot be read is said to be unknown, and an unknown begin contradicts nothing.
 */
import { type Epoch, type Lsn, toEpoch, toLsn } from '#lib/mail/types.ts'
import { LogError } from './errors.ts'

/** Where an epoch begins: one entry of an epoch vector. */
export interface EpochStart {
  readonly epoch: Epoch
  /** Of its first record; where that cannot be read, the lowest that it can be. */
  readonly firstLsn: Lsn
  /** The highest that it can be; `firstLsn` unless rot took the record and the header of its batch. */
  readonly latestLsn: Lsn
  /** Chain value of the first record; null: it cannot be read. */
  readonly chain: Buffer | null
}

/** Records that are known to be of one epoch: each by its own header, or all of them by the header of their batch. */
export interface EpochRun {
  readonly epoch: number
  readonly first: number
  readonly last: number
  /** Of the first, if its own header was read. */
  readonly chain: Buffer | null
}

/**
 * Where epochs begin, from all that can be read. Pure.
 * @param runs In any order; they may overlap.
 * @param seen The highest epoch in any header: one that began may have lost all its records.
 */
export function epochStarts(
  runs: readonly EpochRun[],
  segment: { firstLsn: number; nextLsn: number },
  seen: number,
): EpochStart[] {
  const starts: EpochStart[] = []
  let epoch = 0
  /** Up to here it is known, or said, of which epoch each record is. */
  let known = segment.firstLsn - 1
  const begin = (next: number, latest: number, chain: Buffer | null) => {
    const firstLsn = Math.min(known + 1, latest)
    starts.push({ epoch: toEpoch(next), firstLsn: toLsn(firstLsn), latestLsn: toLsn(latest), chain })
    epoch = next
  }
  for (const run of [...runs].sort(byFirst)) {
    if (run.first >= segment.nextLsn || run.epoch < epoch) continue
    if (run.epoch > epoch) begin(run.epoch, run.first, run.first <= known + 1 ? run.chain : null)
    known = Math.max(known, run.last)
  }
  if (seen > epoch && known < segment.nextLsn - 1) begin(seen, segment.nextLsn, null)
  return starts
}

/** The begin of an epoch whose first record could not be read, after a repair; null if it still cannot be told. */
export async function exactStart(
  { epoch, firstLsn, latestLsn }: EpochStart,
  readHeader: (lsn: Lsn) => Promise<{ readonly epoch: Epoch; readonly chain: Buffer }>,
): Promise<EpochStart | null> {
  try {
    for (let lsn = firstLsn; lsn <= latestLsn; lsn = toLsn(lsn + 1)) {
      const header = await readHeader(lsn)
      if (header.epoch < epoch) continue
      if (header.epoch > epoch) return null
      return { epoch, firstLsn: lsn, latestLsn: lsn, chain: Buffer.from(header.chain) }
    }
  } catch (error) {
    if (!(error instanceof LogError)) throw error
  }
  return null
}

/** Of two that begin alike the one that was read. */
function byFirst(a: EpochRun, b: EpochRun): number {
  return a.first - b.first || Number(a.chain === null) - Number(b.chain === null)
}

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
