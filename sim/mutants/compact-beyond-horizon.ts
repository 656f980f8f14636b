/** Compaction looks at everything that is durable here, whether it is committed or not, and waits for nobody. */
import { Upkeep as Careful, type UpkeepOptions } from '#shard/upkeep/upkeep.ts'

export * from '#shard/upkeep/upkeep.ts'

export class Upkeep extends Careful {
  constructor(options: UpkeepOptions) {
    const { log } = options
    const index = new Proxy(options.index, {
      get: (target, name) => {
        if (name === 'appliedLsn') return log.durableLsn
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const surroundings = () => ({
      ...options.surroundings(),
      commit: log.durableLsn,
      indexLsn: log.durableLsn,
      followers: [],
    })
    super({ ...options, index, surroundings })
  }
}
