/** What the streams of this process are served from at this moment. Replaced as a whole when the role changes. */
import type { Refusal } from '#lib/frames/shard-protocol.ts'
import type { ShardName } from '#lib/mail/types.ts'
import type { MailStore } from '../mailbox/mod.ts'

export type Serving =
  | { readonly kind: 'primary'; readonly store: MailStore }
  /** Starting, standing by, stopping: every request is answered with this. */
  | { readonly kind: 'refusing'; readonly refusal: Refusal }

export interface ShardStatus {
  readonly shard: ShardName
  readonly member: number
  readonly pod: string
  readonly pid: number
  readonly role: 'starting' | 'primary' | 'standby' | 'stopped' | 'failed'
  /** In words: what this replica is doing and why. */
  readonly phase: string
  readonly epoch: number
  readonly primary: number | null
  readonly inSync: readonly number[]
  readonly lastLsn: number
  readonly durableLsn: number
  readonly appliedLsn: number
  readonly sessions: number
  readonly accounts: number
  readonly pending: number
  readonly freeBytes: number
  readonly totalBytes: number
  readonly logBytes: number
}

export interface Served {
  readonly shard: ShardName
  serving(): Serving
  status(): Promise<ShardStatus>
}
