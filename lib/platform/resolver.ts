/**
 * Names to addresses. In a cluster that is its DNS (cluster-names.ts); the local cluster writes files of names instead, as the kubelet writes
 * /etc/hosts, and says where in TWINPOST_HOSTS_FILE. A file is read again when it changed.
 */
import { lookup as dnsLookup } from 'node:dns/promises'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { delimiter } from 'node:path'
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'
import { type ClusterLookup, clusterDns, createClusterLookup } from './cluster-names.ts'

const RESOLV_CONF = '/etc/resolv.conf'

export const RESOLVE_ERRORS = {
  RESOLVE_FAILED: { retry: true, meaning: 'A name has no address, neither in the hosts file nor in DNS.' },
} as const satisfies Record<string, ErrorSpec>

export class ResolveError extends CodedError<keyof typeof RESOLVE_ERRORS> {
  override readonly name = 'ResolveError'
}

export type Resolver = (host: string) => Promise<string>
/** Every address of a name: that of a headless Service has one for each pod. */
export type ManyResolver = (host: string) => Promise<readonly string[]>

/**
 * @param hostsFiles Paths with `:` between them, or null: DNS only. Their lines are `address name name ...`; the first file
 *   that has a name wins, and one that does not exist has none.
 */
export function createResolver(hostsFiles: string | null): Resolver {
  const resolve = createManyResolver(hostsFiles)
  return async (host) => {
    const [first] = await resolve(host)
    if (first === undefined) throw new ResolveError('RESOLVE_FAILED', `Cannot find the address of ${host}`)
    return first
  }
}

/** @param hostsFiles As for `createResolver`; a name has all the addresses that the first file with it gives. */
export function createManyResolver(hostsFiles: string | null): ManyResolver {
  const lookups = (hostsFiles ?? '')
    .split(delimiter)
    .filter((path) => path !== '')
    .map(hostsLookup)
  const inCluster = clusterLookupHere()
  return async (host) => {
    if (isIP(host)) return [host]
    for (const lookup of lookups) {
      const addresses = lookup(host.toLowerCase())
      if (addresses !== undefined) return addresses
    }
    try {
      const found = await inCluster?.(host)
      if (found !== undefined) {
        if (found.length > 0) return found
        throw new Error('the DNS of the cluster has none')
      }
      return (await dnsLookup(host, { all: true })).map(({ address }) => address)
    } catch (cause) {
      throw new ResolveError('RESOLVE_FAILED', `Cannot find the address of ${host}`, { cause })
    }
  }
}

/** Null: this is no pod. */
function clusterLookupHere(): ClusterLookup | null {
  const dns = existsSync(RESOLV_CONF) ? clusterDns(readFileSync(RESOLV_CONF, 'utf8')) : null
  return dns === null ? null : createClusterLookup(dns)
}

function hostsLookup(path: string): (host: string) => readonly string[] | undefined {
  let names = new Map<string, readonly string[]>()
  let readAt = 0
  return (host) => {
    const changedAt = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
    if (changedAt !== readAt) {
      names = changedAt === 0 ? new Map() : parseHosts(readFileSync(path, 'utf8'))
      readAt = changedAt
    }
    return names.get(host)
  }
}

/** Format of hosts(5): comments after `#`, the address first; a name on several lines has several addresses. */
export function parseHosts(text: string): Map<string, readonly string[]> {
  const names = new Map<string, readonly string[]>()
  for (const line of text.split('\n')) {
    const [address, ...hosts] = line.replace(/#.*/, '').trim().split(/\s+/)
    if (!address) continue
    for (const host of hosts.map((one) => one.toLowerCase())) {
      const known = names.get(host) ?? []
      if (!known.includes(address)) names.set(host, [...known, address])
    }
  }
  return names
}
