/** Gets rows for a list of UIDs with as few steps as possible: one scan where they lie close together, else one by one. */
import { known } from '#lib/errors/assert.ts'
import type { MessageFacts } from '#lib/imap/store.ts'
import type { Uid } from '#lib/mail/types.ts'
import type { MessageRow, RowKey, ShardIndex } from '../index/port.ts'
import type { UidMap } from './uid-map.ts'

/** A scan reads rows that nobody asked for; up to this many per asked one it is still faster than point reads. */
const SCAN_WASTE_MAX = 3

/** @param uids Ascending. @returns Rows of those that are in the mailbox, ascending. */
export function rowsOf(index: ShardIndex, mailbox: RowKey, map: UidMap, uids: readonly Uid[]): MessageRow[] {
  const first = uids[0]
  const last = uids.at(-1)
  if (first === undefined || last === undefined) return []
  if (uids.length > 4 && map.countBetween(first, last) <= uids.length * SCAN_WASTE_MAX) {
    const rows = index.messagesBetween(mailbox, first, last)
    if (rows.length <= uids.length && rows.length === map.countBetween(first, last) && isSubset(rows, uids)) return rows
    const wanted = new Set(uids)
    return rows.filter((row) => wanted.has(row.uid))
  }
  const rows: MessageRow[] = []
  for (const uid of uids) {
    const row = map.has(uid) ? index.message(mailbox, uid) : null
    if (row !== null) rows.push(row)
  }
  return rows
}

/** Like `rowsOf`, with those that were expunged and are still shown somewhere. */
export function factsOf(index: ShardIndex, mailbox: RowKey, map: UidMap, uids: readonly Uid[]): MessageFacts[] {
  const rows = rowsOf(index, mailbox, map, uids)
  if (rows.length === uids.length) return rows
  const facts: MessageFacts[] = []
  let at = 0
  for (const uid of uids) {
    if (rows[at]?.uid === uid) facts.push(known(rows[at++], 'row was just seen'))
    else {
      const expunged = index.expungedMessage(mailbox, uid)
      if (expunged !== null) facts.push(expunged)
    }
  }
  return facts
}

/** Both ascending. */
function isSubset(rows: readonly MessageRow[], uids: readonly Uid[]): boolean {
  let at = 0
  for (const { uid } of rows) {
    while (at < uids.length && (uids[at] ?? 0) < uid) at++
    if (uids[at] !== uid) return false
  }
  return true
}
