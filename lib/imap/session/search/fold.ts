/** How SEARCH compares texts (RFC 9051 section 6.4.4: substring, without case). */

/** Case and compatibility forms taken away: two texts that fold to the same are the same for a search. */
export function fold(text: string): string {
  return /^[\x00-\x7f]*$/.test(text) ? text.toLowerCase() : text.normalize('NFKC').toLowerCase()
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
