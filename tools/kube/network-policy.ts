/**
 * A small engine for NetworkPolicy on the nodes of tools/kube: reads pods, namespaces and policies twice a second and keeps one
 * nftables table for each node. Started by up.sh as `node tools/kube/network-policy.ts N`.
 *
 * What it knows: ingress and egress, podSelector, namespaceSelector, ipBlock with except, numbered and named ports, endPort; IPv4 with
 * TCP, UDP and SCTP. For tests only: a real cluster has a network plugin that does this.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { Agent, get } from 'node:https'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

type Labels = Readonly<Record<string, string>>
interface Selector {
  readonly matchLabels?: Labels
  readonly matchExpressions?: readonly {
    readonly key: string
    readonly operator: string
    readonly values?: readonly string[]
  }[]
}
interface PeerRule {
  readonly podSelector?: Selector
  readonly namespaceSelector?: Selector
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] }
}
interface PortRule {
  readonly protocol?: string
  readonly port?: number | string
  readonly endPort?: number
}
interface Rule {
  readonly from?: readonly PeerRule[]
  readonly to?: readonly PeerRule[]
  readonly ports?: readonly PortRule[]
}
interface Meta {
  readonly name: string
  readonly namespace: string
  readonly labels?: Labels
}
export interface Policy {
  readonly metadata: Meta
  readonly spec: {
    readonly podSelector?: Selector
    readonly policyTypes?: readonly string[]
    readonly ingress?: readonly Rule[]
    readonly egress?: readonly Rule[]
  }
}
export interface Pod {
  readonly metadata: Meta
  readonly spec: {
    readonly hostNetwork?: boolean
    readonly containers: readonly {
      readonly ports?: readonly { readonly name?: string; readonly containerPort: number; readonly protocol?: string }[]
    }[]
  }
  readonly status?: { readonly podIP?: string; readonly phase?: string }
}
export interface Namespace {
  readonly metadata: { readonly name: string; readonly labels?: Labels }
}

function matches(selector: Selector | undefined, labels: Labels = {}): boolean {
  const all = Object.entries(selector?.matchLabels ?? {}).every(([key, value]) => labels[key] === value)
  return (
    all &&
    (selector?.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
      const value = labels[key]
      switch (operator) {
        case 'In':
          return value !== undefined && values.includes(value)
        case 'NotIn':
          return value === undefined || !values.includes(value)
        case 'Exists':
          return value !== undefined
        case 'DoesNotExist':
          return value === undefined
        default:
          return false
      }
    })
  )
}

/** The whole ruleset of a node, as nft reads it. Every node has the same. */
export function rulesOf(pods: readonly Pod[], namespaces: readonly Namespace[], policies: readonly Policy[]): string {
  const labelsOf = new Map(namespaces.map(({ metadata }) => [metadata.name, metadata.labels ?? {}]))
  const live = pods
    .filter(
      ({ spec, status }) => status?.podIP && !spec.hostNetwork && ['Pending', 'Running'].includes(status.phase ?? ''),
    )
    .map((pod) => ({ ...pod, ip: pod.status?.podIP ?? '' }))
    .sort((a, b) => (a.ip < b.ip ? -1 : 1))

  /** nft expressions for the addresses of peers; null: anybody. */
  const peersOf = (rules: readonly PeerRule[] | undefined, namespace: string): string[] | null => {
    if (!rules || rules.length === 0) return null
    return rules.flatMap(({ ipBlock, podSelector, namespaceSelector }) => {
      if (ipBlock) {
        const except = ipBlock.except?.length ? ` != { ${ipBlock.except.join(', ')} }` : ''
        return [`ADDRESS ${ipBlock.cidr}${except === '' ? '' : ` ADDRESS${except}`}`]
      }
      const found = live.filter(
        ({ metadata }) =>
          (namespaceSelector
            ? matches(namespaceSelector, labelsOf.get(metadata.namespace))
            : metadata.namespace === namespace) && matches(podSelector, metadata.labels),
      )
      return found.length === 0 ? [] : [`ADDRESS { ${found.map(({ ip }) => ip).join(', ')} }`]
    })
  }
  const portsOf = (rules: readonly PortRule[] | undefined, targets: readonly Pod[]): string[] => {
    if (!rules || rules.length === 0) return ['']
    return rules.flatMap(({ protocol = 'TCP', port, endPort }) => {
      const word = protocol.toLowerCase()
      if (port === undefined) return [`meta l4proto ${word}`]
      const named = targets.flatMap(({ spec }) => spec.containers.flatMap(({ ports = [] }) => ports))
      const numbers =
        typeof port === 'number'
          ? [port]
          : [
              ...new Set(
                named
                  .filter((one) => one.name === port && (one.protocol ?? 'TCP') === protocol)
                  .map((one) => one.containerPort),
              ),
            ]
      return numbers.map((number) => `${word} dport ${number}${endPort === undefined ? '' : `-${endPort}`}`)
    })
  }

  const chains: string[] = []
  const jumps = { ingress: [] as string[], egress: [] as string[] }
  for (const pod of live) {
    const { namespace } = pod.metadata
    const own = policies.filter(
      ({ metadata, spec }) => metadata.namespace === namespace && matches(spec.podSelector, pod.metadata.labels),
    )
    for (const direction of ['ingress', 'egress'] as const) {
      const kind = direction === 'ingress' ? 'Ingress' : 'Egress'
      const selected = own.filter(({ spec }) =>
        (spec.policyTypes ?? ['Ingress', ...(spec.egress ? ['Egress'] : [])]).includes(kind),
      )
      if (selected.length === 0) continue
      const address = direction === 'ingress' ? 'ip saddr' : 'ip daddr'
      const rules = selected.flatMap(({ spec }) =>
        (spec[direction] ?? []).flatMap((rule) =>
          portsOf(rule.ports, direction === 'ingress' ? [pod] : live).flatMap((ports) => {
            const peers = peersOf(direction === 'ingress' ? rule.from : rule.to, namespace)
            const sources = peers === null ? [''] : peers.map((peer) => peer.replaceAll('ADDRESS', address))
            return sources.map((source) => `    ${[source, ports, 'accept'].filter((word) => word !== '').join(' ')}`)
          }),
        ),
      )
      const chain = `${direction}_${pod.ip.replaceAll('.', '_')}`
      chains.push(`  chain ${chain} {\n${[...rules, '    drop'].join('\n')}\n  }`)
      jumps[direction].push(`    ip ${direction === 'ingress' ? 'daddr' : 'saddr'} ${pod.ip} jump ${chain}`)
    }
  }
  // Two hooks: what a pod's egress accepts must still pass the ingress of its target.
  const hook = (name: 'egress' | 'ingress', priority: number) =>
    [
      `  chain ${name} {`,
      `    type filter hook forward priority ${priority}; policy accept;`,
      '    ct state established,related accept',
      ...jumps[name],
      '  }',
    ].join('\n')
  const table = ['table ip netpol {', ...chains, hook('egress', -10), hook('ingress', -5), '}']
  return ['table ip netpol', 'delete table ip netpol', ...table, ''].join('\n')
}

