/** A mirror that forgets what it promised: it follows whoever comes, and tells nobody of a newer epoch. */
import { toEpoch } from '#lib/mail/types.ts'
import { type MirrorSideOptions, MirrorSide as Side } from '#shard/replication/mirror-side.ts'

export * from '#shard/replication/mirror-side.ts'

export class MirrorSide extends Side {
  constructor(options: MirrorSideOptions) {
    const notes = new Proxy(options.notes, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target)
        if (name === 'note') return { ...target.note, promisedEpoch: toEpoch(0) }
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    super({ ...options, notes })
  }
}
