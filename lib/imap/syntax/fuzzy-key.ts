/**
 * FUZZY (RFC 6203 section 3): a text key that also matches letters with some of its words, or with a word of the same beginning. Which words
 * those are is decided here, so that a search by them is one like others; keys that are no texts stay as they are.
 */
import type { SearchKey } from './search-keys.ts'

/** A key that looks for a text. */
export type TextKey = Extract<SearchKey, { readonly text: string }>

export interface FuzzyWord {
  readonly word: TextKey
  /** The beginning of the word: what all its forms have. */
  readonly loose: TextKey
}

/** Of one key: the cost for each letter grows with them. */
const WORDS_MAX = 8
/** A beginning shorter than this is in everything. */
const LOOSE_CHARS_MIN = 4
/** What inflection takes off or puts on, mostly. */
const ENDING_CHARS = 2

/** Scripts that write words without spaces: two characters are a word. */
const UNSPACED = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}]+$/u
const WORD =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}]+|[\p{L}\p{N}\p{M}]+/gu

export function fuzzy(key: SearchKey): SearchKey {
  switch (key.kind) {
    case 'and':
    case 'or':
      return { kind: key.kind, keys: key.keys.map(fuzzy) }
    case 'header':
    case 'body':
    case 'text':
      return fuzzyText(key)
    default:
      return key
  }
}

function fuzzyText(key: TextKey): SearchKey {
  const words = wordsOf(key.text)
  if (words.length === 0) return key
  return {
    kind: 'fuzzy',
    exact: key,
    words: words.map((word) => ({ word: { ...key, text: word }, loose: { ...key, text: beginningOf(word) } })),
  }
}

function wordsOf(text: string): string[] {
  const words = [...text.matchAll(WORD)].flatMap(([run]) => (UNSPACED.test(run) ? pairsOf([...run]) : [run]))
  return [...new Set(words)].slice(0, WORDS_MAX)
}

function pairsOf(chars: readonly string[]): string[] {
  if (chars.length < 3) return [chars.join('')]
  return chars.slice(1).map((char, i) => `${chars[i]}${char}`)
}

function beginningOf(word: string): string {
  const chars = [...word]
  if (chars.length <= LOOSE_CHARS_MIN) return word
  return chars.slice(0, Math.max(LOOSE_CHARS_MIN, chars.length - ENDING_CHARS)).join('')
}
