/**
 * An array in a cluster for one spec file: the operator from deploy/kubernetes, the services beside it, MailNodes, a domain and accounts.
 * It is reached from outside through the node ports of one node that no test breaks, so that every new connection goes the way of
 * a Service: by kube-proxy on a node of its own to whatever edge is there.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parse, parseAllDocuments } from 'yaml'
import { connectNats } from '#lib/events/nats.ts'
import { createProvisioningClient } from '#lib/events/provisioning.ts'
import { createLogger } from '#lib/log/logger.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import type { LISTENERS } from '#operator/controllers/mailnode/build.ts'
import type { DemoAccount, Endpoint } from '../../support/array.ts'
import type { Driver } from './driver.ts'
import { openImages } from './images.ts'
import { isReady, Kubectl, type KubeJson, type Pod, until } from './kubectl.ts'
import { type ArrayServices, arrayContext, arrayServices } from './services.ts'

const REPOSITORY = resolve(import.meta.dirname, '../../..')
export const SYSTEM = 'twinpost-system'
export const DOMAIN = 'example.test'
const MAIL_HOST = 'mail.example.test'
const READY_MS = 240_000

export type ListenerName = (typeof LISTENERS)[number]['name']

/** The entry of a shard's ledger, with pods for replicas. */
export interface LedgerView {
  readonly epoch: number
  readonly primary: string
  readonly inSync: readonly string[]
}

export class ClusterArray {
  readonly driver: Driver
  readonly kubectl: Kubectl
  readonly namespace: string
  /** Node with the services and the ports that clients use. */
  readonly entry: string
  readonly #entryAddress: string
  readonly #services: ArrayServices
  readonly #accounts = new Map<string, DemoAccount>()
  #ports: ReadonlyMap<ListenerName, number> = new Map()

  private constructor(options: {
    driver: Driver
    kubectl: Kubectl
    namespace: string
    entry: string
    entryAddress: string
    services: ArrayServices
  }) {
    this.driver = options.driver
    this.kubectl = options.kubectl
    this.namespace = options.namespace
    this.entry = options.entry
    this.#entryAddress = options.entryAddress
    this.#services = options.services
  }

  /** Installs operator and services; MailNodes come after. Resolves when all of that is Ready. */
  static async install(driver: Driver): Promise<ClusterArray> {
    const kubectl = new Kubectl(driver.kubeconfig)
    const images = await openImages()
    await driver.loadImages(images.archives)
    const nodes = await kubectl.list('nodes')
    const [entry] = nodes.filter(
      ({ metadata }) => !('node-role.kubernetes.io/control-plane' in (metadata.labels ?? {})),
    )
    if (entry === undefined) throw new Error('The cluster has no node for pods')
    const addresses = entry.status?.['addresses'] as readonly { type: string; address: string }[]
    const entryAddress = addresses.find(({ type }) => type === 'InternalIP')?.address ?? ''
    const namespace = SYSTEM // one namespace holds one array
    const context = arrayContext(namespace, images.twinpost, MAIL_HOST)
    const services = await arrayServices({
      context,
      natsImage: images.nats,
      node: entry.metadata.name,
      mailNames: [DOMAIN, entryAddress],
    })
    const array = new ClusterArray({ driver, kubectl, namespace, entry: entry.metadata.name, entryAddress, services })
    try {
      await array.#installOperator()
      await array.#installServices()
    } catch (error) {
      await array.remove()
      throw error
    }
    return array
  }

