/**
 * Puts the peer's bytes in the place of a rotten record (rule 14). In place: the record was damaged before, a crash in between leaves it
 * damaged, and the same repair is made again.
 *
 * Invariant: nothing is written that was not proved to be this very record, by its hash in the own header or by the chain.
 */
import { type Lsn, toLsn } from '#lib/mail/types.ts'
import { syncFile } from './durability.ts'
import { LogError } from './errors.ts'
import {
  asBuffer,
  BATCH_HEADER_BYTES,
  decodeBatchHeader,
  decodeRecordHeader,
  expectedChain,
  type LogIdentity,
  RECORD_HEADER_BYTES,
  type RecordHeader,
  SEGMENT_HEADER_BYTES,
} from './format.ts'
import { wrongContent } from './raw-batch.ts'
import type { RecordPlace, SegmentReader } from './reader.ts'

/** @throws {LogError} LOG_BAD_BATCH */
export async function repairRecord(
  reader: SegmentReader,
  identity: LogIdentity,
  lsn: Lsn,
  given: Uint8Array,
): Promise<void> {
  const bytes = asBuffer(given)
  const header = decodeRecordHeader(bytes, 0, identity)
  if (header === null || header.lsn !== lsn) throw bad(lsn, 'they are another record')
  if (RECORD_HEADER_BYTES + header.metaLength + header.bodyLength !== bytes.length)
    throw bad(lsn, 'their length is wrong')
  const wrong = wrongContent(bytes, 0, header)
  if (wrong !== null) throw bad(lsn, wrong)
  await proveIdentity(reader, identity, lsn, bytes, header)
  const place = await reader.place(lsn)
  const at = await findPlace(place, identity, lsn, bytes.length)
  await place.file.write(at, [bytes])
  await syncFile(place.file)
  place.offsets[place.index] = at
}

/** That the bytes are what stood here: the own header if it is whole, otherwise the neighbours in the chain. */
async function proveIdentity(
  reader: SegmentReader,
  identity: LogIdentity,
  lsn: Lsn,
  bytes: Buffer,
  header: RecordHeader,
): Promise<void> {
  const own = await readable(reader, lsn)
  if (own !== null) {
    if (!own.hash.equals(header.hash) || !own.chain.equals(header.chain))
      throw bad(lsn, 'its own header has another hash')
    return
  }
  const before = lsn === 1 ? null : await readable(reader, toLsn(lsn - 1))
  if (before !== null && !expectedChain(bytes, 0, before.chain).equals(header.chain)) {
    throw bad(lsn, 'they do not follow from the record before')
  }
  const after = await rawHeader(reader, toLsn(lsn + 1))
  const follows = after === null ? null : decodeRecordHeader(after, 0, identity)
  if (after !== null && follows !== null && !expectedChain(after, 0, header.chain).equals(follows.chain)) {
    throw bad(lsn, 'the record behind does not follow from them')
  }
  if (before === null && follows === null) throw bad(lsn, 'neither neighbour can be read to prove them')
}

async function readable(reader: SegmentReader, lsn: Lsn): Promise<RecordHeader | null> {
  try {
    return await reader.readHeader(lsn)
  } catch (error) {
    if (error instanceof LogError) return null
    throw error
  }
}

async function rawHeader(reader: SegmentReader, lsn: Lsn): Promise<Buffer | null> {
  try {
    const { file, offsets, index } = await reader.place(lsn)
    const at = offsets[index] ?? 0
    return at === 0 ? null : asBuffer(await file.read(at, RECORD_HEADER_BYTES))
  } catch (error) {
    if (error instanceof LogError) return null
    throw error
  }
}

/** The known place, or the hole between the neighbours if the record fits into it exactly. */
async function findPlace(place: RecordPlace, identity: LogIdentity, lsn: Lsn, length: number): Promise<number> {
  const { file, offsets, index, count, dataEnd } = place
  const next = offsets.subarray(index + 1, count).find((offset) => offset > 0) ?? dataEnd
  const known = offsets[index] ?? 0
  if (known > 0) {
    if (known + length <= next) return known
    throw bad(lsn, 'they do not fit into its place')
  }
  const before = offsets.subarray(0, index).findLastIndex((offset) => offset > 0)
  if (before < index - 1) throw bad(lsn, 'where it stood is not known: the record before is lost too')
  let at = SEGMENT_HEADER_BYTES
  if (before >= 0) {
    const offset = offsets[before] ?? 0
    const header = asBuffer(await file.read(offset, RECORD_HEADER_BYTES))
    at = offset + RECORD_HEADER_BYTES + header.readUInt32BE(32) + header.readUInt32BE(36)
  }
  while (decodeBatchHeader(asBuffer(await file.read(at, BATCH_HEADER_BYTES)), 0, identity) !== null)
    at += BATCH_HEADER_BYTES
  if (at + length <= next) return at
  throw bad(lsn, 'they do not fit between its neighbours')
}

function bad(lsn: Lsn, why: string): LogError {
  return new LogError('LOG_BAD_BATCH', `Cannot repair record ${lsn} with the peer's bytes: ${why}`, {
    details: { lsn },
  })
}
