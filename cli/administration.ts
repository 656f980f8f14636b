/** Connections of the command line to the directory and to provisioning, as the service `cli`. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connectNats, type NatsLink } from '#lib/events/nats.ts'
import { createProvisioningClient, type ProvisioningClient } from '#lib/events/provisioning.ts'
import { type DirectoryAdmin, openDirectoryAdmin } from '#lib/ldap/admin.ts'
import { silentLogger } from '#lib/log/logger.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { createResolver } from '#lib/platform/resolver.ts'
import type { LocalLayout } from '#operator/api/local-layout.ts'

const BASE_DN = 'o=twinpost'

/** Runs `work` with the directory and closes it. */
export async function withDirectory<T>(
  layout: LocalLayout,
  work: (directory: DirectoryAdmin) => Promise<T>,
): Promise<T> {
  const folder = join(layout.secretsDir, 'cli')
  const directory = openDirectoryAdmin({
    url: 'ldaps://directory.default.svc:3636',
    baseDn: BASE_DN,
    service: 'cli',
    password: readFileSync(join(folder, 'directory-password'), 'utf8'),
    tls: () => ({ ca: readFileSync(join(folder, 'ca.crt'), 'utf8') }),
    resolve: createResolver(layout.hostsFile),
  })
  try {
    return await work(directory)
  } finally {
    await directory.close()
  }
}

/** Runs `work` with a client of the provisioning commands and closes its connection. */
export async function withProvisioning<T>(
  layout: LocalLayout,
  actor: string,
  work: (client: ProvisioningClient) => Promise<T>,
): Promise<T> {
  return await withEvents(layout, (link) =>
    work(
      createProvisioningClient({ link, clock: nodeClock, random: nodeRandom, actor: { name: actor, origin: 'cli' } }),
    ),
  )
}

/** Runs `work` with a connection to NATS and closes it. */
export async function withEvents<T>(layout: LocalLayout, work: (link: NatsLink) => Promise<T>): Promise<T> {
  const folder = join(layout.secretsDir, 'cli')
  const link = connectNats({
    url: 'tls://nats.default.svc:4222',
    user: 'cli',
    passwordFile: join(folder, 'nats-password'),
    caFile: join(folder, 'ca.crt'),
    name: 'cli',
    resolve: createResolver(layout.hostsFile),
    clock: nodeClock,
    logger: silentLogger,
  })
  try {
    return await work(link)
  } finally {
    await link.close()
  }
}