  async #installOperator(): Promise<void> {
    const folder = join(REPOSITORY, 'deploy/kubernetes')
    const read = (path: string) => parseAllDocuments(readFileSync(path, 'utf8')).map((document) => document.toJS())
    const crds = readdirSync(join(REPOSITORY, 'crds')).filter((name) => name.endsWith('.yaml'))
    await this.kubectl.apply([
      ...read(join(folder, 'namespace.yaml')),
      ...crds.map((name) => parse(readFileSync(join(REPOSITORY, 'crds', name), 'utf8'))),
      ...read(join(folder, 'operator-rbac.yaml')),
    ])
    const { image, mailHostname, directoryUrl, natsUrl } = this.#services.context
    const operator = read(join(folder, 'operator.yaml')).map((object) => {
      if (object.kind === 'ConfigMap') {
        const settings = { IMAGE: image, MAIL_HOSTNAME: mailHostname, DIRECTORY_URL: directoryUrl, NATS_URL: natsUrl }
        for (const [name, value] of Object.entries(settings)) object.data[`TWINPOST_${name}`] = value
      }
      if (object.kind === 'Deployment') object.spec.template.spec.containers[0].image = image
      return object
    })
    await this.kubectl.apply([...this.#services.secrets, ...operator])
    await this.kubectl.run(['-n', SYSTEM, 'rollout', 'status', 'deployment/twinpost-operator', '--timeout=120s'])
  }

  async #installServices(): Promise<void> {
    const { kubectl, namespace } = this
    await kubectl.apply(this.#services.objects)
    for (const workload of ['statefulset/nats', 'statefulset/directory', 'deployment/provision']) {
      await kubectl.run(['-n', namespace, 'rollout', 'status', workload, '--timeout=180s'])
    }
    await kubectl.run(['cordon', this.entry]) // members go elsewhere: nodes with members are broken, this one never
  }

  /** Applies a MailNode and waits until it is Ready. @returns how long that took. */
  async mailNode(name: string, spec: Readonly<Record<string, unknown>> = {}): Promise<number> {
    const began = performance.now()
    await this.kubectl.apply([
      {
        apiVersion: 'twinpost.io/v1alpha1',
        kind: 'MailNode',
        metadata: { name, namespace: this.namespace },
        spec: {
          storage: { size: '1Gi' },
          edge: { listeners: { lmtp: true }, service: { type: 'NodePort', externalTrafficPolicy: 'Cluster' } },
          ...spec,
        },
      },
    ])
    await this.ready(name)
    const tookMs = performance.now() - began
    const service = await this.kubectl.get('service', `${name}-edge`, '-n', this.namespace)
    const ports = service.spec?.['ports'] as readonly { name: ListenerName; nodePort: number }[]
    this.#ports = new Map(ports.map(({ name: port, nodePort }) => [port, nodePort]))
    return tookMs
  }

  /** Until both members are Ready and every shard has two copies. */
  async ready(name: string, withinMs = READY_MS): Promise<void> {
    await until(`MailNode ${name} Ready with two copies of each shard`, withinMs, async () => {
      const pods = await this.members(name)
      if (pods.length !== 2 || !pods.every(isReady)) return null
      for (const shard of [0, 1]) if ((await this.ledger(`${name}/${shard}`))?.inSync.length !== 2) return null
      return pods
    })
  }

  members(name: string): Promise<readonly Pod[]> {
    return this.kubectl.pods(this.namespace, `app.kubernetes.io/component=mailnode,app.kubernetes.io/instance=${name}`)
  }

  async member(pod: string): Promise<Pod> {
    return this.kubectl.get<Pod>('pod', pod, '-n', this.namespace)
  }

  /** The entry of a shard in its Lease; null: none yet. `primary` and `inSync` are pods. */
  async ledger(shard: string): Promise<LedgerView | null> {
    const [mailNode = '', index = ''] = shard.split('/')
    const lease = await this.kubectl.get('lease', `${mailNode}-${index}`, '-n', this.namespace)
    const text = lease.metadata.annotations?.['twinpost.io/ledger']
    if (text === undefined) return null
    const entry = JSON.parse(text) as {
      epoch: number
      primary: string
      inSync: readonly string[]
      replicas: readonly { id: string; member: number }[]
    }
    const podOf = (id: string) => `${mailNode}-${entry.replicas.find((one) => one.id === id)?.member}`
    return { epoch: entry.epoch, primary: podOf(entry.primary), inSync: entry.inSync.map(podOf) }
  }

  /** Applies the Domain and makes accounts through provisioning, as an administrator does. */
  async accounts(homes: Readonly<Record<string, string>>): Promise<void> {
    const { passwords, authority, context } = this.#services
    await this.kubectl.apply([
      {
        apiVersion: 'twinpost.io/v1alpha1',
        kind: 'Domain',
        metadata: { name: 'example-test', namespace: this.namespace },
        spec: { name: DOMAIN, loginDefault: true },
      },
    ])
    const natsPort = await this.#nodePort('nats')
    const link = connectNats({
      url: context.natsUrl.replace(/\d+$/, String(natsPort)),
      user: 'operator',
      secrets: async () => ({ password: passwords.nats.operator, ca: authority.cert }),
      name: 'e2e',
      resolve: async () => this.#entryAddress,
      clock: nodeClock,
      logger: createLogger('error', { service: 'e2e' }),
    })
    try {
      const actor = { name: 'e2e', origin: 'e2e' }
      const client = createProvisioningClient({ link, clock: nodeClock, random: nodeRandom, actor })
      for (const [name, home] of Object.entries(homes)) {
        const address = `${name}@${DOMAIN}`
        const password = `secret of ${name}`
        // The operator tells the directory of domain and shards in its own time.
        await until(`account ${address}`, 60_000, async () => {
          const made = await client.createAccount({ address, password, home })
          if (!made.ok) throw new Error(`${made.code}: ${made.message}`)
          return made
        })
        this.#accounts.set(name, { address, password, home })
      }
    } finally {
      await link.close()
    }
  }

  async #nodePort(service: string): Promise<number> {
    const found: KubeJson = await this.kubectl.get('service', service, '-n', this.namespace)
    const [port] = (found.spec?.['ports'] ?? []) as readonly { nodePort: number }[]
    if (port === undefined) throw new Error(`Service ${service} has no port`)
    return port.nodePort
  }

