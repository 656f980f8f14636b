/** The keys of SEARCH (RFC 3501 section 6.4.4), as a table: an extension adds a line. */
import iconv from 'iconv-lite'
import { Flag } from '#lib/mail/flags.ts'
import { NESTING_MAX, SEARCH_KEYS_MAX } from '../limits.ts'
import { type Day, dateArgument } from './dates.ts'
import { keyword } from './flags.ts'
import { SequenceSet } from './sequence-set.ts'
import { refusal, syntaxError } from './syntax-error.ts'
import type { Tokens } from './tokens.ts'

export type DateRelation = 'before' | 'on' | 'since'

export type SearchKey =
  | { readonly kind: 'all' | 'recent' }
  | { readonly kind: 'and'; readonly keys: readonly SearchKey[] }
  | { readonly kind: 'or'; readonly keys: readonly SearchKey[] }
  | { readonly kind: 'not'; readonly key: SearchKey }
  | { readonly kind: 'sequence' | 'uid'; readonly set: SequenceSet }
  /** `Flag` bit that is set. */
  | { readonly kind: 'flag'; readonly bit: Flag }
  | { readonly kind: 'keyword'; readonly name: string }
  | { readonly kind: 'larger' | 'smaller'; readonly bytes: number }
  | { readonly kind: 'internal-date' | 'sent-date'; readonly relation: DateRelation; readonly day: Day }
  /** `text` as typed; empty: the field is there. */
  | { readonly kind: 'header'; readonly field: string; readonly text: string }
  | { readonly kind: 'body' | 'text'; readonly text: string }

/** State of one parse: the charset of strings, the count of keys, the depth of NOT and OR. */
class KeyParser {
  readonly args: Tokens
  readonly #charset: string
  #count = 0
  #depth = 0

  constructor(args: Tokens, charset: string) {
    this.args = args
    this.#charset = charset
  }

  /** search-key *(SP search-key), all of which must match. */
  keys(end: () => boolean): SearchKey {
    const keys: SearchKey[] = []
    do keys.push(this.key())
    while (!end() && this.args.trySpace())
    const [only] = keys
    return keys.length === 1 && only !== undefined ? only : { kind: 'and', keys }
  }

  key(): SearchKey {
    if (++this.#count > SEARCH_KEYS_MAX) throw syntaxError(`More than ${SEARCH_KEYS_MAX} search keys`)
    if (++this.#depth > NESTING_MAX) throw syntaxError(`Search is nested deeper than ${NESTING_MAX}`)
    const key = this.#key()
    this.#depth--
    return key
  }

  #key(): SearchKey {
    const { args } = this
    if (args.tryOpen()) {
      let closed = false
      const key = this.keys(() => {
        closed = args.tryClose()
        return closed
      })
      if (!closed) throw args.error('")"')
      return key
    }
    if (/[\d*]/.test(args.peek())) return { kind: 'sequence', set: SequenceSet.parse(args) }
    const name = args.word()
    const parse = KEYS.get(name)
    if (parse === undefined) throw syntaxError(`Unknown search key ${name}`)
    return parse(this)
  }

  /** SP astring, decoded. */
  text(): string {
    this.args.space()
    const bytes = Buffer.from(this.args.astring(), 'latin1')
    const text = iconv.decode(bytes, this.#charset)
    if (text.includes('\ufffd')) throw syntaxError(`Search string is not valid ${this.#charset}`)
    return text
  }

  space(): Tokens {
    this.args.space()
    return this.args
  }
}

// Names that iconv-lite knows beside charsets.
const NO_CHARSET = /^(base64|hex|binary|internal)/i

type KeyRule = (parser: KeyParser) => SearchKey

const not = (key: SearchKey): SearchKey => ({ kind: 'not', key })
const flag = (bit: Flag): SearchKey => ({ kind: 'flag', bit })
const fixed =
  (key: SearchKey): KeyRule =>
  () =>
    key
const header =
  (field: string): KeyRule =>
  (parser) => ({ kind: 'header', field, text: parser.text() })
const date =
  (kind: 'internal-date' | 'sent-date', relation: DateRelation): KeyRule =>
  (parser) => ({ kind, relation, day: dateArgument(parser.space()) })

const KEYS: ReadonlyMap<string, KeyRule> = new Map<string, KeyRule>([
  ['ALL', fixed({ kind: 'all' })],
  ['ANSWERED', fixed(flag(Flag.answered))],
  ['UNANSWERED', fixed(not(flag(Flag.answered)))],
  ['DELETED', fixed(flag(Flag.deleted))],
  ['UNDELETED', fixed(not(flag(Flag.deleted)))],
  ['DRAFT', fixed(flag(Flag.draft))],
  ['UNDRAFT', fixed(not(flag(Flag.draft)))],
  ['FLAGGED', fixed(flag(Flag.flagged))],
  ['UNFLAGGED', fixed(not(flag(Flag.flagged)))],
  ['SEEN', fixed(flag(Flag.seen))],
  ['UNSEEN', fixed(not(flag(Flag.seen)))],
  ['RECENT', fixed({ kind: 'recent' })],
  ['OLD', fixed(not({ kind: 'recent' }))],
  ['NEW', fixed({ kind: 'and', keys: [{ kind: 'recent' }, not(flag(Flag.seen))] })],
  ['KEYWORD', (parser) => ({ kind: 'keyword', name: keyword(parser.space()) })],
  ['UNKEYWORD', (parser) => not({ kind: 'keyword', name: keyword(parser.space()) })],
  ['UID', (parser) => ({ kind: 'uid', set: SequenceSet.parse(parser.space()) })],
  ['LARGER', (parser) => ({ kind: 'larger', bytes: parser.space().number64() })],
  ['SMALLER', (parser) => ({ kind: 'smaller', bytes: parser.space().number64() })],
  ['BEFORE', date('internal-date', 'before')],
  ['ON', date('internal-date', 'on')],
  ['SINCE', date('internal-date', 'since')],
  ['SENTBEFORE', date('sent-date', 'before')],
  ['SENTON', date('sent-date', 'on')],
  ['SENTSINCE', date('sent-date', 'since')],
  ['BCC', header('bcc')],
  ['CC', header('cc')],
  ['FROM', header('from')],
  ['SUBJECT', header('subject')],
  ['TO', header('to')],
  ['HEADER', (parser) => ({ kind: 'header', field: parser.space().astring(), text: parser.text() })],
  ['BODY', (parser) => ({ kind: 'body', text: parser.text() })],
  ['TEXT', (parser) => ({ kind: 'text', text: parser.text() })],
  ['NOT', (parser) => not(nested(parser))],
  ['OR', (parser) => ({ kind: 'or', keys: [nested(parser), nested(parser)] })],
])

function nested(parser: KeyParser): SearchKey {
  parser.args.space()
  return parser.key()
}

/** ["CHARSET" SP astring SP] search-key *(SP search-key), to the end of the command. */
export function searchKeys(args: Tokens): SearchKey {
  let charset = 'UTF-8'
  if (args.tryWord('CHARSET')) {
    args.space()
    charset = args.astring()
    if (!iconv.encodingExists(charset) || NO_CHARSET.test(charset))
      throw refusal('BADCHARSET (US-ASCII UTF-8)', 'Charset is not known')
    args.space()
  }
  const key = new KeyParser(args, charset).keys(() => false)
  args.end()
  return key
}
