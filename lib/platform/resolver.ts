/**
 * Names to addresses. In a cluster that is DNS; the local cluster writes files of names instead, as the kubelet writes
 * /etc/hosts, and says where in TWINPOST_HOSTS_FILE. A file is read again when it changed.
 */
import { lookup as dnsLookup } from 'node:dns/promises'
import { readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { delimiter } from 'node:path'
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'

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

/** @param hostsFiles As for `createResolver`; a file gives one address. */
export function createManyResolver(hostsFiles: string | null): ManyResolver {
  const lookups = (hostsFiles ?? '')
    .split(delimiter)
    .filter((path) => path !== '')
    .map(hostsLookup)
  return async (host) => {
    if (isIP(host)) return [host]
    for (const lookup of lookups) {
      const address = lookup(host.toLowerCase())
      if (address !== undefined) return [address]
    }
    try {
      return (await dnsLookup(host, { all: true })).map(({ address }) => address)
    } catch (cause) {
      throw new ResolveError('RESOLVE_FAILED', `Cannot find the address of ${host}`, { cause })
    }
  }
}

function hostsLookup(path: string): (host: string) => string | undefined {
  let names = new Map<string, string>()
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

/** Format of hosts(5): comments after `#`, the address first. */
export function parseHosts(text: string): Map<string, string> {
  const names = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [address, ...hosts] = line.replace(/#.*/, '').trim().split(/\s+/)
    if (!address) continue
    for (const host of hosts) names.set(host.toLowerCase(), address)
  }
  return names
}
