/** What a ReplicaMachine takes, tells and is asked; the machine itself is `machine.ts`. */
import type { Epoch, Lsn, ShardName } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { PeerNetwork } from '#lib/ports/network.ts'
import type { Random } from '#lib/ports/random.ts'
import type { SwapResult } from '../ledger/agent.ts'
import type { Ledger, LedgerEntry, LedgerReplica } from '../ledger/types.ts'
import type { CommitSource } from '../mailbox/commit-pipeline.ts'
import type { DurabilityPolicy } from '../roles/admission.ts'
import type { RoleTimes } from '../roles/times.ts'
import type { PeerNotice } from './mirror-side.ts'
import type { NoteStore, ReplicaLog } from './ports.ts'

export interface ReplicaMachineOptions {
  readonly shard: ShardName
  /** This replica in this process life. */
  readonly self: LedgerReplica
  /** The member that makes the first ledger entry of the shard. */
  readonly preferred: boolean
  /** Opened with `epoch: 'seen'`: the machine gives it an epoch when it becomes primary. */
  readonly log: ReplicaLog
  readonly notes: NoteStore
  readonly ledger: Ledger
  /** Null: the shard has one replica by design. */
  readonly network: PeerNetwork | null
  readonly clock: Clock
  readonly random: Random
  /** What the index has applied: that much is known to be committed. */
  readonly appliedLsn: () => Lsn
  readonly space: () => { readonly freeBytes: number; readonly totalBytes: number }
  readonly times?: RoleTimes
  readonly durability?: DurabilityPolicy
  readonly bulkBytesPerSecond?: number
  readonly onNotice?: (notice: MachineNotice) => void
  /** The process must end: the disk failed and the other member carries on, or a bug. */
  readonly onFailure: (error: Error) => void
}

export type MachineRole = 'starting' | 'mirror' | 'taking-up' | 'primary' | 'stepping-down' | 'failed' | 'stopped'

/** Told in order, synchronously. */
export type RoleEvent =
  /** Follow `commits` with the index; nothing else is served. */
  | { readonly role: 'mirror'; readonly commits: CommitSource; readonly commit: Lsn }
  /**
   * Bring the index up to `commit`, which covers the whole log up to the epoch's first record, then serve. `forced`: an administrator
   * made it primary although it was not in sync, and the epoch's second record is the jump of UIDNEXT and MODSEQ (rule 11).
   */
  | {
      readonly role: 'primary'
      readonly epoch: Epoch
      readonly commits: CommitSource
      readonly commit: Lsn
      readonly forced: boolean
    }
  /** Refuse everything that waits, close all sessions, throw the overlay away: now, in this call. */
  | { readonly role: 'stepping-down'; readonly phase: string }
  | { readonly role: 'failed'; readonly code: string; readonly phase: string }

export type MachineNotice =
  | PeerNotice
  | { readonly kind: 'swap'; readonly change: string; readonly result: SwapResult; readonly phase: string }
  | { readonly kind: 'role'; readonly role: MachineRole; readonly phase: string; readonly epoch: number }
  | { readonly kind: 'clock-jumped' }
  /** The end of the log was damaged, and nobody is there who could say whether what was cut behind `lsn` had been acknowledged. */
  | { readonly kind: 'end-in-doubt'; readonly lsn: Lsn }
  | { readonly kind: 'repaired' | 'not-repaired'; readonly lsn: Lsn; readonly why: string }

export interface MachineStatus {
  readonly role: MachineRole
  /** What is going on and why, in words. */
  readonly phase: string
  readonly epoch: number
  readonly entry: LedgerEntry | null
  readonly ledger: 'good' | 'away' | 'lost'
  readonly settled: boolean
  readonly lastLsn: Lsn
  readonly durableLsn: Lsn
  readonly commit: Lsn
  readonly fenced: boolean
  readonly mirror: {
    readonly id: string
    readonly phase: string
    readonly lagBytes: number
    readonly growing: boolean
    readonly damaged: boolean
    /** It would not serve as primary: fenced, or about to stop. */
    readonly standsBack: boolean
  } | null
}
