/** Takes every damage for a torn tail, although a later header says that it was durable. */
import type { Walk } from '#shard/log/segment-walk.ts'
import { judgeTail as judge, type TailVerdict } from '#shard/log/tail.ts'

export * from '#shard/log/tail.ts'

export function judgeTail(walk: Walk): TailVerdict {
  return judge({ ...walk, syncedUpTo: 0 }, 0)
}
