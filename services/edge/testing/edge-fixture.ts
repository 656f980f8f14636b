/** A real edge on loopback between wire clients, a directory in memory and fake shards. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { z } from 'zod'
import type { DnsResolver } from '#lib/dns/types.ts'
import { zoneResolver } from '#lib/dns/zone-file.ts'
import { createDialer } from '#lib/link/dialer.ts'
import { createShardRouter } from '#lib/link/shard-router.ts'
import { type Logger, silentLogger } from '#lib/log/logger.ts'
import { Registry } from '#lib/metrics/metrics.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import type { TlsMaterial } from '#lib/tls/material.ts'
import type { TokenVerifier } from '../auth/oidc.ts'
import type { LoginListener } from '../auth/password-gate.ts'
import { EdgeConfig } from '../config.ts'
import { Edge, type ListenerName } from '../edge.ts'
import { createLetterFilter } from '../filter/create.ts'
import { createEdgeMetrics } from '../metrics.ts'
import { ClientPolicy } from '../policy/client-policy.ts'
import { testTlsMaterial } from './certificates.ts'
import { FakeDirectory } from './fake-directory.ts'
import { FakeShard } from './fake-shard.ts'
import { WireClient } from './wire-client.ts'

export const HOSTNAME = 'mx.example.test'

export interface EdgeFixture {
  readonly edge: Edge
  readonly directory: FakeDirectory
  /** `n1/0` and `n1/2`: both prefer member 0, so both are in the edge's own pod. */
  readonly shard: FakeShard
  readonly otherShard: FakeShard
  readonly tls: TlsMaterial
  /** The value of a series, 0 if it has none. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>
  /** Connects and takes the SMTP greeting and the answer to EHLO or LHLO. */
  smtp(name?: ListenerName): Promise<WireClient>
  connect(name: ListenerName): Promise<WireClient>
  connectTls(name: ListenerName): Promise<WireClient>
  /** Submission over TLS, logged in. */
  submit(login: string, password?: string): Promise<WireClient>
  close(): Promise<void>
}

let material: TlsMaterial | null = null

export async function openEdge(
  settings: Partial<z.input<typeof EdgeConfig>> = {},
  options: {
    readonly logger?: Logger
    readonly loginFailureDelayMs?: number
    readonly tokens?: TokenVerifier
    readonly onLogin?: LoginListener
    /** What the policy for clients asks. */
    readonly names?: DnsResolver
  } = {},
): Promise<EdgeFixture> {
  material ??= testTlsMaterial(HOSTNAME)
  const tls = material
  const socketDir = await mkdtemp(join(tmpdir(), 'edge-'))
  const shard = new FakeShard(socketDir, 'n1/0')
  const otherShard = new FakeShard(socketDir, 'n1/2')
  await Promise.all([shard.start(), otherShard.start()])
  const directory = new FakeDirectory()
  directory.add({ address: 'anna@example.test', home: 'n1/0', aliases: ['a.miller@example.test'] })
  directory.add({ address: 'carl@example.test', home: 'n1/0' })
  directory.add({ address: 'dora@example.test', home: 'n1/2' })
  directory.add({ address: 'eve@example.test', home: 'n1/0', status: 'suspended' })
  const anyPort = {
    smtpPort: 0,
    lmtpPort: 0,
    submissionPort: 0,
    submissionsPort: 0,
    imapPort: 0,
    imapsPort: 0,
    pop3Port: 0,
    pop3sPort: 0,
  }
  const config = EdgeConfig.parse({
    pod: 'n1-0',
    hostname: HOSTNAME,
    listenHost: '127.0.0.1',
    publicTlsDir: 'unused',
    tlsDir: 'unused',
    shardHostPattern: '{mailNode}-{member}.test',
    directoryUrl: 'ldaps://unused.test:3636',
    directoryPasswordFile: 'unused',
    recipientPatienceMs: 300,
    recipientMemoryMs: 0,
    deliveryPatienceMs: 500,
    sessionPatienceMs: 300,
    stopSeconds: 5,
    ...anyPort,
    ...settings,
  })
  const logger = options.logger ?? silentLogger
  const router = createShardRouter({
    // Nobody listens at the other member's address.
    dialer: createDialer({ tls: () => tls, resolve: async () => '127.113.7.1', clock: nodeClock }),
    addressing: { hostPattern: config.shardHostPattern, pod: config.pod, socketDir },
    clock: nodeClock,
    caller: `edge ${config.pod}`,
  })
  const registry = new Registry()
  const metrics = createEdgeMetrics(registry)
  const filter = createLetterFilter(config, {
    resolve: async (host) => [host],
    tls: () => tls,
    clock: nodeClock,
    random: nodeRandom,
    logger,
    metrics,
  })
  const { clientPolicy } = config
  const resolver = options.names ?? zoneResolver(() => new Map())
  const policy =
    clientPolicy === null
      ? null
      : new ClientPolicy({ config: clientPolicy, hostname: HOSTNAME, resolver, clock: nodeClock, metrics })
  const edge = new Edge({
    config,
    directory,
    router,
    filter,
    policy,
    publicTls: tls,
    clock: nodeClock,
    random: nodeRandom,
    logger,
    metrics,
    ...(options.tokens && { tokens: options.tokens }),
    ...(options.onLogin && { onLogin: options.onLogin }),
    loginFailureDelayMs: options.loginFailureDelayMs ?? 1,
  })
  await edge.listen()
  const clients = new Set<WireClient>()
  const keep = (client: WireClient) => {
    clients.add(client)
    return client
  }
  const connect = async (name: ListenerName) => keep(await WireClient.open(edge.port(name)))
  const connectTls = async (name: ListenerName) => keep(await WireClient.openTls(edge.port(name), tls))
  const smtp = async (name: ListenerName = 'smtp') => {
    const client = name === 'submissions' ? await connectTls(name) : await connect(name)
    await client.reply()
    await client.ask(`${name === 'lmtp' ? 'LHLO' : 'EHLO'} client.example.net`)
    return client
  }
  return {
    edge,
    directory,
    shard,
    otherShard,
    tls,
    async metric(name, labels = {}) {
      const found = await registry.getSingleMetric(name)?.get()
      const wanted = Object.entries(labels)
      const series = found?.values.find((one) =>
        wanted.every(([label, value]) => Reflect.get(one.labels, label) === value),
      )
      return series?.value ?? 0
    },
    connect,
    connectTls,
    smtp,
    async submit(login, password = 'secret') {
      const client = await smtp('submissions')
      await client.ask(`AUTH PLAIN ${Buffer.from(`\0${login}\0${password}`).toString('base64')}`)
      return client
    },
    async close() {
      for (const client of clients) client.close()
      await edge.stop()
      router.close()
      await Promise.all([shard.stop(), otherShard.stop()])
      await rm(socketDir, { recursive: true, force: true })
    },
  }
}
