/**
 * The signs of a letter: words of subject and text, who writes, where links lead. Pure. Words are runs of letters and digits; Chinese,
 * Japanese and Korean are cut into pairs of characters, which need no dictionary; scripts that write words without spaces (Thai, Lao,
 * Khmer, Burmese) are cut by Intl.Segmenter. Intl.Segmenter for everything would be more exact and costs thirty times as much.
 *
 * Invariant: at most `TOKENS_MAX` signs, each once, whatever the letter holds.
 */
import { type HtmlView, htmlView } from '#lib/filter/html-view.ts'

export interface LetterView {
  readonly subject: string
  /** Authors' addresses, in lower case. */
  readonly authors: readonly string[]
  readonly texts: readonly { readonly subtype: string; readonly text: string }[]
}

export const TOKENS_MAX = 2_000
/** Of all texts together: what sells stands at the beginning. */
const TEXT_CHARACTERS_MAX = 16 * 1024
const WORD_LENGTH_MAX = 24

const WORDS = /[\p{L}\p{N}][\p{L}\p{N}\p{M}'’_-]*/gu
const HAN = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u
const HAN_RUN = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]+/gu
const SPACELESS = /[\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u
const ASCII_ONLY = /^[\x00-\x7f]*$/
const ASCII_WORDS = /[a-z0-9][a-z0-9'_-]*/g
const HOST = /^https?:\/\/(?:[^/@?#]*@)?([^/:?#]{1,253})/i
const PLAIN_LINK = /https?:\/\/[^\s<>"')\]]{1,300}/gi

let segmenter: Intl.Segmenter | null = null

export function tokensOf({ subject, authors, texts }: LetterView): ReadonlySet<string> {
  const tokens = new Set<string>()
  for (const address of authors) {
    tokens.add(`from:${address}`)
    tokens.add(`from:${address.slice(address.lastIndexOf('@') + 1)}`)
  }
  addWords(tokens, subject, 's:')
  let left = TEXT_CHARACTERS_MAX
  for (const { subtype, text } of texts) {
    if (left <= 0 || tokens.size >= TOKENS_MAX) break
    if (subtype === 'html') {
      const view = htmlView(text.slice(0, left * 4))
      addHtml(tokens, view)
      addWords(tokens, view.text.slice(0, left), '')
      left -= view.text.length
    } else {
      const piece = text.slice(0, left)
      for (const link of piece.match(PLAIN_LINK) ?? []) addLink(tokens, link)
      addWords(tokens, piece, '')
      left -= piece.length
    }
  }
  return tokens
}

function addHtml(tokens: Set<string>, { links, pictures, forms }: HtmlView): void {
  for (const { href } of links) addLink(tokens, href)
  if (forms.length > 0) tokens.add('html:form')
  if (pictures > 0) tokens.add(`html:pictures${Math.min(3, Math.ceil(pictures / 3))}`)
}

function addLink(tokens: Set<string>, href: string): void {
  const host = HOST.exec(href)?.[1]?.toLowerCase()
  if (host === undefined || tokens.size >= TOKENS_MAX) return
  const labels = host.split('.')
  tokens.add(`url:${host}`)
  tokens.add(`url:${labels.slice(-2).join('.')}`)
  tokens.add(`tld:${labels.at(-1)}`)
}

function addWords(tokens: Set<string>, text: string, mark: string): void {
  // Line by line: most lines of most letters are ASCII, and cost a fifth of others.
  for (const line of text.split('\n')) addLine(tokens, line, mark)
}

function addLine(tokens: Set<string>, text: string, mark: string): void {
  const ascii = ASCII_ONLY.test(text)
  const lower = ascii ? text.toLowerCase() : text.normalize('NFKC').toLowerCase()
  for (const word of lower.match(ascii ? ASCII_WORDS : WORDS) ?? []) {
    if (tokens.size >= TOKENS_MAX) return
    if (!ascii && HAN.test(word)) addPairs(tokens, word, mark)
    else if (!ascii && SPACELESS.test(word)) addSegments(tokens, word, mark)
    else if (word.length > 1) tokens.add(mark + word.slice(0, WORD_LENGTH_MAX))
  }
}

function addPairs(tokens: Set<string>, word: string, mark: string): void {
  for (const run of word.match(HAN_RUN) ?? []) {
    const characters = [...run]
    if (characters.length === 1) tokens.add(mark + run)
    for (let i = 1; i < characters.length && tokens.size < TOKENS_MAX; i++) {
      tokens.add(`${mark}${characters[i - 1]}${characters[i]}`)
    }
  }
  const rest = word.replace(HAN_RUN, ' ').trim()
  if (rest.length > 1) tokens.add(mark + rest.slice(0, WORD_LENGTH_MAX))
}

function addSegments(tokens: Set<string>, word: string, mark: string): void {
  segmenter ??= new Intl.Segmenter('th', { granularity: 'word' })
  for (const { segment, isWordLike } of segmenter.segment(word)) {
    if (tokens.size >= TOKENS_MAX) return
    if (isWordLike === true) tokens.add(mark + segment.slice(0, WORD_LENGTH_MAX))
  }
}
