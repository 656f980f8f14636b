/** What replicas say about themselves. */
import { errorMessage } from '#lib/errors/coded-error.ts'
import { FrameType } from '#lib/frames/shard-protocol.ts'
import { decodeStatusReport, type StatusReport } from '#lib/frames/status-report.ts'
import type { LocalLayout } from '#operator/api/local-layout.ts'
import { type ReplicaName, replicasOf } from './members.ts'
import { type ShardLink, withShards } from './shard-link.ts'

const ANSWER_MS = 2_000

export interface SilentReplica extends ReplicaName {
  readonly problem: string
}

export interface ShardAnswers {
  readonly reports: readonly StatusReport[]
  readonly silent: readonly SilentReplica[]
}

export function askShards(layout: LocalLayout, shards: readonly string[]): Promise<ShardAnswers> {
  return withShards(layout, (link) => askReplicas(link, replicasOf(shards)))
}

/** Asks all of them at once. */
export async function askReplicas(link: ShardLink, replicas: readonly ReplicaName[]): Promise<ShardAnswers> {
  const answers = await Promise.allSettled(
    replicas.map(async (replica) => decodeStatusReport(await link.ask(replica, FrameType.statusQuery, [], ANSWER_MS))),
  )
  return {
    reports: answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : [])),
    silent: answers.flatMap((answer, i) => {
      const replica = replicas[i]
      return answer.status === 'rejected' && replica ? [{ ...replica, problem: errorMessage(answer.reason) }] : []
    }),
  }
}
