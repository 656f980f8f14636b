/**
 * For each destination when the first of those who wait for it is due. Small (a row for each domain, not for each letter), made
 * from the index when a shard begins to serve, and kept by asking the index about what has changed.
 */
import type { DestinationRow } from '../index/queue-rows.ts'

export class Destinations {
  readonly #due = new Map<string, number>()

  constructor(rows: readonly Pick<DestinationRow, 'destination' | 'dueMs'>[]) {
    for (const { destination, dueMs } of rows) this.#due.set(destination, dueMs)
  }

  get size(): number {
    return this.#due.size
  }

  /** @param dueMs Null: nobody waits there any more. */
  set(destination: string, dueMs: number | null): void {
    if (dueMs === null) this.#due.delete(destination)
    else this.#due.set(destination, dueMs)
  }

  /** Those that are due and not in `busy`, the longest due first. */
  ready(nowMs: number, busy: ReadonlySet<string>, max: number): string[] {
    const ready: [string, number][] = []
    for (const one of this.#due) if (one[1] <= nowMs && !busy.has(one[0])) ready.push(one)
    ready.sort((a, b) => a[1] - b[1])
    return ready.slice(0, max).map(([destination]) => destination)
  }

  /** When the next one is due that is not in `busy`; null: none is. */
  nextDueMs(busy: ReadonlySet<string>): number | null {
    let next: number | null = null
    for (const [destination, dueMs] of this.#due) {
      if ((next === null || dueMs < next) && !busy.has(destination)) next = dueMs
    }
    return next
  }
}
