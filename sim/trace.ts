/** What happened in a history, in order, for whoever must understand a failure. Kept cheap: words are made only when it is printed. */

export interface TraceLine {
  readonly atMs: number
  readonly who: string
  readonly what: string
  readonly facts: unknown
}

/** The last lines are kept; older ones explain little. */
const LINES_MAX = 20_000

export class Trace {
  #lines: TraceLine[] = []
  readonly #nowMs: () => number

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  add(who: string, what: string, facts: unknown = null): void {
    this.#lines.push({ atMs: this.#nowMs(), who, what, facts })
    if (this.#lines.length > LINES_MAX) this.#lines = this.#lines.slice(-LINES_MAX / 2)
  }

  /** @param count The last so many lines */
  text(count: number): string {
    return this.#lines
      .slice(-count)
      .map(({ atMs, who, what, facts }) => {
        const words = facts === null ? '' : typeof facts === 'string' ? facts : JSON.stringify(facts)
        return `${atMs.toFixed(1).padStart(9)} ${who.padEnd(6)} ${what} ${words}`
      })
      .join('\n')
  }
}
