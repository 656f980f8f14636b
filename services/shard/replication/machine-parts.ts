/** What the machine's duties (`primary-duty.ts`, `standby-duty.ts`) share with it: the parts that outlive a role, and what they ask of it. */
import type { LedgerAgent } from '../ledger/agent.ts'
import type { RoleTimes } from '../roles/times.ts'
import type { DiskWatch } from './disk-watch.ts'
import type { Handover } from './handover.ts'
import type { LedgerDesk } from './ledger-desk.ts'
import type { ReplicaMachineOptions } from './machine-types.ts'
import type { MirrorSide } from './mirror-side.ts'
import type { NoteKeeper } from './note-keeper.ts'

export interface MachineParts {
  readonly options: ReplicaMachineOptions
  readonly times: RoleTimes
  readonly agent: LedgerAgent
  readonly desk: LedgerDesk
  readonly disk: DiskWatch
  readonly notes: NoteKeeper
  readonly handover: Handover
  /** Null: the shard has one replica by design. */
  readonly mirror: MirrorSide | null
  /** Says in words what goes on, for status. */
  readonly say: (phase: string) => void
  /** Something changed: decide in a moment. */
  readonly poke: () => void
  /** Ends the role for good. */
  readonly stopFor: (code: string, phase: string) => void
}
