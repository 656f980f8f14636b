/**
 * Filter pools of a local array. A pool names engines of others by their addresses (clamd, rspamd, spamd): on one machine those are
 * asked that are there, and the rest is named, so that nobody takes a letter for one that they have seen. Pure but for `reaches`.
 */

import type { LocalFilterPool } from '#operator/api/local-layout.ts'
import type { FilterPool, MailNode } from '#operator/api/mod.ts'

type Engine = FilterPool['spec']['engines'][number]

export interface LocalPool {
  /** With the engines that answer. */
  readonly pool: FilterPool
  readonly seen: LocalFilterPool
}

/** @param reaches Whether somebody takes connections there. */
export async function poolHere(
  pool: FilterPool,
  reaches: (host: string, port: number) => Promise<boolean>,
): Promise<LocalPool> {
  const looked = await Promise.all(
    pool.spec.engines.map(async (engine) => {
      const place = placeOf(engine)
      return { engine, place, there: place === null || (await reaches(place.host, place.port)) }
    }),
  )
  const there = looked.filter((one) => one.there).map(({ engine }) => engine)
  // A pool without any engine is none: then all are asked, and each letter says that they failed.
  const engines = there.length > 0 ? there : pool.spec.engines
  const away = looked
    .filter(({ engine }) => !engines.includes(engine))
    .map(({ engine, place }) => ({ engine: engine.name, where: place === null ? '' : `${place.host}:${place.port}` }))
  const seen = { name: pool.metadata.name, engines: engines.map(({ name }) => name), away }
  return { pool: { ...pool, spec: { ...pool.spec, engines } }, seen }
}

/** Where an engine of others is; null: it is one of our own, in the pods. */
export function placeOf({ address, url }: Engine): { readonly host: string; readonly port: number } | null {
  if (address === undefined && url === undefined) return null
  const { hostname, port, protocol } = new URL(url ?? `tcp://${address}`)
  const host = hostname.replace(/^\[|\]$/g, '')
  return { host, port: port !== '' ? Number(port) : protocol === 'https:' ? 443 : 80 }
}

/** What every edge does with a virus: all of them ask a pool that knows some, and do the same. */
export function virusRule(
  nodes: readonly MailNode[],
  pools: readonly FilterPool[],
): 'unknown' | 'reject' | 'quarantine' | 'discard' {
  const rules = nodes.map(({ spec }) => {
    const { filter } = spec.edge
    const pool = pools.find(({ metadata }) => metadata.name === filter?.pool)
    const knows = pool?.spec.engines.some(({ kind }) => kind === 'signatures' || kind === 'clamd') ?? false
    return filter !== undefined && knows ? filter.onVirus : 'unknown'
  })
  const [first = 'unknown'] = rules
  return rules.every((rule) => rule === first) ? first : 'unknown'
}
