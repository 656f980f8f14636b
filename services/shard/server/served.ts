/** What the streams of this process are served from at this moment. Replaced as a whole when the role changes. */
import type { RoleCommand, RoleResult } from '#lib/frames/role-command.ts'
import type { Refusal } from '#lib/frames/shard-protocol.ts'
import type { StatusReport } from '#lib/frames/status-report.ts'
import type { ShardName } from '#lib/mail/types.ts'
import type { MailStore } from '../mailbox/mod.ts'
import type { OperationKind } from '../roles/admission.ts'

export type Serving =
  | { readonly kind: 'primary'; readonly store: MailStore }
  /** Starting, standing by, stopping: every request is answered with this. */
  | { readonly kind: 'refusing'; readonly refusal: Refusal }

export interface Served {
  readonly shard: ShardName
  serving(): Serving
  status(): StatusReport
  /** Rule 8 of the replication design: to be asked before bytes of mail go to a client. */
  mayServe(): boolean
  /** Whether an operation of this kind is taken in now; null: yes. */
  admit(kind: OperationKind): Refusal | null
  /** Whether a committed operation of this kind may be answered as done: not while it rests on fewer disks than it must. */
  mayAcknowledge(kind: OperationKind): boolean
  command(command: RoleCommand): Promise<RoleResult>
}
