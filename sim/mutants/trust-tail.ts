/** Goes on in the old tail, as if what the page cache shows were on the disk. */
import type { Disk, File } from '#lib/ports/disk.ts'
import { SEGMENT_HEADER_BYTES, type SegmentHeader } from '#shard/log/format.ts'
import { createSegment, segmentPath } from '#shard/log/segments.ts'

export * from '#shard/log/segments.ts'

export async function rewriteTail(
  disk: Disk,
  directory: string,
  header: SegmentHeader,
  chunks: readonly Uint8Array[],
): Promise<File> {
  const path = segmentPath(directory, header.firstLsn)
  if (!(await disk.list(directory)).some((name) => path.endsWith(name))) {
    return createSegment(disk, directory, header, chunks)
  }
  const file = await disk.open(path)
  const kept = chunks.slice(0, -1).reduce((sum, chunk) => sum + chunk.byteLength, 0)
  await file.truncate(SEGMENT_HEADER_BYTES + kept)
  await file.write(SEGMENT_HEADER_BYTES + kept, chunks.slice(-1))
  await file.sync()
  return file
}
