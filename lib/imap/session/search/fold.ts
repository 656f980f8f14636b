/**
 * How SEARCH, SORT and THREAD compare texts: i;unicode-casemap (RFC 5051), which RFC 5255 section 4.3 (I18NLEVEL=1) asks for. Compatibility
 * forms are decomposed before case is taken away, not after: what the collation says is equal stays so, and `fi` finds the ligature.
 */

/** Two texts that fold to the same are the same for a search; the order of folded texts, by code points, is that of a sort. */
export function fold(text: string): string {
  if (/^[\x00-\x7f]*$/.test(text)) return text.toUpperCase()
  // Of decomposed characters only the sharp s has an upper case of two letters; the collation maps letters to letters.
  return text.normalize('NFKD').replace(/[^ß]+/g, (run) => run.toUpperCase())
}

/** By code points, as i;octet orders their UTF-8: JavaScript's own order puts what lies beyond the BMP before U+E000. */
export function compareFolded(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return codePointRank(x) - codePointRank(y)
  }
  return a.length - b.length
}

/** Surrogates stand for code points above all others. */
function codePointRank(unit: number): number {
  return (unit & 0xf800) === 0xd800 ? unit + 0x10000 : unit
}

/** Looks for several folded texts at once in a text that comes in pieces. */
export class TextFinder {
  readonly #wanted: Set<string>
  readonly #found = new Set<string>()
  readonly #overlap: number
  #tail = ''

  constructor(texts: Iterable<string>) {
    this.#wanted = new Set(texts)
    this.#overlap = Math.max(0, ...[...this.#wanted].map((text) => text.length - 1))
  }

  /** Nothing is left to look for. */
  get done(): boolean {
    return this.#wanted.size === 0
  }

  get found(): ReadonlySet<string> {
    return this.#found
  }

  push(text: string): void {
    if (text === '') return
    const window = this.#tail + fold(text)
    for (const wanted of this.#wanted) {
      if (!window.includes(wanted)) continue
      this.#wanted.delete(wanted)
      this.#found.add(wanted)
    }
    this.#tail = this.#overlap === 0 ? '' : window.slice(-this.#overlap)
  }

  /** What follows is another text: nothing matches across. */
  cut(): void {
    this.#tail = ''
  }
}
