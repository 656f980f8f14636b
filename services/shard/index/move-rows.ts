/** What the index tells of moves, as rows. Names of columns: `schema.ts`. */
import type { Flags } from '#lib/mail/flags.ts'
import type { AccountId, Lsn, ModSeq, ShardName, Uid } from '#lib/mail/types.ts'
import type { BodyReference } from '../records/types.ts'

/**
 * `out`: `copying`, then `decided` or `cancelling`. `in`: `copying`, `ready`, and `sealed` if a recovery jump came over it when it was
 * ready: it can still become the account, and takes no more copies.
 */
export type MovePhase = 'copying' | 'decided' | 'cancelling' | 'ready' | 'sealed'

export interface MoveRow {
  readonly account: AccountId
  readonly direction: 'out' | 'in'
  readonly peer: ShardName
  /** That the account will have. */
  readonly generation: number
  /** Its name, the same on both sides. */
  readonly move: string
  readonly atMs: number
  readonly phase: MovePhase
  /** Of the source's log: what the target has. */
  readonly upTo: Lsn
  readonly reason: string
}

/** A message as it is copied. */
export interface CopyRow {
  readonly uid: Uid
  readonly modSeq: ModSeq
  readonly flags: Flags
  readonly internalDateMs: number
  readonly saveDateMs: number
  readonly emailId: string
  readonly headerBlock: Uint8Array
  readonly body: BodyReference
}

export interface GoneRow {
  readonly uid: Uid
  readonly modSeq: ModSeq
}

export interface DeliveryIdRow {
  readonly id: Uint8Array
  readonly uid: Uid
  readonly atMs: number
}
