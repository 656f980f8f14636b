/** Keeps a torn tail and writes behind it. */

import type { Walk } from '#shard/log/segment-walk.ts'
import { judgeTail as judge, type TailVerdict } from '#shard/log/tail.ts'

export * from '#shard/log/tail.ts'

export function judgeTail(walk: Walk, knownUpTo: number): TailVerdict {
  return { ...judge(walk, knownUpTo), keepTo: walk.end, shortened: null, nextLsn: walk.nextLsn }
}
