/**
 * The lexical pieces of structured header fields (RFC 5322 section 3.2): comments, quoted strings, literals, words. Forgiving
 * and linear: an opening quote, parenthesis or bracket that is never closed is taken as an ordinary character, found out once.
 */

export type Token =
  /** A run of characters that are neither space nor special; an encoded word as a whole, whatever it contains. */
  | { readonly kind: 'word'; readonly text: string; readonly spaced: boolean }
  /** A quoted string without its quotes and escapes. */
  | { readonly kind: 'quoted'; readonly text: string; readonly spaced: boolean }
  /** `[...]` with its brackets. */
  | { readonly kind: 'literal'; readonly text: string; readonly spaced: boolean }
  /** A comment without its outer parentheses and escapes. */
  | { readonly kind: 'comment'; readonly text: string; readonly spaced: boolean }
  /** One of the lexer's special characters. */
  | { readonly kind: 'special'; readonly text: string; readonly spaced: boolean }

const SPACES = /[ \t\r\n]+/y
/** RFC 2047 section 2, but with the special characters that careless senders leave in the text. */
const ENCODED_WORD = /=\?[^?\s]+\?[bq]\?[^?\s]*\?=/iy

export class Lexer {
  readonly #text: string
  readonly #specials: string
  readonly #word: RegExp
  #at = 0
  /** Kinds of openings that were found without an end: from then on plain characters. */
  readonly #plain = new Set<string>()

  /** @param specials Characters that are tokens of their own, without `\\`, `^`, `]` and `-`. Space, quotes, parentheses and brackets are always known. */
  constructor(text: string, specials: string) {
    this.#text = text
    this.#specials = specials
    this.#word = wordPattern(specials)
  }

  /** The next token; null at the end. `spaced` says whether white space stands before it. */
  next(): Token | null {
    const before = this.#at
    this.#match(SPACES)
    const spaced = this.#at > before
    const char = this.#text[this.#at]
    if (char === undefined) return null
    if (char === '"') {
      const text = this.#enclosed('"', '"')
      if (text !== null) return { kind: 'quoted', text, spaced }
    } else if (char === '(') {
      const text = this.#enclosed('(', ')')
      if (text !== null) return { kind: 'comment', text, spaced }
    } else if (char === '[') {
      const text = this.#enclosed('[', ']')
      if (text !== null) return { kind: 'literal', text: `[${text}]`, spaced }
    }
    const encoded = char === '=' ? this.#match(ENCODED_WORD) : null
    if (encoded !== null) return { kind: 'word', text: encoded, spaced }
    const word = this.#match(this.#word)
    if (word !== null) return { kind: 'word', text: word, spaced }
    this.#at++
    return { kind: this.#specials.includes(char) ? 'special' : 'word', text: char, spaced }
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)
    if (found === null) return null
    this.#at = pattern.lastIndex
    return found[0]
  }

  /** The text between `open` (here) and its `close`, escapes undone; null, and nothing taken, if it is not closed. */
  #enclosed(open: string, close: string): string | null {
    if (this.#plain.has(open)) return null
    const stops = open === '(' ? /[\\()]/g : open === '"' ? /[\\"]/g : /[\\\]]/g
    stops.lastIndex = this.#at + 1
    const pieces: string[] = []
    let from = stops.lastIndex
    let depth = 1
    for (let found = stops.exec(this.#text); found !== null; found = stops.exec(this.#text)) {
      if (found[0] === '\\') {
        pieces.push(this.#text.slice(from, found.index))
        from = found.index + 1
        stops.lastIndex = found.index + 2
        continue
      }
      depth += found[0] === close ? -1 : 1
      if (depth > 0) continue
      pieces.push(this.#text.slice(from, found.index))
      this.#at = found.index + 1
      return pieces.join('')
    }
    this.#plain.add(open)
    return null
  }
}

const patterns = new Map<string, RegExp>()

function wordPattern(specials: string): RegExp {
  let pattern = patterns.get(specials)
  if (pattern === undefined) {
    pattern = new RegExp(`[^\\s"()\\[\\]${specials}]+`, 'y')
    patterns.set(specials, pattern)
  }
  return pattern
}

/** `text` without its comments. */
export function withoutComments(text: string): string {
  if (!text.includes('(')) return text
  const lexer = new Lexer(text, '')
  let rest = ''
  for (let token = lexer.next(); token !== null; token = lexer.next()) {
    if (token.kind === 'comment') continue
    rest += (token.spaced && rest !== '' ? ' ' : '') + token.text
  }
  return rest
}
