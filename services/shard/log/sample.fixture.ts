/**
 * The history behind the sample logs: three segments, four epochs, an empty epoch, records without meta, without body, with
 * a body in pieces, and a last batch of two records that is covered by the header of the last start.
 */
import type { Disk } from '#lib/ports/disk.ts'
import { appendDurably, ManualClock, openTestLog } from './testing.ts'
import type { NewRecord } from './types.ts'

export const SAMPLE_SEGMENT_BYTES = 1500

/** Records of the sample in order; LSN is index + 1. */
export function sampleRecords(): NewRecord[] {
  const text = (n: number) =>
    Buffer.from(`From: a@example.test\r\nSubject: letter ${n}\r\n\r\n${'text '.repeat(n * 9)}\r\n`)
  return [
    { type: 1, meta: Buffer.from('epoch start') },
    { type: 2, meta: Buffer.alloc(0), body: [text(1)] },
    { type: 30, meta: Buffer.from([1, 2, 3, 0, 255]) },
    { type: 2, meta: Buffer.alloc(0), body: [text(2).subarray(0, 30), text(2).subarray(30)] },
    { type: 30, meta: Buffer.alloc(600, 0x61) },
    { type: 65_535, meta: Buffer.alloc(0) },
    { type: 2, meta: Buffer.from('both'), body: [text(7)] },
    { type: 2, meta: Buffer.alloc(0), body: [text(8)] },
    { type: 32, meta: Buffer.from('the end') },
  ]
}

export async function writeSample(disk: Disk): Promise<void> {
  const records = sampleRecords()
  const clock = new ManualClock()
  const batches = [records.slice(0, 3), records.slice(3, 4), records.slice(4, 7), [], records.slice(7)]
  for (const batch of batches) {
    const log = await openTestLog(disk, { clock, segmentBytes: SAMPLE_SEGMENT_BYTES })
    log.onDurable((durable) => log.noteCommit(durable)) // as with one replica
    clock.advance(1000)
    if (batch.length > 0) await appendDurably(log, batch)
    await log.close()
  }
}
