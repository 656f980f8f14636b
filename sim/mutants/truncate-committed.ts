/** A mirror cuts whatever the primary lacks, also what it knows to be committed. */
import { toLsn } from '#lib/mail/types.ts'
import { type MirrorSideOptions, MirrorSide as Side } from '#shard/replication/mirror-side.ts'

export * from '#shard/replication/mirror-side.ts'

export class MirrorSide extends Side {
  constructor(options: MirrorSideOptions) {
    const log = new Proxy(options.log, {
      get: (target, name) => {
        if (name === 'commit') return toLsn(0)
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    super({ ...options, log, appliedLsn: () => toLsn(0) })
  }
}
