/**
 * The UIDs of a mailbox in memory, shared by all its sessions. Appended to in place (a view only looks at its first `exists`
 * entries), copied when something is expunged: views that were given out never change.
 */
import type { Uid } from '#lib/mail/types.ts'

export class UidMap {
  #uids: Uint32Array
  #exists: number

  constructor(uids: Uint32Array) {
    this.#uids = uids
    this.#exists = uids.length
  }

  get uids(): Uint32Array {
    return this.#uids
  }

  get exists(): number {
    return this.#exists
  }

  add(uid: Uid): void {
    if (this.#exists === this.#uids.length) {
      const grown = new Uint32Array(Math.max(16, Math.ceil(this.#exists * 1.25)))
      grown.set(this.#uids)
      this.#uids = grown
    }
    this.#uids[this.#exists++] = uid
  }

  /** @param gone Ascending. */
  remove(gone: readonly Uid[]): void {
    const kept = new Uint32Array(this.#exists)
    let length = 0
    let at = 0
    for (let i = 0; i < this.#exists; i++) {
      const uid = this.#uids[i] ?? 0
      while (at < gone.length && (gone[at] ?? 0) < uid) at++
      if (gone[at] !== uid) kept[length++] = uid
    }
    this.#uids = kept
    this.#exists = length
  }

  has(uid: Uid): boolean {
    const at = lowerBound(this.#uids, this.#exists, uid)
    return at < this.#exists && this.#uids[at] === uid
  }

  /** How many UIDs lie in first..last. */
  countBetween(first: number, last: number): number {
    return lowerBound(this.#uids, this.#exists, last + 1) - lowerBound(this.#uids, this.#exists, first)
  }
}

/** Index of the first entry that is >= `uid` among the first `length` ones. */
export function lowerBound(uids: Uint32Array, length: number, uid: number): number {
  let low = 0
  let high = length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((uids[middle] ?? 0) < uid) low = middle + 1
    else high = middle
  }
  return low
}
