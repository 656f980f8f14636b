/**
 * Reads what lies on the two disks at the end, as docs/internals/log.md describes the format, and proves that both hold the same
 * records: equal LSNs, equal bytes, equal original hashes. Uses nothing of the log's code.
 */
import { AssertionFailure } from '#lib/errors/assert.ts'

export interface RawRecord {
  readonly lsn: number
  readonly epoch: number
  readonly type: number
  readonly hash: Buffer
  readonly meta: Buffer
  readonly body: Buffer
}

const SEGMENT_HEADER = 192
const BATCH_HEADER = 72
const RECORD_HEADER = 120

/** @param files Segment files by path. @returns All records in order. */
export function rawRecords(files: ReadonlyMap<string, Buffer>): RawRecord[] {
  const records: RawRecord[] = []
  const names = [...files.keys()].filter((path) => /\/log\/[^/]*\.seg$/.test(path)).sort()
  for (const name of names) {
    const bytes = files.get(name)
    if (bytes !== undefined) readSegment(bytes, records, name)
  }
  return records
}

function readSegment(bytes: Buffer, records: RawRecord[], name: string): void {
  let at = SEGMENT_HEADER
  while (bytes.toString('latin1', at, at + 4) === 'TPB1') {
    let count = bytes.readUInt32BE(at + 32)
    for (at += BATCH_HEADER; count > 0; count--) {
      const lsn = Number(bytes.readBigUInt64BE(at + 8))
      if (lsn !== records.length + 1) {
        throw new AssertionFailure(`${name}: record ${records.length + 1} should stand at ${at}, there is ${lsn}`)
      }
      const metaAt = at + RECORD_HEADER
      const bodyAt = metaAt + bytes.readUInt32BE(at + 32)
      const end = bodyAt + bytes.readUInt32BE(at + 36)
      records.push({
        lsn,
        epoch: Number(bytes.readBigUInt64BE(at + 16)),
        type: bytes.readUInt16BE(at + 6),
        hash: bytes.subarray(at + 40, at + 72),
        meta: bytes.subarray(metaAt, bodyAt),
        body: bytes.subarray(bodyAt, end),
      })
      at = end
    }
  }
}

/** Equal LSNs have equal original hashes and equal bytes, and neither log is longer. */
export function checkEqual(a: readonly RawRecord[], b: readonly RawRecord[]): void {
  for (const [i, one] of a.entries()) {
    const other = b[i]
    if (other === undefined) throw new AssertionFailure(`B ends at ${b.length}, A at ${a.length}, although all is well`)
    const same = one.hash.equals(other.hash) && one.epoch === other.epoch && one.type === other.type
    if (!same || !one.meta.equals(other.meta) || !one.body.equals(other.body)) {
      throw new AssertionFailure(`Record ${one.lsn} is not the same on both disks`)
    }
  }
  if (b.length > a.length) throw new AssertionFailure(`A ends at ${a.length}, B at ${b.length}, although all is well`)
}
