/** Where an account is that this shard does not serve. */
import type { AccountId, ShardName } from '#lib/mail/types.ts'
import type { ShardIndex } from '../index/port.ts'

export type Elsewhere =
  | { readonly kind: 'moved'; readonly target: ShardName }
  /** All of it is here, and the source may have decided: nobody serves it for a moment. */
  | { readonly kind: 'handed-over' }
  | { readonly kind: 'unknown' }

/** @param id Of an account that is neither active nor suspended here. */
export function elsewhere(index: Pick<ShardIndex, 'account' | 'moves'>, id: AccountId): Elsewhere {
  const row = index.account(id)
  if (row === null || row.home === null) return { kind: 'unknown' }
  // Until it is ready the source serves; after that only the source knows whether it still does.
  if (row.status === 'arriving' && index.moves.move(id)?.phase !== 'copying') return { kind: 'handed-over' }
  return { kind: 'moved', target: row.home }
}
