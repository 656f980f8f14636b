/**
 * The operator's own way into the directory and to NATS in a cluster. Opened when first needed: by then this operator leads, and
 * the passwords, which it makes itself, are there.
 */
import { type Sealing, sealingOf } from '#lib/directory/domain-sending.ts'
import { connectNats } from '#lib/events/nats.ts'
import { createEventPublisher } from '#lib/events/publisher.ts'
import { type DirectoryAdmin, openDirectoryAdmin } from '#lib/ldap/admin.ts'
import type { Logger } from '#lib/log/logger.ts'
import { createResolver } from '#lib/platform/resolver.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import type { OtherAuthority } from '#operator/controllers/array-context.ts'
import type { DomainDirectory } from '#operator/controllers/domain/reconcile.ts'
import type { KeyPair } from '#operator/pki/certificates.ts'
import type { ApiClient } from '#operator/runtime/api-client.ts'
import { KubeError } from '#operator/runtime/api-error.ts'
import { openAuthorities, openPasswords, PASSWORDS_SECRET } from './passwords.ts'

const SEALING_KEPT_MS = 60_000

export interface ArrayAccess {
  readonly directory: DomainDirectory & Pick<DirectoryAdmin, 'ensureShards'>
  readonly domainChanged: (name: string) => void
  /** Closes what senders need of Domains. */
  readonly sealing: () => Promise<Sealing>
  close(): Promise<void>
}

export function openArrayAccess(options: {
  readonly client: ApiClient
  readonly namespace: string
  readonly authority: () => Promise<KeyPair>
  /** Where the directory takes writes. */
  readonly directoryUrl: string
  readonly baseDn: string
  readonly natsUrl: string
  /** Servers whose certificates are of another authority than the array's. */
  readonly otherAuthorities: readonly OtherAuthority[]
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}): ArrayAccess {
  const { client, namespace, authority, directoryUrl, baseDn, natsUrl, clock, random, logger } = options
  const resolve = createResolver(null)
  const secrets = async (server: OtherAuthority) => {
    const servers = options.otherAuthorities.filter((one) => one === server)
    const others = await openAuthorities({ client, namespace, servers })
    return {
      passwords: await openPasswords({ client, namespace, random }),
      ca: others[server] ?? (await authority()).cert,
    }
  }

  let opening: Promise<DirectoryAdmin> | null = null
  const open = async () => {
    const { passwords, ca } = await secrets('directory')
    const password = passwords['directory-operator']
    return openDirectoryAdmin({
      url: directoryUrl,
      baseDn,
      service: 'operator',
      password,
      tls: () => ({ ca }),
      resolve,
    })
  }
  const admin = () => {
    opening ??= open().catch((error: unknown) => {
      opening = null
      throw error
    })
    return opening
  }

  let news: { readonly tell: (name: string) => void; readonly close: () => Promise<void> } | null = null
  const connect = () => {
    const link = connectNats({
      url: natsUrl,
      user: 'operator',
      async secrets() {
        const { passwords, ca } = await secrets('nats')
        return { password: passwords['nats-operator'], ca }
      },
      name: 'operator',
      logger,
      clock,
      resolve,
    })
    const publisher = createEventPublisher(link, { source: 'operator', clock, random })
    return {
      tell: (name: string) => publisher.offer('domain.changed', { name }),
      async close() {
        publisher.close()
        await link.close()
      },
    }
  }

  let sealing: { readonly found: Promise<Sealing>; readonly untilMs: number } | null = null
  const readSealing = async () => {
    const words = (await openPasswords({ client, namespace, random }))['sender-seal']
    const found = sealingOf(words)
    if (found !== null) return found
    throw new KubeError(
      'KUBE_CONFIG',
      `Cannot seal keys: sender-seal of Secret ${namespace}/${PASSWORDS_SECRET} is empty`,
    )
  }

  return {
    sealing() {
      const nowMs = clock.monotonicMs()
      // Asked for each Domain: one question to the API server serves those of a while.
      if (sealing === null || sealing.untilMs < nowMs)
        sealing = { found: readSealing(), untilMs: nowMs + SEALING_KEPT_MS }
      const { found } = sealing
      found.catch(() => {
        if (sealing?.found === found) sealing = null
      })
      return found
    },
    directory: {
      ensureDomain: async (domain) => (await admin()).ensureDomain(domain),
      removeDomain: async (name, owner) => (await admin()).removeDomain(name, owner),
      listDomains: async () => (await admin()).listDomains(),
      ensureShards: async (shards) => (await admin()).ensureShards(shards),
    },
    domainChanged(name) {
      news ??= connect()
      news.tell(name)
    },
    async close() {
      await news?.close()
      await opening?.then(
        (directory) => directory.close(),
        () => {}, // never opened
      )
    },
  }
}
