/**
 * Lists of UIDs as ranges: | range count | per range: gap to the end of the one before, length - 1 |, all varints. What an
 * expunge of a whole mailbox says is three bytes. Ascending, without duplicates; adjacent ranges are always joined.
 */
import { type ByteReader, BytesError } from '#lib/bytes/reader.ts'
import type { ByteWriter } from '#lib/bytes/writer.ts'
import { assert } from '#lib/errors/assert.ts'
import { toUid, type Uid } from '#lib/mail/types.ts'

/** More than one mailbox holds (`../mailbox/limits.ts`): a few damaged bytes must not become gigabytes. */
export const UIDS_PER_RECORD_MAX = 1_000_000

/** @param uids Strictly ascending. */
export function writeUids(to: ByteWriter, uids: readonly Uid[]): void {
  assert(uids.length <= UIDS_PER_RECORD_MAX, 'UIDs of one record within the limit')
  const ranges: { first: number; last: number }[] = []
  let open: { first: number; last: number } | null = null
  for (const uid of uids) {
    assert(open === null || uid > open.last, 'UIDs of a record ascend')
    if (open !== null && uid === open.last + 1) open.last = uid
    else {
      open = { first: uid, last: uid }
      ranges.push(open)
    }
  }
  let end = 0
  to.list(ranges, ({ first, last }) => {
    to.varint(first - end - 1).varint(last - first)
    end = last
  })
}

/** @throws {BytesError} for lists that `writeUids` cannot have written */
export function readUids(from: ByteReader): Uid[] {
  const uids: Uid[] = []
  let end = 0
  let begun = false
  from.list(() => {
    const gap = from.varint()
    if (begun && gap === 0) throw new BytesError('BYTES_MALFORMED', 'Cannot read UID ranges that touch')
    begun = true
    const first = end + gap + 1
    const count = from.varint() + 1
    if (uids.length + count > UIDS_PER_RECORD_MAX) {
      throw new BytesError('BYTES_MALFORMED', `Cannot read more than ${UIDS_PER_RECORD_MAX} UIDs in one record`)
    }
    end = toUid(first + count - 1)
    for (let uid = first; uid <= end; uid++) uids.push(toUid(uid))
  })
  return uids
}
