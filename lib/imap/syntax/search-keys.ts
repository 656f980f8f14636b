/**
 * The keys of SEARCH (RFC 3501 section 6.4.4), as a table: an extension adds a line. With those of WITHIN (RFC 5032), CONDSTORE
 * (RFC 7162 section 3.1.5), OBJECTID (RFC 8474 section 6), SAVEDATE (RFC 8514 section 4.4) and FUZZY (RFC 6203).
 */
import iconv from 'iconv-lite'
import { Flag } from '#lib/mail/flags.ts'
import { NESTING_MAX, SEARCH_KEYS_MAX } from '../limits.ts'
import { type Day, dateArgument } from './dates.ts'
import { keyword } from './flags.ts'
import { type FuzzyWord, fuzzy } from './fuzzy-key.ts'
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
  | { readonly kind: 'internal-date' | 'sent-date' | 'save-date'; readonly relation: DateRelation; readonly day: Day }
  /** Arrived at least (`older`) or less than (`younger`) so many seconds ago. */
  | { readonly kind: 'older' | 'younger'; readonly seconds: number }
  /** Changed at or after this MODSEQ. */
  | { readonly kind: 'mod-seq'; readonly modSeq: number }
  | { readonly kind: 'email-id' | 'thread-id'; readonly id: string }
  /** `text` as typed; empty: the field is there. */
  | { readonly kind: 'header'; readonly field: string; readonly text: string }
  | { readonly kind: 'body' | 'text'; readonly text: string }
  /** RFC 6203: the text, or some of its words; without words, as `exact`. */
  | { readonly kind: 'fuzzy'; readonly exact: SearchKey; readonly words: readonly FuzzyWord[] }

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
    if (/[\d*$]/.test(args.peek())) return { kind: 'sequence', set: SequenceSet.parse(args) }
    const name = args.word()
    const parse = KEYS.get(name)
    if (parse === undefined) throw syntaxError(`Unknown search key ${name}`)
    return parse(this)
  }

  /** `key` as FUZZY takes it. Its words cost as much as keys. */
  fuzzy(key: SearchKey): SearchKey {
    const loose = fuzzy(key)
    someKey(loose, (part) => {
      if (part.kind === 'fuzzy') this.#count += 2 * part.words.length
      return false
    })
    return isFuzzy(loose) ? loose : { kind: 'fuzzy', exact: key, words: [] }
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
  (kind: 'internal-date' | 'sent-date' | 'save-date', relation: DateRelation): KeyRule =>
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
  ['SAVEDBEFORE', date('save-date', 'before')],
  ['SAVEDON', date('save-date', 'on')],
  ['SAVEDSINCE', date('save-date', 'since')],
  ['SAVEDATESUPPORTED', fixed({ kind: 'all' })],
  ['OLDER', (parser) => ({ kind: 'older', seconds: parser.space().positive() })],
  ['YOUNGER', (parser) => ({ kind: 'younger', seconds: parser.space().positive() })],
  ['MODSEQ', modSeq],
  ['THREADID', (parser) => ({ kind: 'thread-id', id: parser.space().astring() })],
  ['EMAILID', (parser) => ({ kind: 'email-id', id: parser.space().astring() })],
  ['BCC', header('bcc')],
  ['CC', header('cc')],
  ['FROM', header('from')],
  ['SUBJECT', header('subject')],
  ['TO', header('to')],
  ['HEADER', (parser) => ({ kind: 'header', field: parser.space().astring(), text: parser.text() })],
  ['BODY', (parser) => ({ kind: 'body', text: parser.text() })],
  ['TEXT', (parser) => ({ kind: 'text', text: parser.text() })],
  ['FUZZY', (parser) => parser.fuzzy(nested(parser))],
  ['NOT', (parser) => not(nested(parser))],
  ['OR', (parser) => ({ kind: 'or', keys: [nested(parser), nested(parser)] })],
])

function nested(parser: KeyParser): SearchKey {
  parser.args.space()
  return parser.key()
}

/** [entry-name SP entry-type SP] number: MODSEQs are kept per message here, so which flag is asked for makes no difference. */
function modSeq(parser: KeyParser): SearchKey {
  const args = parser.space()
  if (args.peek() === '"') {
    if (!/^\/flags\/./.test(args.string())) throw syntaxError('Entry name must begin with /flags/')
    args.space()
    const type = args.word()
    if (type !== 'PRIV' && type !== 'SHARED' && type !== 'ALL') throw syntaxError(`Unknown entry type ${type}`)
    args.space()
  }
  return { kind: 'mod-seq', modSeq: args.number64() }
}

/** What a searching command looks for. */
export interface SearchProgram {
  readonly key: SearchKey
  /** The charset was named, which RFC 6855 section 3 forbids once UTF8=ACCEPT is on. */
  readonly charsetNamed: boolean
}

/** ["CHARSET" SP charset SP] search-key *(SP search-key), to the end of the command. */
export function searchProgram(args: Tokens): SearchProgram {
  const charsetNamed = args.tryWord('CHARSET')
  if (charsetNamed) args.space()
  return { key: charsetNamed ? keysIn(args) : keys(args, 'UTF-8'), charsetNamed }
}

/** charset SP search-key *(SP search-key), to the end of the command: SORT and THREAD always name it (RFC 5256 section 5). */
export function keysIn(args: Tokens): SearchKey {
  const charset = args.astring()
  if (!iconv.encodingExists(charset) || NO_CHARSET.test(charset)) {
    throw refusal('BADCHARSET (US-ASCII UTF-8)', 'Charset is not known')
  }
  args.space()
  return keys(args, charset)
}

function keys(args: Tokens, charset: string): SearchKey {
  const key = new KeyParser(args, charset).keys(() => false)
  args.end()
  return key
}

/** MODSEQ is among the keys: the client knows of it, and the answer names the highest (RFC 7162 section 3.1.5). */
export function asksForModSeq(key: SearchKey): boolean {
  return someKey(key, ({ kind }) => kind === 'mod-seq')
}

/** RFC 6203 section 4: without FUZZY every match is as good as another. */
export function relevancyAlone(): Error {
  return syntaxError('RELEVANCY needs FUZZY')
}

/** A key says how well a letter matches (RFC 6203). */
export function isFuzzy(key: SearchKey): boolean {
  return someKey(key, ({ kind }) => kind === 'fuzzy')
}

/** Whether `test` holds for any key, however deep. */
export function someKey(key: SearchKey, test: (key: SearchKey) => boolean): boolean {
  if (test(key)) return true
  if (key.kind === 'and' || key.kind === 'or') return key.keys.some((part) => someKey(part, test))
  if (key.kind === 'fuzzy') return someKey(key.exact, test)
  return key.kind === 'not' && someKey(key.key, test)
}