/** All objects at a path of the API, with the administrator's certificate of the cluster. */
function list<T>(pki: string, agent: Agent, path: string): Promise<T[]> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port: 6443, path, agent, timeout: 5_000, servername: 'localhost' }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        if (response.statusCode !== 200) reject(new Error(`${path}: ${response.statusCode}, certificates from ${pki}`))
        else resolve((JSON.parse(Buffer.concat(chunks).toString()) as { items: T[] }).items)
      })
    }).on('error', reject)
  })
}

async function run(nodes: number, pki: string): Promise<void> {
  const file = (name: string) => readFileSync(join(pki, name))
  const agent = new Agent({ ca: file('ca.crt'), cert: file('admin.crt'), key: file('admin.key'), keepAlive: true })
  let last = ''
  for (;;) {
    try {
      const [pods, namespaces, policies] = await Promise.all([
        list<Pod>(pki, agent, '/api/v1/pods'),
        list<Namespace>(pki, agent, '/api/v1/namespaces'),
        list<Policy>(pki, agent, '/apis/networking.k8s.io/v1/networkpolicies'),
      ])
      const rules = rulesOf(pods, namespaces, policies)
      if (rules !== last) {
        for (let node = 1; node <= nodes; node++) {
          const done = spawnSync('nsenter', [`--net=/run/netns/kn${node}`, 'nft', '-f', '-'], { input: rules })
          if (done.status !== 0) throw new Error(`node ${node}: ${done.stderr.toString()}`)
        }
        last = rules
      }
    } catch (error) {
      console.error(String(error))
    }
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const folder = process.env['TWINPOST_KUBE_DIR']
  if (folder === undefined) throw new Error('TWINPOST_KUBE_DIR is not set: this is started by tools/kube/up.sh')
  await run(Number(process.argv[2] ?? '1'), join(folder, 'run/pki'))
}
