/** Checked reading of what SQLite returns: a column of the wrong type means a damaged file, never a wrong value inside. */
import type { SQLOutputValue, StatementSync } from 'node:sqlite'
import { ByteReader } from '#lib/bytes/reader.ts'
import { ByteWriter } from '#lib/bytes/writer.ts'
import type { Flags } from '#lib/mail/flags.ts'
import { type Lsn, toLsn } from '#lib/mail/types.ts'
import { IndexError } from './errors.ts'

/** One row as an array (statements are prepared with `setReturnArrays`). */
export type Row = Record<number, SQLOutputValue>

export function int(row: Row, at: number): number {
  const value = row[at]
  if (typeof value === 'number') return value
  throw damaged(at, value)
}

export function text(row: Row, at: number): string {
  const value = row[at]
  if (typeof value === 'string') return value
  throw damaged(at, value)
}

export function blob(row: Row, at: number): Uint8Array {
  const value = row[at]
  if (value instanceof Uint8Array) return value
  throw damaged(at, value)
}

export function intOrNull(row: Row, at: number): number | null {
  return row[at] === null ? null : int(row, at)
}

export function textOrNull(row: Row, at: number): string | null {
  return row[at] === null ? null : text(row, at)
}

function damaged(at: number, value: unknown): IndexError {
  return new IndexError('INDEX_DAMAGED', `Cannot use a ${typeof value} in column ${at}: the index is damaged`)
}

/** Keywords are IMAP atoms: none has a space. */
export function keywordsColumn(keywords: readonly string[]): string | null {
  return keywords.length === 0 ? null : keywords.join(' ')
}

const NO_KEYWORDS: readonly string[] = []

export function flagsOf(system: number, keywords: string | null): Flags {
  return { system, keywords: keywords === null ? NO_KEYWORDS : keywords.split(' ') }
}

/** One LSN as a number, several as varints. */
export function bodyColumn(lsns: readonly Lsn[]): number | Uint8Array {
  const [only] = lsns
  if (lsns.length === 1 && only !== undefined) return only
  const to = new ByteWriter(lsns.length * 5)
  for (const lsn of lsns) to.varint(lsn)
  return to.finish()
}

export function bodyLsns(row: Row, at: number): Lsn[] {
  const value = row[at]
  if (typeof value === 'number') return [toLsn(value)]
  const from = new ByteReader(blob(row, at))
  const lsns: Lsn[] = []
  while (from.remaining > 0) lsns.push(toLsn(from.varint()))
  return lsns
}

/** `statement` with rows as arrays: half the time of objects. */
export function asArrays(statement: StatementSync): StatementSync {
  statement.setReturnArrays(true)
  return statement
}
