/**
 * One look at one Domain in a cluster: reads it from the cache, lets controllers/domain do what it says, writes what was found into
 * its status. Nothing that a MailNode has is touched: no pod, no template, no Role.
 *
 * A Domain carries no finalizer, so that nothing ever hangs on this operator being there: entries of the directory say which
 * Domain keeps them, and those of Domains that are gone are taken out when that is seen, or at the next start.
 */
import type { Logger } from '#lib/log/logger.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { Domain, domainKind } from '#operator/api/domain.ts'
import { FIELD_MANAGER } from '#operator/cluster/kubernetes/kubernetes-cluster.ts'
import { saysAlready } from '#operator/controllers/conditions.ts'
import { Claims } from '#operator/controllers/domain/claims.ts'
import { claimOf } from '#operator/controllers/domain/decide.ts'
import { DKIM_COMPONENT } from '#operator/controllers/domain/keys.ts'
import { type DomainPorts, forgetDomain, leftBehind, reconcileDomain } from '#operator/controllers/domain/reconcile.ts'
import type { ApiClient } from '#operator/runtime/api-client.ts'
import type { EventRecorder } from '#operator/runtime/event-recorder.ts'
import { type KubeObject, type ResourceType, splitKey } from '#operator/runtime/kube-object.ts'
import type { ObjectCache } from '#operator/runtime/object-cache.ts'
import { OwnWrites } from '#operator/runtime/own-writes.ts'
import { resourceTypeOf, unreadable } from './resource-types.ts'

export const DOMAINS: ResourceType = resourceTypeOf(domainKind)

/** Key of the queue for the look at entries of Domains that went while no operator ran; those of resources have a slash. */
export const LEFT_BEHIND = 'left-behind'
/** Nothing has to happen for so long: what somebody changed in the directory is mended. */
const LOOK_AGAIN_MS = 600_000

export interface DomainControllerOptions {
  /** Changes nothing while this operator does not lead. */
  readonly client: ApiClient
  readonly ports: Omit<DomainPorts, 'claims'>
  readonly recorder: EventRecorder
  readonly clock: Clock
  readonly logger: Logger
}

export interface DomainController {
  /** The work of a queue of Domains by `namespace/name`. @returns When to look again. */
  reconcile(key: string, domains: ObjectCache): Promise<number | null>
  /** Tells of each change of the cache. @returns Keys of all Domains to look at, this one first. */
  changed(key: string, domains: ObjectCache): string[]
}

export function createDomainController(options: DomainControllerOptions): DomainController {
  const { client, recorder, clock, logger } = options
  const own = new OwnWrites()
  const claims = new Claims()
  const ports = { ...options.ports, claims }
  /** Names in the directory that Domains which are gone had. */
  const left = new Map<string, Set<string>>()
  const leave = (key: string, name: string) => left.set(key, (left.get(key) ?? new Set()).add(name))

  const forget = async (key: string): Promise<void> => {
    const names = left.get(key)
    if (names === undefined) return
    const { namespace, name } = splitKey(key)
    // The cache may be behind: a Domain that was made again keeps its entry.
    if ((await client.get(DOMAINS, namespace, name)) !== null) return
    await forgetDomain(key, [...names], ports)
    left.delete(key)
    logger.info({ domain: key, names: [...names] }, 'a Domain is gone, and with it its entry in the directory')
  }

  const forgetLeftBehind = async (domains: ObjectCache): Promise<void> => {
    const entries = (await ports.directory?.listDomains()) ?? []
    for (const [key, names] of leftBehind(entries, new Set(domains.list().map(keyOfDomain)))) {
      for (const name of names) leave(key, name)
      await forget(key)
    }
  }

  return {
    async reconcile(key, domains) {
      if (key === LEFT_BEHIND) {
        await forgetLeftBehind(domains)
        return null
      }
      const cached = domains.get(key)
      if (cached === null) {
        own.forget(key)
        await forget(key)
        return null
      }
      const object = own.newest(cached)
      if (object.metadata.deletionTimestamp !== undefined) return null // finalizers of others: it is still there
      const parsed = Domain.safeParse(object)
      if (!parsed.success) {
        recorder.record(object, unreadable(parsed.error))
        return LOOK_AGAIN_MS
      }
      left.delete(key)
      const { status, againMs, failure } = await reconcileDomain(parsed.data, ports, clock.nowMs())
      if (!saysAlready(parsed.data.status, status)) {
        const { name, namespace } = parsed.data.metadata
        const wanted = { metadata: { name, namespace }, status }
        const options = { fieldManager: FIELD_MANAGER, force: true, subresource: 'status' } as const
        own.note(await client.apply(DOMAINS, wanted, options))
      }
      if (failure !== null) throw failure
      return Math.min(againMs ?? LOOK_AGAIN_MS, LOOK_AGAIN_MS)
    },

    changed(key, domains) {
      const object = domains.get(key)
      const parsed = object === null ? null : Domain.safeParse(object)
      const claim = parsed?.success ? claimOf(parsed.data) : null
      const before = claims.of(key)
      if (before !== null && claim === null) leave(key, before.domain)
      return [key, ...claims.set(key, claim)]
    },
  }
}

const keyOfDomain = ({ metadata }: KubeObject) => `${metadata.namespace}/${metadata.name}`

/** Key of the Domain that an object was made for, or null. */
export function domainOf(object: KubeObject): string | null {
  const { namespace, labels = {} } = object.metadata
  const instance = labels['app.kubernetes.io/instance']
  if (labels['app.kubernetes.io/component'] !== DKIM_COMPONENT || instance === undefined) return null
  return `${namespace}/${instance}`
}
