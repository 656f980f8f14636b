/**
 * Comma-separated values as a stream (RFC 4180): quoted fields may hold separators, quotes and line ends. The separator is
 * what the first line has most of: comma, semicolon or tab. Never holds more than one record.
 */

export interface CsvRecord {
  /** Of the file, from 1: where the record begins. */
  readonly line: number
  readonly fields: readonly string[]
}

export class CsvError extends Error {
  override readonly name = 'CsvError'
  readonly line: number

  constructor(line: number, message: string) {
    super(message)
    this.line = line
  }
}

/** No address, name or list of ours is longer; a quote that is never closed ends here and not with the memory. */
const RECORD_CHARS_MAX = 64 * 1024
const SEPARATORS = [',', ';', '\t'] as const

/** Blank lines are no records. @throws {CsvError} for quotes that make no sense */
export async function* parseCsv(chunks: AsyncIterable<string>): AsyncGenerator<CsvRecord> {
  let separator: string | null = null
  let line = 1
  for await (const { text, lines } of records(chunks)) {
    separator ??= separatorOf(text)
    if (text.trim() !== '') yield { line, fields: fieldsOf(text, separator, line) }
    line += lines
  }
}

function separatorOf(head: string): string {
  const counts = SEPARATORS.map((one) => head.split(one).length)
  return SEPARATORS[counts.indexOf(Math.max(...counts))] ?? ','
}

/** Texts of records without their line ends: a line end within quotes is part of the record. */
async function* records(chunks: AsyncIterable<string>): AsyncGenerator<{ text: string; lines: number }> {
  let pending = ''
  let quoted = false
  let lines = 1
  let line = 1
  let first = true
  for await (const chunk of chunks) {
    const text = first ? chunk.replace(/^\ufeff/, '') : chunk
    first = false
    let start = 0
    for (let at = 0; at < text.length; at++) {
      const char = text[at]
      if (char === '"') quoted = !quoted // a doubled quote turns twice
      if (char !== '\n') continue
      if (quoted) {
        lines++
        continue
      }
      yield { text: (pending + text.slice(start, at)).replace(/\r$/, ''), lines }
      line += lines
      pending = ''
      lines = 1
      start = at + 1
    }
    pending += text.slice(start)
    if (pending.length > RECORD_CHARS_MAX) throw new CsvError(line, 'the record is too long: a quote is missing')
  }
  if (quoted) throw new CsvError(line, 'a quote is never closed')
  if (pending !== '') yield { text: pending.replace(/\r$/, ''), lines }
}

function fieldsOf(text: string, separator: string, line: number): string[] {
  const fields: string[] = []
  let at = 0
  for (;;) {
    if (text[at] === '"') {
      let value = ''
      let end = text.indexOf('"', at + 1)
      for (at++; end !== -1 && text[end + 1] === '"'; end = text.indexOf('"', at)) {
        value += text.slice(at, end + 1)
        at = end + 2
      }
      if (end === -1) throw new CsvError(line, 'a quote is never closed')
      fields.push(value + text.slice(at, end))
      at = end + 1
      if (at < text.length && text[at] !== separator) throw new CsvError(line, 'something follows a closing quote')
    } else {
      const end = text.indexOf(separator, at)
      fields.push(text.slice(at, end === -1 ? undefined : end).trim())
      at = end === -1 ? text.length : end
    }
    if (at >= text.length) return fields
    at++
    if (at === text.length) return [...fields, '']
  }
}

/**
 * Rows of a file whose first line names the columns.
 * @param columnsOf The meaning of each column, or the name of one that has none.
 * @param unknown What is thrown for such a name.
 */
export async function* csvRows<Column, Row>(
  input: Parameters<typeof parseCsv>[0],
  columnsOf: (head: readonly string[]) => { readonly columns: Column[] } | { readonly unknown: string },
  rowOf: (columns: readonly Column[], fields: readonly string[], line: number) => Row,
  unknown: (name: string) => Error,
): AsyncGenerator<Row> {
  let columns: Column[] | null = null
  for await (const { fields, line } of parseCsv(input)) {
    if (columns !== null) {
      yield rowOf(columns, fields, line)
      continue
    }
    const head = columnsOf(fields)
    if ('unknown' in head) throw unknown(head.unknown)
    columns = head.columns
  }
}
