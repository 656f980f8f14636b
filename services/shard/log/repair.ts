/**
 * Puts the peer's bytes in the place of rotten records (rule 14). In place where they fit: what stood there was damaged before, a crash in
 * between leaves it damaged, and the same repair is made again. Records that have no place are handed back: a write that went astray can
 * leave too little room, and then the segment is laid anew (`segment-rewrite.ts`).
 *
 * Invariant: nothing is written that was not proved to be these very records, by the hash in the own header or by the chain around them.
 */
import { type Lsn, toLsn } from '#lib/mail/types.ts'
import { syncFile } from './durability.ts'
import { LogError } from './errors.ts'
import {
  asBuffer,
  BATCH_HEADER_BYTES,
  CHAIN_START,
  decodeBatchHeader,
  decodeRecordHeader,
  follows,
  type LogIdentity,
  RECORD_HEADER_BYTES,
  type RecordHeader,
  SEGMENT_HEADER_BYTES,
} from './format.ts'
import { wrongContent } from './raw-batch.ts'
import type { RecordPlace, SegmentReader } from './reader.ts'

/** One record as the peer has it, with its header. */
export interface PeerRecord {
  readonly lsn: Lsn
  readonly bytes: Uint8Array
}

interface Proved extends PeerRecord {
  readonly bytes: Buffer
  readonly header: RecordHeader
}

/**
 * @param given Neighbours, in order.
 * @returns Those that have no place: the last ones.
 * @throws {LogError} LOG_BAD_BATCH, and then nothing was written
 */
export async function repairRecords(
  reader: SegmentReader,
  identity: LogIdentity,
  given: readonly PeerRecord[],
): Promise<PeerRecord[]> {
  const records = given.map((record, i) => proveContent(identity, record, (given[i - 1]?.lsn ?? record.lsn - 1) + 1))
  await proveIdentity(reader, records)
  const homeless: PeerRecord[] = []
  for (const { lsn, bytes } of records) {
    const place = await reader.place(lsn)
    const at = homeless.length > 0 ? null : await findPlace(place, identity, bytes.length)
    if (at === null) {
      homeless.push({ lsn, bytes })
      continue
    }
    await place.file.write(at, [bytes])
    await syncFile(place.file)
    place.offsets[place.index] = at
  }
  return homeless
}

function proveContent(identity: LogIdentity, { lsn, bytes: given }: PeerRecord, expected: number): Proved {
  const bytes = asBuffer(given)
  const header = decodeRecordHeader(bytes, 0, identity)
  if (header === null || header.lsn !== lsn || lsn !== expected) throw bad(lsn, 'they are another record')
  if (RECORD_HEADER_BYTES + header.metaLength + header.bodyLength !== bytes.length)
    throw bad(lsn, 'their length is wrong')
  const wrong = wrongContent(bytes, 0, header)
  if (wrong !== null) throw bad(lsn, wrong)
  return { lsn, bytes, header }
}

/** That they are what stood here: by the own headers that are whole, by the record before and by the one behind; one of them must speak. */
async function proveIdentity(reader: SegmentReader, records: readonly Proved[]): Promise<void> {
  const [first] = records
  const last = records.at(-1)
  if (first === undefined || last === undefined) return
  let chain = await chainBefore(reader, first.lsn)
  let proved = chain !== null
  for (const { lsn, bytes, header } of records) {
    const own = await readable(reader, lsn)
    if (own !== null && !(own.hash.equals(header.hash) && own.chain.equals(header.chain))) {
      throw bad(lsn, 'its own header has another hash')
    }
    if (chain !== null && !follows(bytes, 0, header, chain)) throw bad(lsn, 'they do not follow from the record before')
    proved ||= own !== null
    chain = header.chain
  }
  // Null: it cannot be read, or is a run of dropped records, which follows in no way that could be proved.
  const behind = chain === null ? null : await reader.followsChain(toLsn(last.header.lastLsn + 1), chain)
  if (behind === false) throw bad(last.lsn, 'the record behind does not follow from them')
  proved ||= behind === true
  if (!proved) throw bad(first.lsn, 'neither neighbour can be read to prove them')
}

async function readable(reader: SegmentReader, lsn: Lsn): Promise<RecordHeader | null> {
  try {
    return await reader.readHeader(lsn)
  } catch (error) {
    if (error instanceof LogError) return null
    throw error
  }
}

/** What the record follows; null: unknown. */
async function chainBefore(reader: SegmentReader, lsn: Lsn): Promise<Buffer | null> {
  if (lsn === 1) return CHAIN_START
  try {
    return await reader.chainAt(toLsn(lsn - 1))
  } catch (error) {
    if (error instanceof LogError) return null
    throw error
  }
}

/** The known place, or the hole between the neighbours; null where they do not fit. */
async function findPlace(place: RecordPlace, identity: LogIdentity, length: number): Promise<number | null> {
  const { file, offsets, index, count, dataEnd } = place
  const next = offsets.subarray(index + 1, count).find((offset) => offset > 0) ?? dataEnd
  const known = offsets[index] ?? 0
  if (known > 0) return known + length <= next ? known : null
  const before = offsets.subarray(0, index).findLastIndex((offset) => offset > 0)
  if (before < index - 1) return null
  let at = SEGMENT_HEADER_BYTES
  if (before >= 0) {
    const offset = offsets[before] ?? 0
    const bytes = asBuffer(await file.read(offset, RECORD_HEADER_BYTES))
    // In memory the place of a record outlives its header.
    if (decodeRecordHeader(bytes, 0, identity) === null) return null
    at = offset + RECORD_HEADER_BYTES + bytes.readUInt32BE(32) + bytes.readUInt32BE(36)
  }
  while (decodeBatchHeader(asBuffer(await file.read(at, BATCH_HEADER_BYTES)), 0, identity) !== null)
    at += BATCH_HEADER_BYTES
  return at + length <= next ? at : null
}

function bad(lsn: Lsn, why: string): LogError {
  return new LogError('LOG_BAD_BATCH', `Cannot repair record ${lsn} with the peer's bytes: ${why}`, {
    details: { lsn },
  })
}
