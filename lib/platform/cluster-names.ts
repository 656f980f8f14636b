/**
 * Names of Services and pods of a Kubernetes cluster (`n1-0.n1.mail.svc`), asked of its DNS without getaddrinfo: that one waits 5 s for each
 * lost packet, tries every search domain in turn, and holds a thread of the pool which passwords and disks need as well. When a node
 * with one of the DNS servers dies, half of all questions go to it until Kubernetes notices (40 s and more); then every wait
 * here would end in sessions that are not served, although their primary lives.
 *
 * Each question goes out on a socket of its own, so that the proxy in front of the servers chooses anew; what is not answered at
 * all is what was known last. An address is never trusted: whoever is there shows a certificate.
 */
import { Resolver } from 'node:dns/promises'
import { errorCode } from '#lib/errors/coded-error.ts'

const ATTEMPT_MS = 300
const ATTEMPTS = 4
const NO_SUCH_NAME: readonly string[] = ['ENOTFOUND', 'ENODATA']

export interface ClusterDns {
  /** As cluster.local. */
  readonly domain: string
  /** Addresses of servers, each with a port where it is not 53. */
  readonly servers: readonly string[]
}

/** What resolv.conf(5) of a pod says; null: this is no pod. */
export function clusterDns(resolvConf: string): ClusterDns | null {
  const lines = resolvConf.split('\n').map((line) => line.trim().split(/\s+/))
  const search = lines.findLast(([keyword]) => keyword === 'search')?.slice(1) ?? []
  const domain = search.find((name) => name.startsWith('svc.'))?.slice('svc.'.length)
  const servers = lines.flatMap(([keyword, address]) => (keyword === 'nameserver' && address ? [address] : []))
  return domain === undefined || servers.length === 0 ? null : { domain, servers }
}

/** All addresses of a name; empty: there is none, or nobody answered and none was known. Undefined: not a name of the cluster. */
export type ClusterLookup = (host: string) => Promise<readonly string[] | undefined>

export function createClusterLookup({ domain, servers }: ClusterDns): ClusterLookup {
  const known = new Map<string, readonly string[]>()

  const ask = (host: string): Promise<readonly string[]> => {
    const resolver = new Resolver({ timeout: ATTEMPT_MS, tries: 1 })
    resolver.setServers(servers)
    return resolver.resolve4(`${host}.${domain}`)
  }

  return async (host) => {
    if (!host.endsWith('.svc')) return undefined
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      try {
        const addresses = await ask(host)
        known.set(host, addresses)
        return addresses
      } catch (error) {
        if (!NO_SUCH_NAME.includes(errorCode(error) ?? '')) continue
        known.delete(host)
        return []
      }
    }
    return known.get(host) ?? []
  }
}
