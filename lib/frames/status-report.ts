/** What a replica says about itself in the frame `statusReport`. JSON; readers let fields pass that they do not know. */
import { z } from 'zod'
import { toShardName } from '#lib/mail/types.ts'

const Count = z.int().min(0)
const MemberNumber = z.int().min(0).max(1)

export const StatusReport = z.object({
  shard: z.string().transform(toShardName),
  member: MemberNumber,
  pod: z.string(),
  pid: z.int(),
  role: z.enum(['starting', 'mirror', 'taking-up', 'primary', 'stepping-down', 'failed', 'stopped']),
  phase: z.string().describe('In words: what this replica is doing and why.'),
  epoch: Count,
  primary: MemberNumber.nullable().describe('Whom the ledger names, as far as this replica knows.'),
  inSync: z.array(MemberNumber),
  ledger: z.enum(['good', 'away', 'lost']).describe('`away` is survivable, `lost` needs an administrator.'),
  fenced: z.boolean().describe('An administrator keeps this replica from becoming primary.'),
  mirrorPhase: z.string().nullable().describe('As primary: what the mirror is doing; null: there is no link.'),
  mirrorLagBytes: Count.nullable().describe('As primary: durable here and not there.'),
  lastLsn: Count,
  durableLsn: Count,
  commitLsn: Count,
  appliedLsn: Count,
  sessions: Count,
  accounts: Count,
  pending: Count,
  freeBytes: z.number(),
  totalBytes: z.number(),
  logBytes: Count,
})
export type StatusReport = z.infer<typeof StatusReport>

export function encodeStatusReport(report: StatusReport): Buffer {
  return Buffer.from(JSON.stringify(report))
}

/** @throws what JSON.parse and zod throw for bytes that are no report */
export function decodeStatusReport(payload: Uint8Array): StatusReport {
  return StatusReport.parse(JSON.parse(Buffer.from(payload).toString('utf8')))
}
