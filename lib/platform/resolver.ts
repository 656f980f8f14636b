/**
 * Names to addresses. In a cluster that is DNS; the local cluster writes a file of names instead, as the kubelet writes
 * /etc/hosts, and says where in TWINPOST_HOSTS_FILE. The file is read again when it changed.
 */
import { lookup as dnsLookup } from 'node:dns/promises'
import { readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'

export const RESOLVE_ERRORS = {
  RESOLVE_FAILED: { retry: true, meaning: 'A name has no address, neither in the hosts file nor in DNS.' },
} as const satisfies Record<string, ErrorSpec>

export class ResolveError extends CodedError<keyof typeof RESOLVE_ERRORS> {
  override readonly name = 'ResolveError'
}

export type Resolver = (host: string) => Promise<string>

/** @param hostsFile Lines of `address name name ...`; null: DNS only. */
export function createResolver(hostsFile: string | null): Resolver {
  let names = new Map<string, string>()
  let readAt = -1
  return async (host) => {
    if (isIP(host)) return host
    if (hostsFile !== null) {
      const changedAt = statSync(hostsFile).mtimeMs
      if (changedAt !== readAt) {
        names = parseHosts(readFileSync(hostsFile, 'utf8'))
        readAt = changedAt
      }
      const address = names.get(host.toLowerCase())
      if (address !== undefined) return address
    }
    try {
      return (await dnsLookup(host)).address
    } catch (cause) {
      throw new ResolveError('RESOLVE_FAILED', `Cannot find the address of ${host}`, { cause })
    }
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
