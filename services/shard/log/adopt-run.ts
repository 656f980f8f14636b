/**
 * A record that rotted here may be one that the peer's compaction has dropped: then the peer answers with the run, and what it covers is
 * dropped here too. It was at or below the horizon of rule 10 there, so it is here: nobody needs it.
 *
 * Invariant: a run is believed only if the chain around it proves the value of its last record.
 */
import { type Lsn, toLsn } from '#lib/mail/types.ts'
import { LogError } from './errors.ts'
import {
  asBuffer,
  decodeRecordHeader,
  encodeDroppedRun,
  follows,
  horizonOfRun,
  isDropped,
  type LogIdentity,
  type RecordHeader,
} from './format.ts'
import { wrongContent } from './raw-batch.ts'
import type { SegmentReader } from './reader.ts'
import type { PeerRecord } from './repair.ts'

interface Piece {
  readonly header: RecordHeader
  readonly bytes: Buffer
}

export interface AdoptOptions {
  readonly identity: LogIdentity
  /** In order; what the peer gave for neighbours. */
  readonly records: readonly PeerRecord[]
  /** All of this log, in order. */
  readonly segments: readonly { readonly firstLsn: number; readonly nextLsn: number }[]
  /** Chain value of a record of this log; null: unknown. */
  readonly chainAt: (lsn: Lsn) => Promise<Uint8Array | null>
  readonly reader: Pick<SegmentReader, 'followsChain'>
}

/**
 * Records and runs to lay into this log's segments, cut where a run reaches over the end of one.
 * @returns Null: there is no run among them. @throws {LogError} LOG_BAD_BATCH
 */
export async function adoptRuns(options: AdoptOptions): Promise<PeerRecord[] | null> {
  const { identity, records } = options
  const pieces = piecesOf(identity, records)
  const last = pieces.at(-1)
  if (last === undefined || !pieces.some(({ header }) => isDropped(header))) return null
  await prove(options, pieces, last)
  const laid: PeerRecord[] = []
  for (const { header, bytes } of pieces) {
    if (isDropped(header)) laid.push(...(await splitRun(options, header, bytes)))
    else laid.push({ lsn: header.lsn, bytes })
  }
  return laid
}

/** The peer was asked for each record, and gives a run once for each that it covers. */
function piecesOf(identity: LogIdentity, records: readonly PeerRecord[]): Piece[] {
  const pieces: Piece[] = []
  for (const { lsn, bytes: given } of records) {
    const bytes = asBuffer(given)
    const header = decodeRecordHeader(bytes, 0, identity)
    if (header === null || header.lsn > lsn || header.lastLsn < lsn) throw bad(lsn, 'they are another record')
    if (pieces.at(-1)?.header.lsn !== header.lsn) pieces.push({ header, bytes })
  }
  return pieces
}

async function prove(options: AdoptOptions, pieces: readonly Piece[], last: Piece): Promise<void> {
  for (const [i, { header, bytes }] of pieces.entries()) {
    const before = pieces[i - 1]?.header
    if (before !== undefined && before.lastLsn !== header.lsn - 1) throw bad(header.lsn, 'they are no neighbours')
    const wrong = wrongContent(bytes, 0, header)
    if (wrong !== null) throw bad(header.lsn, wrong)
    const chain = before?.chain ?? (await options.chainAt(toLsn(header.lsn - 1)))
    if (chain !== null && !follows(bytes, 0, header, Buffer.from(chain))) {
      throw bad(header.lsn, 'they do not follow from the record before')
    }
  }
  const { lastLsn, chain } = last.header
  const own = await options.chainAt(lastLsn)
  if (own !== null && !Buffer.from(own).equals(chain)) throw bad(lastLsn, 'its own header has another chain value')
  const behind = await options.reader.followsChain(toLsn(lastLsn + 1), chain)
  if (behind === false) throw bad(lastLsn, 'the record behind does not follow from them')
  if (own === null && behind === null) throw bad(lastLsn, 'nothing around them can be read to prove them')
}

async function splitRun(options: AdoptOptions, header: RecordHeader, bytes: Buffer): Promise<PeerRecord[]> {
  const { identity, segments, chainAt } = options
  const { lsn, lastLsn, epoch, wallMs } = header
  const parts: PeerRecord[] = []
  for (const segment of segments) {
    const first = toLsn(Math.max(lsn, segment.firstLsn))
    const last = toLsn(Math.min(lastLsn, segment.nextLsn - 1))
    if (last < first) continue
    const chain = last === lastLsn ? header.chain : await chainAt(last)
    if (chain === null) throw bad(last, 'they reach over the end of a segment whose last chain value is lost')
    const horizon = horizonOfRun(bytes, 0, header)
    const part = { first, last, epoch, wallMs, chain: Buffer.from(chain), horizon }
    parts.push({ lsn: first, bytes: encodeDroppedRun(identity, part) })
  }
  return parts
}

function bad(lsn: Lsn, why: string): LogError {
  return new LogError('LOG_BAD_BATCH', `Cannot drop record ${lsn} as the peer has: ${why}`, { details: { lsn } })
}
