/** The locks of one volume: each is held by one process life until it is given back or that life ends. */
import { ReplicaError } from '#shard/log/errors.ts'
import type { HeldLock, ReplicaLock } from '#shard/log/lock.ts'
import type { Life } from '../world.ts'

export class SimLocks {
  readonly #holders = new Map<string, Life>()

  /** As `life` sees them. */
  for(life: Life): ReplicaLock {
    return {
      take: async (path): Promise<HeldLock> => {
        const holder = this.#holders.get(path)
        if (holder?.alive) throw new ReplicaError('REPLICA_LOCKED', `Cannot take ${path}: another process holds it`)
        this.#holders.set(path, life)
        return {
          release: async () => {
            if (this.#holders.get(path) === life) this.#holders.delete(path)
          },
        }
      },
    }
  }
}
