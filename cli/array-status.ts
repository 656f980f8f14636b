/**
 * From what shards and the operator say to what `twinpost status` shows. Pure. The names of `ArrayStatus` are those of
 * `status -o json`: programs read them, so they are only ever added to.
 */
import type { StatusReport } from '#lib/frames/status-report.ts'
import type { OperatorStatus, ProcessStatus } from '#operator/api/local-layout.ts'
import { podName, replicasOf } from './members.ts'
import type { SilentReplica } from './shard-reports.ts'

export interface MemberStatus {
  readonly member: string
  readonly pid: number
}

/** One replica in its own words. */
export interface ReplicaStatus {
  readonly member: string
  readonly answers: boolean
  /** Null for what is not known, because the replica does not answer. */
  readonly pid: number | null
  readonly role: StatusReport['role'] | null
  /** What it is doing and why, in words; why it does not answer. */
  readonly phase: string
  readonly epoch: number | null
  readonly ledger: StatusReport['ledger'] | null
  readonly fenced: boolean | null
  readonly lastLsn: number | null
  readonly durableLsn: number | null
  readonly commitLsn: number | null
}

export interface ShardStatus {
  readonly shard: string
  readonly epoch: number
  readonly primary: MemberStatus | null
  readonly mirror: MemberStatus | null
  readonly inSync: readonly string[]
  readonly sessions: number | null
  /** In words: what is going on and why, as the primary says it, or who ought to be it. Null: nobody answers. */
  readonly phase: string | null
  /** What the primary's link to the mirror is doing, and how many bytes are durable on one side only; null without a link. */
  readonly mirrorPhase: string | null
  readonly mirrorLagBytes: number | null
  /** The worst that a replica says of the ledger; null: nobody answers. */
  readonly ledger: StatusReport['ledger'] | null
  /** Members that may not become primary. */
  readonly fenced: readonly string[]
  readonly replicas: readonly ReplicaStatus[]
}

export interface ArrayStatus {
  readonly phase: OperatorStatus['phase']
  readonly shards: readonly ShardStatus[]
  readonly processes: readonly ProcessStatus[]
}

const LEDGER_WORST_FIRST = ['lost', 'away', 'good'] as const

/** @param reports What the replicas that answered said. @param silent Those that did not answer, and why. */
export function arrayStatus(
  operator: OperatorStatus,
  reports: readonly StatusReport[],
  silent: readonly SilentReplica[] = [],
): ArrayStatus {
  const shards = shardNames(operator).map((shard) =>
    shardStatus(
      shard,
      reports.filter((report) => report.shard === shard),
      silent.filter((replica) => replica.shard === shard),
    ),
  )
  return { phase: operator.phase, shards, processes: operator.processes }
}

/** @param said Reports of this shard's replicas. */
export function shardStatus(
  shard: string,
  said: readonly StatusReport[],
  silent: readonly SilentReplica[],
): ShardStatus {
  const primary = primaryOf(said)
  const mirror = newest(said.filter((report) => report.role === 'mirror'))
  const authority = primary ?? newest(said)
  const named = (report: StatusReport): MemberStatus => ({ member: podName(shard, report.member), pid: report.pid })
  return {
    shard,
    epoch: authority?.epoch ?? 0,
    primary: primary ? named(primary) : null,
    mirror: mirror ? named(mirror) : null,
    inSync: (authority?.inSync ?? []).map((member) => podName(shard, member)),
    sessions: primary?.sessions ?? null,
    phase: authority?.phase ?? null,
    mirrorPhase: primary?.mirrorPhase ?? null,
    mirrorLagBytes: primary?.mirrorLagBytes ?? null,
    ledger: LEDGER_WORST_FIRST.find((health) => said.some((report) => report.ledger === health)) ?? null,
    fenced: said.filter((report) => report.fenced).map((report) => podName(shard, report.member)),
    replicas: replicasOf([shard]).map(({ member }) => {
      const report = newest(said.filter((one) => one.member === member))
      const problem = silent.find((replica) => replica.member === member)?.problem ?? 'not asked'
      return replicaStatus(podName(shard, member), report, problem)
    }),
  }
}

/** Two may think they are primary for a moment: the higher epoch is the one that may write. */
export function primaryOf(said: readonly StatusReport[]): StatusReport | null {
  return newest(said.filter((report) => report.role === 'primary'))
}

export function shardNames(operator: OperatorStatus): string[] {
  return operator.mailNodes.flatMap(({ name, shards }) =>
    Array.from({ length: shards }, (_, index) => `${name}/${index}`),
  )
}

function replicaStatus(member: string, report: StatusReport | null, problem: string): ReplicaStatus {
  return {
    member,
    answers: report !== null,
    pid: report?.pid ?? null,
    role: report?.role ?? null,
    phase: report?.phase ?? problem,
    epoch: report?.epoch ?? null,
    ledger: report?.ledger ?? null,
    fenced: report?.fenced ?? null,
    lastLsn: report?.lastLsn ?? null,
    durableLsn: report?.durableLsn ?? null,
    commitLsn: report?.commitLsn ?? null,
  }
}

function newest(reports: readonly StatusReport[]): StatusReport | null {
  return reports.reduce<StatusReport | null>(
    (best, report) => (best && best.epoch >= report.epoch ? best : report),
    null,
  )
}
