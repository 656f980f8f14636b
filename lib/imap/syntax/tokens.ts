/**
 * Reads the arguments of one command left to right (RFC 9051 section 9). Each method takes exactly one element of the grammar or throws
 * `ImapSyntaxError`; the `try` methods take it if it is there. Strings come as code units 0..255, one per byte: whether
 * they are UTF-8 is for the caller to say.
 */
import { type ModSeq, toModSeq } from '#lib/mail/types.ts'
import { NESTING_MAX } from '../limits.ts'
import type { CommandPart, Literal } from './command-reader.ts'
import { type ImapSyntaxError, syntaxError } from './syntax-error.ts'

const ATOM = /[^\x00-\x20(){%*"\\\]\x7f-\xff]+/y
const ASTRING_CHARS = /[^\x00-\x20(){%*"\\\x7f-\xff]+/y
const LIST_CHARS = /[^\x00-\x20(){"\\\x7f-\xff]+/y
const NAME = /[A-Za-z][A-Za-z0-9.-]*/y
const BASE64 = /=|[A-Za-z0-9+/]+={0,2}/y
const DIGITS = /\d+/y
const SEQUENCE = /[\d:*,]+|\$/y
const FLAG = /\\?[^\x00-\x20(){%*"\\\]\x7f-\xff]+/y
// Quoted specials are escaped; CR and LF cannot occur in a line (RFC 9051 section 4.3).
const QUOTED = /"((?:[^"\\]|\\["\\])*)"/y

const MODSEQ_MAX = Number.MAX_SAFE_INTEGER

export class Tokens {
  readonly #parts: readonly CommandPart[]
  #part = 0
  #at = 0
  #depth = 0

  /** Mailbox names are UTF-8 on the wire, not modified UTF-7 (RFC 6855 section 3, RFC 9051 section 5.1). */
  readonly utf8: boolean

  constructor(parts: readonly CommandPart[], utf8 = false) {
    this.#parts = parts
    this.utf8 = utf8
  }

  /** The text of the current part; empty when a literal is next or everything was taken. */
  get #text(): string {
    const part = this.#parts[this.#part]
    return typeof part === 'string' ? part : ''
  }

  error(expected: string): ImapSyntaxError {
    const seen = this.#text.slice(this.#at, this.#at + 20).replace(/[^\x20-\x7e]+/g, '?')
    return syntaxError(seen === '' ? `Expected ${expected} at the end` : `Expected ${expected} at "${seen}"`)
  }

  /** The next character without taking it; '' at the end of the text. */
  peek(): string {
    return this.#text.charAt(this.#at)
  }

  atEnd(): boolean {
    return (
      this.#part >= this.#parts.length - 1 &&
      this.#at === this.#text.length &&
      typeof this.#parts[this.#part] !== 'object'
    )
  }

  /** @throws {ImapSyntaxError} if anything is left. */
  end(): void {
    if (!this.atEnd()) throw this.error('the end of the command')
  }

  space(): void {
    if (!this.trySpace()) throw this.error('a space')
  }

  trySpace(): boolean {
    return this.tryChar(' ')
  }

  tryChar(char: string): boolean {
    if (this.#text.charAt(this.#at) !== char) return false
    this.#at++
    return true
  }

  /** Takes `text` (in upper case) if it stands here, in any case. */
  tryText(text: string): boolean {
    if (!this.startsWith(text)) return false
    this.#at += text.length
    return true
  }

  /** Whether `text` (in upper case) stands here, in any case; nothing is taken. */
  startsWith(text: string): boolean {
    return this.#text.slice(this.#at, this.#at + text.length).toUpperCase() === text
  }

  char(char: string): void {
    if (!this.tryChar(char)) throw this.error(`"${char}"`)
  }

  open(): void {
    if (!this.tryOpen()) throw this.error('"("')
  }

  tryOpen(): boolean {
    if (!this.tryChar('(')) return false
    if (++this.#depth > NESTING_MAX) throw syntaxError(`Parentheses are nested deeper than ${NESTING_MAX}`)
    return true
  }

  tryClose(): boolean {
    if (!this.tryChar(')')) return false
    this.#depth--
    return true
  }

  /** "(" item *(SP item) ")", or "()" where `empty` allows it. */
  list<T>(item: () => T, empty = false): T[] {
    this.open()
    const items: T[] = []
    if (empty && this.tryClose()) return items
    do items.push(item())
    while (this.trySpace())
    if (!this.tryClose()) throw this.error('")"')
    return items
  }

  atom(): string {
    return this.#match(ATOM, 'an atom')
  }

  /** An atom in upper case: names of items and keys are compared without case. */
  word(): string {
    return this.atom().toUpperCase()
  }

  /** A name of an item in upper case: it ends before "[", "<" and the like. */
  name(): string {
    return this.#match(NAME, 'a name').toUpperCase()
  }

  /** An atom if one stands here, in upper case, without taking it; '' otherwise. */
  peekWord(): string {
    ATOM.lastIndex = this.#at
    return ATOM.exec(this.#text)?.[0].toUpperCase() ?? ''
  }

  /** Takes `word` if it is the whole next atom, in any case. */
  tryWord(word: string): boolean {
    if (this.peekWord() !== word) return false
    this.#at += word.length
    return true
  }

  nil(): void {
    if (!this.tryWord('NIL')) throw this.error('NIL')
  }

  /** A flag or keyword with its backslash, if any. */
  flag(): string {
    return this.#match(FLAG, 'a flag')
  }

  base64(): string {
    return this.#match(BASE64, 'base64')
  }

  /** number: 0..4294967295 (RFC 9051 section 9; rev2's number64 is `number64()`). */
  number(): number {
    return this.#number(0xffff_ffff)
  }

  /** number64: below 2^53 here, which is 9 PB. */
  number64(): number {
    return this.#number(Number.MAX_SAFE_INTEGER)
  }

  /**
   * mod-sequence-valzer (RFC 7162 section 7): up to 2^63-1. Ours stay below 2^53, so what is above that compares as the largest.
   */
  modSeq(): ModSeq {
    const digits = this.#match(DIGITS, 'a MODSEQ')
    if (digits.length > 19) throw syntaxError(`MODSEQ ${digits.slice(0, 24)} is too large`)
    return toModSeq(Math.min(Number(digits), MODSEQ_MAX))
  }

  /** nz-number. */
  positive(): number {
    const value = this.number()
    if (value === 0) throw syntaxError('A number must not be 0')
    return value
  }

  sequenceText(): string {
    return this.#match(SEQUENCE, 'a sequence set')
  }

  /** astring: atom characters and "]", quoted, or literal. */
  astring(): string {
    return this.#string() ?? this.#match(ASTRING_CHARS, 'a string')
  }

  /** list-mailbox: as astring, with wildcards. */
  listMailbox(): string {
    return this.#string() ?? this.#match(LIST_CHARS, 'a mailbox pattern')
  }

  string(): string {
    const value = this.#string()
    if (value === null) throw this.error('a quoted string or literal')
    return value
  }

  nstring(): string | null {
    const value = this.#string()
    if (value === null) this.nil()
    return value
  }

  /** value of RFC 5464: nstring or literal8, as bytes. */
  bytesOrNil(): Buffer | null {
    const next = this.#parts[this.#part + 1]
    if (this.#at === this.#text.length && typeof next === 'object') return Buffer.concat(this.literal().pieces)
    const value = this.nstring()
    return value === null ? null : Buffer.from(value, 'latin1')
  }

  /** A literal in the pieces in which it came, for APPEND. */
  literal(): Literal {
    if (this.#at === this.#text.length && typeof this.#parts[this.#part] === 'string') this.#nextPart()
    const part = this.#parts[this.#part]
    if (part === undefined || typeof part === 'string') throw this.error('a literal')
    this.#nextPart()
    return part
  }

  /** A quoted string or a literal; null if neither stands here. */
  #string(): string | null {
    if (this.peek() === '"') return this.#quoted()
    const next = this.#parts[this.#part + 1]
    if (this.#at !== this.#text.length || next === undefined || typeof next === 'string') return null
    const { pieces, binary } = this.literal()
    if (binary) throw syntaxError('literal8 is not allowed here')
    const text = pieces.map((piece) => piece.toString('latin1')).join('')
    // RFC 9051 section 9: literals hold CHAR8, which has no NUL.
    if (text.includes('\0')) throw syntaxError('NUL in a literal')
    return text
  }

  #quoted(): string {
    QUOTED.lastIndex = this.#at
    const match = QUOTED.exec(this.#text)
    if (match === null) throw this.error('a complete quoted string')
    this.#at += match[0].length
    const inner = match[1] ?? ''
    return inner.includes('\\') ? inner.replace(/\\(["\\])/g, '$1') : inner
  }

  #number(max: number): number {
    const digits = this.#match(DIGITS, 'a number')
    const value = digits.length > 16 ? Number.POSITIVE_INFINITY : Number(digits)
    if (value > max) throw syntaxError(`Number ${digits.slice(0, 24)} is larger than ${max}`)
    return value
  }

  #match(pattern: RegExp, expected: string): string {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (match === null) throw this.error(expected)
    this.#at += match[0].length
    return match[0]
  }

  #nextPart(): void {
    this.#part++
    this.#at = 0
  }
}
