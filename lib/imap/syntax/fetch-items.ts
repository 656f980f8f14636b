/** What FETCH may ask for (RFC 3501 section 6.4.5), as a table: an extension adds a line. */
import { FETCH_ITEMS_MAX } from '../limits.ts'
import { type Partial, partialArgument, type Section, sectionArgument, sectionName, WHOLE } from './section.ts'
import { syntaxError } from './syntax-error.ts'
import type { Tokens } from './tokens.ts'

type SimpleKind =
  | 'flags'
  | 'uid'
  | 'internal-date'
  | 'size'
  | 'envelope'
  | 'body'
  | 'body-structure'
  | 'mod-seq'
  | 'email-id'
  | 'thread-id'
  | 'save-date'
  | 'preview'

export type FetchItem =
  | { readonly kind: SimpleKind }
  | {
      readonly kind: 'section'
      /** As the response names it, without the origin of a partial. */
      readonly label: string
      readonly section: Section
      readonly partial: Partial | null
      /** False: the message becomes \Seen. */
      readonly peek: boolean
    }

  /** A part without its transfer encoding (RFC 3516), or the size of that. */
  | {
      readonly kind: 'binary'
      readonly label: string
      readonly section: Section
      readonly partial: Partial | null
      readonly peek: boolean
    }
  | { readonly kind: 'binary-size'; readonly label: string; readonly section: Section }

type ItemParser = (args: Tokens) => FetchItem

function simple(kind: SimpleKind): ItemParser {
  const item = { kind }
  return () => item
}

function rfc822(label: string, section: Section, peek: boolean): ItemParser {
  const item: FetchItem = { kind: 'section', label, section, partial: null, peek }
  return () => item
}

function bodySection(args: Tokens, peek: boolean): FetchItem {
  const section = sectionArgument(args)
  return { kind: 'section', label: `BODY[${sectionName(section)}]`, section, partial: partialArgument(args), peek }
}

function binary(args: Tokens, peek: boolean): FetchItem {
  const section = partArgument(args)
  return { kind: 'binary', label: `BINARY[${sectionName(section)}]`, section, partial: partialArgument(args), peek }
}

function binarySize(args: Tokens): FetchItem {
  const section = partArgument(args)
  return { kind: 'binary-size', label: `BINARY.SIZE[${sectionName(section)}]`, section }
}

/** section-binary (RFC 3516 section 7): numbers and nothing else. */
function partArgument(args: Tokens): Section {
  const section = sectionArgument(args)
  if (section.part.kind !== 'all') throw syntaxError('BINARY takes part numbers only')
  return section
}

/** PREVIEW [SP "(" LAZY ")"]. It is always made at once, so LAZY changes nothing. */
function previewItem(args: Tokens): FetchItem {
  args.tryText(' (LAZY)')
  return { kind: 'preview' }
}

const ITEMS: ReadonlyMap<string, ItemParser> = new Map<string, ItemParser>([
  ['FLAGS', simple('flags')],
  ['UID', simple('uid')],
  ['INTERNALDATE', simple('internal-date')],
  ['RFC822.SIZE', simple('size')],
  ['ENVELOPE', simple('envelope')],
  ['EMAILID', simple('email-id')], // RFC 8474 section 5.1
  ['THREADID', simple('thread-id')], // RFC 8474 section 5.2
  ['SAVEDATE', simple('save-date')], // RFC 8514 section 4.2
  ['MODSEQ', simple('mod-seq')], // RFC 7162 section 3.1.4.2
  ['BODYSTRUCTURE', simple('body-structure')],
  ['PREVIEW', previewItem], // RFC 8970
  ['BINARY', (args) => binary(args, false)],
  ['BINARY.PEEK', (args) => binary(args, true)],
  ['BINARY.SIZE', binarySize],
  ['BODY', (args) => (args.peek() === '[' ? bodySection(args, false) : { kind: 'body' })],
  ['BODY.PEEK', (args) => bodySection(args, true)],
  ['RFC822', rfc822('RFC822', WHOLE, false)],
  ['RFC822.HEADER', rfc822('RFC822.HEADER', { path: [], part: { kind: 'header' } }, true)],
  ['RFC822.TEXT', rfc822('RFC822.TEXT', { path: [], part: { kind: 'text' } }, false)],
])

const MACROS: ReadonlyMap<string, readonly FetchItem[]> = new Map<string, readonly FetchItem[]>([
  ['ALL', [{ kind: 'flags' }, { kind: 'internal-date' }, { kind: 'size' }, { kind: 'envelope' }]],
  ['FAST', [{ kind: 'flags' }, { kind: 'internal-date' }, { kind: 'size' }]],
  ['FULL', [{ kind: 'flags' }, { kind: 'internal-date' }, { kind: 'size' }, { kind: 'envelope' }, { kind: 'body' }]],
])

/** A macro, one item, or a list of items. */
export function fetchItems(args: Tokens): readonly FetchItem[] {
  if (args.peek() === '(') {
    const items = args.list(() => fetchItem(args, args.name()))
    if (items.length > FETCH_ITEMS_MAX) throw syntaxError(`More than ${FETCH_ITEMS_MAX} items`)
    return items
  }
  const name = args.name()
  return MACROS.get(name) ?? [fetchItem(args, name)]
}

function fetchItem(args: Tokens, name: string): FetchItem {
  const parse = ITEMS.get(name)
  if (parse === undefined) throw syntaxError(`Unknown item ${name}`)
  return parse(args)
}
