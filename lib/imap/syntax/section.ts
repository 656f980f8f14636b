/** The section of BODY[...] (RFC 9051 section 6.4.5.1 and `section` in section 9). */
import { HEADER_FIELDS_MAX, SECTION_DEPTH_MAX } from '../limits.ts'
import { astring } from '../response/strings.ts'
import { syntaxError } from './syntax-error.ts'
import type { Tokens } from './tokens.ts'

export type SectionPart =
  /** The whole message, or the body of a part. */
  | { readonly kind: 'all' }
  | { readonly kind: 'header' | 'text' | 'mime' }
  /** Field names as the client spelled them. */
  | { readonly kind: 'fields' | 'fields-not'; readonly names: readonly string[] }

export interface Section {
  readonly path: readonly number[]
  readonly part: SectionPart
}

/** A range of a section: `<offset.length>`. */
export interface Partial {
  readonly offset: number
  readonly length: number
}

export const WHOLE: Section = { path: [], part: { kind: 'all' } }

/** "[" section "]". */
export function sectionArgument(args: Tokens): Section {
  args.char('[')
  const path: number[] = []
  let named = true
  while (/\d/.test(args.peek())) {
    path.push(args.positive())
    if (path.length > SECTION_DEPTH_MAX) throw syntaxError(`Section is deeper than ${SECTION_DEPTH_MAX}`)
    named = args.tryChar('.')
    if (!named) break
  }
  let part: SectionPart = { kind: 'all' }
  if (named && (path.length > 0 || args.peek() !== ']')) part = sectionText(args, path.length > 0)
  args.char(']')
  return { path, part }
}

/** "<" number "." nz-number ">", or null. */
export function partialArgument(args: Tokens): Partial | null {
  if (!args.tryChar('<')) return null
  const offset = args.number64()
  args.char('.')
  const length = args.number64()
  if (length === 0) throw syntaxError('Length of a partial FETCH must not be 0')
  args.char('>')
  return { offset, length }
}

/** The section as the response names it. */
export function sectionName({ path, part }: Section): string {
  const numbers = path.join('.')
  const text = partName(part)
  return numbers !== '' && text !== '' ? `${numbers}.${text}` : numbers + text
}

function sectionText(args: Tokens, inPart: boolean): SectionPart {
  const name = args.name()
  switch (name) {
    case 'HEADER':
      return { kind: 'header' }
    case 'TEXT':
      return { kind: 'text' }
    case 'MIME':
      if (!inPart) throw syntaxError('MIME needs a part number')
      return { kind: 'mime' }
    case 'HEADER.FIELDS':
    case 'HEADER.FIELDS.NOT': {
      args.space()
      const names = args.list(() => args.astring())
      if (names.length > HEADER_FIELDS_MAX) throw syntaxError(`More than ${HEADER_FIELDS_MAX} header fields`)
      return { kind: name === 'HEADER.FIELDS' ? 'fields' : 'fields-not', names }
    }
    default:
      throw syntaxError(`Unknown section ${name}`)
  }
}

function partName(part: SectionPart): string {
  switch (part.kind) {
    case 'all':
      return ''
    case 'header':
    case 'text':
    case 'mime':
      return part.kind.toUpperCase()
    case 'fields':
    case 'fields-not': {
      const names = part.names.map((name) => astring(name)).join(' ')
      return `HEADER.FIELDS${part.kind === 'fields' ? '' : '.NOT'} (${names})`
    }
    default:
      return part satisfies never
  }
}
