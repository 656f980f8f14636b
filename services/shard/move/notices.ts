/** What a move tells the log of the process. */
import type { AccountId, ShardName } from '#lib/mail/types.ts'

export type MoveNotice =
  | { readonly kind: 'arrives'; readonly account: AccountId; readonly from: ShardName; readonly move: string }
  | { readonly kind: 'owned'; readonly account: AccountId; readonly generation: number; readonly move: string }
  | { readonly kind: 'dropped'; readonly account: AccountId; readonly move: string }
  | { readonly kind: 'leaves'; readonly account: AccountId; readonly to: ShardName; readonly move: string }
  | { readonly kind: 'freeze-in-vain'; readonly account: AccountId; readonly ms: number; readonly why: string }
  | {
      readonly kind: 'moved'
      readonly account: AccountId
      readonly to: ShardName
      readonly move: string
      readonly lockedMs: number
    }
  | {
      readonly kind: 'over'
      readonly account: AccountId
      readonly move: string
      readonly phase: string
      readonly freezeMs: number | null
      readonly messages: number
      readonly bytes: number
      readonly reason: string
    }
  | { readonly kind: 'waits'; readonly account: AccountId; readonly move: string; readonly why: string }
