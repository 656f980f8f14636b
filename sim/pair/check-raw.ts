/**
 * Reads what lies on the two disks at the end, as docs/internals/log.md describes the format, and proves that both hold the same
 * records: equal LSNs, equal bytes, equal original hashes. Uses nothing of the log's code.
 */
import { hash } from 'node:crypto'
import { AssertionFailure } from '#lib/errors/assert.ts'

export interface RawRecord {
  readonly lsn: number
  readonly epoch: number
  readonly type: number
  readonly hash: Buffer
  /** Over the original headers up to here, those of dropped records included. */
  readonly chain: Buffer
  readonly meta: Buffer
  readonly body: Buffer
}

const SEGMENT_HEADER = 192
const RECORD_HEADER = 120

/** All records by LSN - 1; null: compaction dropped it. */
export type RawLog = readonly (RawRecord | null)[]

/** @param files Segment files by path. @returns All records in order, up to the first that is not there whole. */
export function rawRecords(files: ReadonlyMap<string, Buffer>): RawLog {
  const records: (RawRecord | null)[] = []
  const names = [...files.keys()].filter((path) => /\/log\/[^/]*\.seg$/.test(path)).sort()
  for (const name of names) {
    const bytes = files.get(name)
    if (bytes !== undefined) readSegment(bytes, records)
  }
  return records
}

/**
 * Goes from record to record, not from batch to batch: rot may have taken a batch header, which no repair puts back, because nobody
 * needs it.
 */
function readSegment(bytes: Buffer, records: (RawRecord | null)[]): void {
  for (let at = SEGMENT_HEADER; ; ) {
    const found = findRecord(bytes, at, records.length + 1)
    if (found === null) return
    if (found.record === null) for (let i = 0; i < found.count; i++) records.push(null)
    else records.push(found.record)
    at = found.end
  }
}

/** The next place from `at` on where the record of that LSN stands whole. */
function findRecord(
  bytes: Buffer,
  from: number,
  lsn: number,
): { record: RawRecord | null; count: number; end: number } | null {
  for (let at = bytes.indexOf('TPR1', from); at >= 0; at = bytes.indexOf('TPR1', at + 1)) {
    if (at + RECORD_HEADER > bytes.length) return null
    if (Number(bytes.readBigUInt64BE(at + 8)) !== lsn) continue
    const metaAt = at + RECORD_HEADER
    const bodyAt = metaAt + bytes.readUInt32BE(at + 32)
    const end = bodyAt + bytes.readUInt32BE(at + 36)
    const original = bytes.subarray(at + 40, at + 72)
    const content = hash('sha256', bytes.subarray(metaAt, end), 'buffer')
    if (!content.equals(original)) continue
    if (bytes.readUInt16BE(at + 4) === 1) return { record: null, count: bytes.readUInt32BE(at + 112) + 1, end }
    const record = {
      lsn,
      epoch: Number(bytes.readBigUInt64BE(at + 16)),
      type: bytes.readUInt16BE(at + 6),
      hash: original,
      chain: bytes.subarray(at + 72, at + 104),
      meta: bytes.subarray(metaAt, bodyAt),
      body: bytes.subarray(bodyAt, end),
    }
    return { record, count: 1, end }
  }
  return null
}

/** Equal LSNs have equal original hashes and equal bytes where neither was dropped, and neither log is longer. */
export function checkEqual(a: RawLog, b: RawLog): void {
  for (const [i, one] of a.entries()) {
    const other = b[i]
    if (other === undefined) throw new AssertionFailure(`B ends at ${b.length}, A at ${a.length}, although all is well`)
    if (one === null || other === null) continue
    const sameHashes = one.hash.equals(other.hash) && one.chain.equals(other.chain)
    const same = sameHashes && one.epoch === other.epoch && one.type === other.type
    if (!same || !one.meta.equals(other.meta) || !one.body.equals(other.body)) {
      throw new AssertionFailure(`Record ${one.lsn} is not the same on both disks`)
    }
  }
  if (b.length > a.length) throw new AssertionFailure(`A ends at ${a.length}, B at ${b.length}, although all is well`)
}
