/** How many small objects the header of one message may still become (limits.ts, ITEMS_MAX). */
import { ITEMS_MAX } from './limits.ts'

export class Budget {
  #left: number

  constructor(items = ITEMS_MAX) {
    this.#left = items
  }

  /** Takes one; false when nothing is left, and then the item is left out. */
  take(): boolean {
    if (this.#left === 0) return false
    this.#left--
    return true
  }
}
