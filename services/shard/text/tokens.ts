/**
 * What the text index knows of a text: tokens that tell which letters cannot hold a text, for searches by any part of a text (RFC 9051
 * section 6.4.4). A question yields conditions that every letter with that text fulfils; whoever fulfils them is looked at.
 *
 * Words are cut out as runs of letters and digits. Scripts without spaces between words (Chinese, Japanese, Thai) become pairs of
 * neighbours, and the last character of a run one of its own: words of one and of two characters are found. A token is ASCII: other
 * characters are spelled by their code, one by one, so that what begins another word begins its token too.
 */

/** Letters of scripts that put no space between words; with the sound marks of kana, which folding takes apart. */
const DENSE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Bopomofo}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tibetan}\u3099\u309a]/u
const RUNS = new RegExp(`${DENSE.source}+|(?:(?!${DENSE.source})[\\p{L}\\p{N}\\p{M}])+`, 'gu')

/** Units of a token. Longer runs (addresses of pages, base64) are cut into pieces that overlap by half. */
const PIECE_UNITS = 32
/** What lies in one piece for certain, wherever it begins. */
const INSIDE_UNITS = PIECE_UNITS / 2

interface Run {
  readonly text: string
  readonly dense: boolean
  readonly start: number
  readonly end: number
}

function* runsOf(text: string): Generator<Run> {
  for (const match of text.matchAll(RUNS)) {
    const [run] = match
    yield { text: run, dense: DENSE.test(run), start: match.index, end: match.index + run.length }
  }
}

/** One unit after the other: the spelling of a part of a text is a part of its spelling. */
function spelled(text: string): string {
  if (/^[A-Z0-9]*$/.test(text)) return text.toLowerCase()
  let spelling = ''
  for (let i = 0; i < text.length; i++) {
    const char = text[i] as string
    spelling += /[A-Z0-9]/.test(char) ? char.toLowerCase() : `q${text.charCodeAt(i).toString(16).padStart(4, '0')}`
  }
  return spelling
}

/** Gathers the tokens of a text that comes in pieces. */
export class TokenCollector {
  readonly tokens = new Set<string>()
  readonly #tokensMax: number
  /** The end of the text before, if it is within a run; folded. */
  #open = ''
  #complete = true

  constructor(tokensMax: number) {
    this.#tokensMax = tokensMax
  }

  /** False: there were too many, and not all are there. */
  get complete(): boolean {
    return this.#complete
  }

  /** @param text Folded. */
  push(text: string): void {
    if (!this.#complete) return
    const whole = this.#open + text
    this.#open = ''
    for (const run of runsOf(whole)) {
      if (run.end === whole.length)
        this.#open = run.dense ? this.#pairs(run.text, false) : this.#pieces(run.text, false)
      else if (run.dense) this.#pairs(run.text, true)
      else this.#pieces(run.text, true)
    }
  }

  /** What follows is another text. */
  cut(): void {
    for (const run of runsOf(this.#open)) {
      if (run.dense) this.#pairs(run.text, true)
      else this.#pieces(run.text, true)
    }
    this.#open = ''
  }

  /** @returns What is left open: the last character. */
  #pairs(run: string, closed: boolean): string {
    const chars = [...run]
    for (let i = 0; i + 1 < chars.length; i++) this.#add(`${chars[i]}${chars[i + 1]}`)
    const last = chars.at(-1) ?? ''
    if (closed) this.#add(last)
    return last
  }

  /** @returns What is left open: less than two pieces. */
  #pieces(run: string, closed: boolean): string {
    let at = 0
    for (; run.length - at > PIECE_UNITS; at += INSIDE_UNITS) this.#add(run.slice(at, at + PIECE_UNITS))
    const rest = run.slice(at)
    if (closed) this.#add(rest)
    return rest
  }

  #add(text: string): void {
    if (this.tokens.size < this.#tokensMax) this.tokens.add(spelled(text))
    else this.#complete = false
  }
}

/** What each letter with a certain text has. */
export interface TextConditions {
  /** Tokens that it has, all of them. */
  readonly exact: readonly string[]
  /** It has tokens that begin so, one for each. */
  readonly prefixes: readonly string[]
  /** Parts of tokens: asked for only if there is nothing else, since every word must be looked at for them. */
  readonly parts: readonly string[]
}

/** @param text Folded. @returns Null: the index cannot tell anything of this text. */
export function conditionsOf(text: string): TextConditions | null {
  const exact: string[] = []
  const prefixes: string[] = []
  const parts: string[] = []
  for (const run of runsOf(text)) {
    if (run.dense) {
      const chars = [...run.text]
      for (let i = 0; i + 1 < chars.length; i++) exact.push(spelled(`${chars[i]}${chars[i + 1]}`))
      // Alone it begins a pair, or stands at the end of a run.
      if (chars.length === 1) prefixes.push(spelled(run.text))
    } else if (run.start === 0) parts.push(spelled(run.text.slice(0, INSIDE_UNITS)))
    else if (run.text.length >= PIECE_UNITS || run.end < text.length)
      exact.push(spelled(run.text.slice(0, PIECE_UNITS)))
    else prefixes.push(spelled(run.text))
  }
  if (exact.length + prefixes.length + parts.length === 0) return null
  return { exact, prefixes, parts }
}
