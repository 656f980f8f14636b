/** From what shards and the operator say to what `twinpost status` shows. Pure. */
import type { OperatorStatus, ProcessStatus, ShardReport } from '#operator/api/local-layout.ts'

export interface ReplicaStatus {
  readonly member: string
  readonly pid: number
}

export interface ShardStatus {
  readonly shard: string
  readonly epoch: number
  readonly primary: ReplicaStatus | null
  readonly mirror: ReplicaStatus | null
  readonly inSync: readonly string[]
  readonly sessions: number | null
}

export interface ArrayStatus {
  readonly phase: OperatorStatus['phase']
  readonly shards: readonly ShardStatus[]
  readonly processes: readonly ProcessStatus[]
}

/** @param reports What the replicas that answered said; those that are silent are absent. */
export function arrayStatus(operator: OperatorStatus, reports: readonly ShardReport[]): ArrayStatus {
  const shards = shardNames(operator).map((shard): ShardStatus => {
    const said = reports.filter((report) => report.shard === shard)
    // Two may think they are primary for a moment: the higher epoch is the one that may write.
    const primary = newest(said.filter((report) => report.role === 'primary'))
    const mirror = newest(said.filter((report) => report.role === 'mirror'))
    const authority = primary ?? newest(said)
    return {
      shard,
      epoch: authority?.epoch ?? 0,
      primary: primary ? { member: primary.member, pid: primary.pid } : null,
      mirror: mirror ? { member: mirror.member, pid: mirror.pid } : null,
      inSync: authority?.inSync ?? [],
      sessions: primary?.sessions ?? null,
    }
  })
  return { phase: operator.phase, shards, processes: operator.processes }
}

export function shardNames(operator: OperatorStatus): string[] {
  return operator.mailNodes.flatMap(({ name, shards }) =>
    Array.from({ length: shards }, (_, index) => `${name}/${index}`),
  )
}

function newest(reports: readonly ShardReport[]): ShardReport | null {
  return reports.reduce<ShardReport | null>(
    (best, report) => (best && best.epoch >= report.epoch ? best : report),
    null,
  )
}