  account(name: string): DemoAccount {
    const account = this.#accounts.get(name)
    if (!account) throw new Error(`No account ${name}`)
    return account
  }

  /** As `TestArray.endpoints`: where clients connect. */
  get endpoints(): Readonly<Record<ListenerName, Endpoint>> {
    const entries = [...this.#ports].map(([name, port]) => [name, { host: this.#entryAddress, port }])
    return Object.fromEntries(entries)
  }

  get ca(): string {
    return this.#services.authority.cert
  }

  /** What the containers of the array said last, for a test that failed. */
  async diagnosis(): Promise<string> {
    const ask = (...args: string[]) => this.kubectl.run(args).catch((error: unknown) => String(error))
    const parts = [
      await ask('get', 'pods', '-A', '-o', 'wide'),
      await ask('get', 'mailnodes', '-A', '-o', 'yaml'),
      await ask('get', 'events', '-A', '--sort-by=.lastTimestamp'),
      await ask('-n', SYSTEM, 'logs', '-l', 'app.kubernetes.io/component=operator', '--tail=40', '--prefix'),
      await ask(
        '-n',
        this.namespace,
        'logs',
        '-l',
        'app.kubernetes.io/component=mailnode',
        '--all-containers',
        '--tail=40',
        '--prefix',
      ),
    ]
    return parts.join('\n---\n')
  }

  /** Takes all of it away, also what an operator that is gone would leave behind. */
  async remove(): Promise<void> {
    if (process.env['KEEP'] === '1') return
    const gone = ['--ignore-not-found', '--timeout=100s']
    await this.kubectl.run(['delete', 'mailnodes', '--all', '-n', this.namespace, ...gone]).catch(() => '')
    await this.kubectl.run(['delete', 'namespace', this.namespace, ...gone])
    await this.kubectl.run(['uncordon', this.entry])
  }
}
