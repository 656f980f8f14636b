import { randomBytes, randomInt } from 'node:crypto'
import type { Random } from '#lib/ports/random.ts'

const POOL_BYTES = 4096
let pool = randomBytes(POOL_BYTES)
let used = 0

/** Chance from the operating system, drawn in blocks: an id costs no system call of its own. */
export const nodeRandom: Random = {
  bytes(length) {
    if (length > POOL_BYTES / 4) return randomBytes(length)
    if (used + length > pool.length) {
      pool = randomBytes(POOL_BYTES)
      used = 0
    }
    const bytes = pool.subarray(used, used + length)
    used += length
    return bytes
  },
  fraction: () => randomInt(0x1_0000_0000) / 0x1_0000_0000,
}
