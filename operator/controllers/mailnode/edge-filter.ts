/**
 * What a MailNode says about filters and about clients from outside, as settings of its edges. Pure. The pool is another resource: it may not be there yet, and then
 * its edges ask in vain and refuse for now, as a pool without pods does.
 */
import type { FilterPool, MailNode } from '#operator/api/mod.ts'
import { durationSeconds } from '#operator/api/resource.ts'
import type { EnvVar } from '#operator/cluster/objects.ts'
import { type ArrayContext, OUTSIDE_ZONE } from '../array-context.ts'
import { MILTER_PORT, poolName } from '../filterpool/names.ts'

export type OnFilterFailure = FilterPool['spec']['onFailure']
/** Where the pool is not known: mail waits at its senders, unjudged letters are not let in. */
export const FILTER_FAILS_CLOSED: OnFilterFailure = 'tempfail'

/** Settings of an edge by which it asks filters, authenticates letters and judges clients; none where it does none of it. */
export function edgeFilterEnv(node: MailNode, context: ArrayContext, onFailure: OnFilterFailure): EnvVar[] {
  const { filter, authentication, clientPolicy, proxyNetworks } = node.spec.edge
  const { outside, dnsServers } = context
  const env: EnvVar[] = []
  if (filter !== undefined) {
    const { pool, quarantine: _, ...rules } = filter
    const host = `${poolName(pool)}.${context.namespace}.svc`
    const settings = { name: pool, host, port: MILTER_PORT, onFailure, ...rules }
    env.push({ name: 'TWINPOST_FILTER', value: JSON.stringify(settings) })
  }
  if (authentication !== 'off') env.push({ name: 'TWINPOST_AUTHENTICATION', value: authentication })
  if (clientPolicy !== undefined) env.push({ name: 'TWINPOST_CLIENT_POLICY', value: JSON.stringify(clientPolicy) })
  if (proxyNetworks.length > 0) env.push({ name: 'TWINPOST_PROXY_NETWORKS', value: JSON.stringify(proxyNetworks) })
  if (asksNames(node)) {
    if (outside !== null) env.push({ name: 'TWINPOST_ZONE_FILE', value: `${outside.folder}/${OUTSIDE_ZONE}` })
    if (dnsServers !== undefined) env.push({ name: 'TWINPOST_DNS_SERVERS', value: dnsServers })
  }
  return env
}

/** Settings of a shard: to whom it tells what users call junk, and how long it keeps what was held back; none without a pool. */
export function shardFilterEnv(node: MailNode, context: ArrayContext): EnvVar[] {
  const { filter } = node.spec.edge
  if (filter === undefined) return []
  return [
    { name: 'TWINPOST_LEARN_HOST', value: `${poolName(filter.pool)}.${context.namespace}.svc` },
    { name: 'TWINPOST_LEARN_PORT', value: String(MILTER_PORT) },
    { name: 'TWINPOST_QUARANTINE_SECONDS', value: String(durationSeconds(filter.quarantine.retention)) },
    { name: 'TWINPOST_QUARANTINE_DIGESTS', value: String(filter.quarantine.digests) },
  ]
}

/** Whether an edge asks the DNS of the world. */
export function asksNames({ spec: { edge } }: MailNode): boolean {
  return edge.authentication !== 'off' || edge.clientPolicy !== undefined
}

/** @param pool The one that it names, or null if there is none. @returns What is wrong between the two, in words, or null. */
export function filterProblem(node: MailNode, pool: FilterPool | null): string | null {
  const { filter } = node.spec.edge
  if (filter === undefined) return null
  if (pool === null) {
    return `Letters get 451: there is no FilterPool ${filter.pool}. Apply it, or name another one in spec.edge.filter.pool`
  }
  const engines = new Set(pool.spec.engines.map(({ name }) => name))
  const missing = filter.required.filter((name) => !engines.has(name))
  return missing.length === 0
    ? null
    : `Letters get 451: FilterPool ${filter.pool} has no engine ${missing.join(', ')}, which spec.edge.filter.required names`
}
