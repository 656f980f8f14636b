/** Asks replicas about themselves, over the links that all of Twinpost's processes use, with the certificate of the role cli. */
import { join } from 'node:path'
import { errorMessage } from '#lib/errors/coded-error.ts'
import { FrameType } from '#lib/frames/shard-protocol.ts'
import { MEMBERS_PER_MAILNODE, replicaAddress } from '#lib/link/address.ts'
import { createDialer } from '#lib/link/dialer.ts'
import { RpcClient } from '#lib/link/rpc-client.ts'
import { toShardName } from '#lib/mail/types.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { createResolver } from '#lib/platform/resolver.ts'
import { sleep } from '#lib/ports/clock.ts'
import { readTlsMaterial } from '#lib/tls/material.ts'
import { type LocalLayout, ShardReport } from '#operator/api/local-layout.ts'

const ANSWER_MS = 2_000
const NAMESPACE = 'default'

export interface ShardAnswers {
  readonly reports: readonly ShardReport[]
  readonly silent: readonly { readonly shard: string; readonly member: number; readonly problem: string }[]
}

export async function askShards(layout: LocalLayout, shards: readonly string[]): Promise<ShardAnswers> {
  const dialer = createDialer({
    tls: () => readTlsMaterial(join(layout.secretsDir, 'cli')),
    resolve: createResolver(layout.hostsFile),
    clock: nodeClock,
  })
  const addressing = { hostPattern: `{mailNode}-{member}.{mailNode}.${NAMESPACE}.svc`, pod: null, socketDir: null }
  const ask = async (shard: string, member: number): Promise<ShardReport> => {
    const name = toShardName(shard)
    const stream = await dialer.dial(replicaAddress(addressing, name, member))
    const client = new RpcClient(stream, { shard: name, caller: 'cli' }, () => {})
    try {
      return ShardReport.parse(JSON.parse((await client.request(FrameType.statusQuery, [])).toString('utf8')))
    } finally {
      client.close()
    }
  }
  const giveUp = new AbortController()
  const late = sleep(nodeClock, ANSWER_MS, giveUp.signal).then(() => {
    throw new Error(`no answer in ${ANSWER_MS} ms`)
  })
  late.catch(() => {})
  const replicas = shards.flatMap((shard) =>
    Array.from({ length: MEMBERS_PER_MAILNODE }, (_, member) => ({ shard, member })),
  )
  const answers = await Promise.allSettled(
    replicas.map(({ shard, member }) => Promise.race([ask(shard, member), late])),
  )
  giveUp.abort(new Error('all is said'))
  dialer.close()
  return {
    reports: answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : [])),
    silent: answers.flatMap((answer, i) => {
      const replica = replicas[i]
      return answer.status === 'rejected' && replica ? [{ ...replica, problem: errorMessage(answer.reason) }] : []
    }),
  }
}
