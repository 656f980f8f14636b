/**
 * Citations of RFCs in code, transcripts and docs, and the index they are held against. A citation is `RFC 9051`, with a place as
 * `RFC 9051 section 6.3.12`, and as a list `RFC 4514, 4515`.
 */
import type { TextFile } from '../tidy/files.ts'
import type { Problem } from '../tidy/layers.ts'

/** yes: all of it that a server of our kind has. part: what is missing is said in the note. cited: nothing in it to implement. */
export const STATUSES = ['yes', 'part', 'cited'] as const

export interface IndexedRfc {
  readonly number: number
  readonly title: string
  readonly status: (typeof STATUSES)[number]
  /** Folder or file from the root where it is at home. */
  readonly where: string
  readonly line: number
}

const CITATION = /\bRFC (\d{3,5})(?!\d)/g
/** What may follow in a list: `, 2449`, or `, 2449 (CAPA)`. */
const NEXT = /(?:\s\([^)]*\))?,\s(\d{3,5})\b(?![,.]\d)/y
const MALFORMED = /\bRFC-?\d{4}\b|\bRFC {2,}\d|\bRFC \d+,? ?(?:§|sec\.|Section\b|s\d)/g
const COLUMNS = 5

export function citationsOf(text: string): { number: number; offset: number }[] {
  return [...text.matchAll(CITATION)].flatMap((match) => {
    const found = [{ number: Number(match[1]), offset: match.index }]
    NEXT.lastIndex = match.index + match[0].length
    for (let next = NEXT.exec(text); next !== null; next = NEXT.exec(text)) {
      found.push({ number: Number(next[1]), offset: next.index })
    }
    return found
  })
}

/** Lines of `number, title, status, where, note`, separated by tabs; the first line names the columns. */
export function parseIndex(path: string, text: string): { rfcs: IndexedRfc[]; problems: Problem[] } {
  const rfcs: IndexedRfc[] = []
  const problems: Problem[] = []
  let last = 0
  for (const [at, row] of text.split('\n').entries()) {
    if (at === 0 || row === '') continue
    const line = at + 1
    const columns = row.split('\t')
    const [digits = '', title = '', word = '', where = '', note = ''] = columns
    const number = Number(digits)
    const status = STATUSES.find((one) => one === word)
    const report = (message: string) => problems.push({ path, line, message })
    if (columns.length !== COLUMNS || title === '' || where === '' || !Number.isInteger(number)) {
      report('A line is number, title, status, where, note, separated by tabs')
    } else if (status === undefined) report(`Status of RFC ${number} is one of ${STATUSES.join(', ')}`)
    else if (status === 'part' && note === '') report(`RFC ${number} is there in part: the note says what is missing`)
    else if (number <= last) report(`RFC ${number} is out of order`)
    else rfcs.push({ number, title, status, where, line })
    last = Math.max(last, number || 0)
  }
  return { rfcs, problems }
}

/** @param exists Whether a path from the root is there. */
export function checkCitations(
  files: readonly TextFile[],
  index: TextFile,
  exists: (path: string) => boolean,
): Problem[] {
  const { rfcs, problems } = parseIndex(index.path, index.text)
  const known = new Set(rfcs.map(({ number }) => number))
  const cited = new Set<number>()
  for (const { path, text } of files) {
    const line = (offset: number) => text.slice(0, offset).split('\n').length
    for (const { number, offset } of citationsOf(text)) {
      cited.add(number)
      if (!known.has(number))
        problems.push({ path, line: line(offset), message: `RFC ${number} is not in ${index.path}` })
    }
    for (const match of text.matchAll(MALFORMED)) {
      problems.push({ path, line: line(match.index), message: `Write ${match[0]} as in RFC 9051 section 6.3.12` })
    }
  }
  for (const { number, where, line } of rfcs) {
    if (!exists(where)) problems.push({ path: index.path, line, message: `RFC ${number}: there is no ${where}` })
    if (!cited.has(number)) problems.push({ path: index.path, line, message: `Nothing cites RFC ${number}: remove it` })
  }
  return problems
}
