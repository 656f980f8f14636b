/** Counts what a run met: a fault that never happened proves nothing, so a row of zero fails the run. */
export type CoverageCount = readonly [row: string, count: number]

export class Coverage {
  readonly #counts = new Map<string, number>()

  constructor(rows: readonly string[] = []) {
    for (const row of rows) this.#counts.set(row, 0)
  }

  count(row: string, by = 1): void {
    this.#counts.set(row, (this.#counts.get(row) ?? 0) + by)
  }

  get counts(): readonly CoverageCount[] {
    return [...this.#counts]
  }

  add({ counts }: { readonly counts: readonly CoverageCount[] }): void {
    for (const [row, count] of counts) this.count(row, count)
  }

  get zeroRows(): string[] {
    return [...this.#counts].filter(([, count]) => count === 0).map(([row]) => row)
  }

  table(): string {
    const width = Math.max(...[...this.#counts.keys()].map((row) => row.length))
    return [...this.#counts].map(([row, count]) => `  ${row.padEnd(width)}  ${count}`).join('\n')
  }
}
