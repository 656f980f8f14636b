/**
 * From a domain to the addresses to try, or to the reason why there is none: for now (nothing is known), or for good.
 */
import { hostAddresses, hostsBeforeUs, mailHosts } from '#lib/dns/mail-hosts.ts'
import type { DnsResolver } from '#lib/dns/types.ts'
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { Random } from '#lib/ports/random.ts'
import type { RemoteAddress } from './connection.ts'

export type Route =
  | { readonly kind: 'addresses'; readonly addresses: readonly RemoteAddress[] }
  /** `reply` as if a server had said it. */
  | { readonly kind: 'failed' | 'deferred'; readonly reply: string }

export interface RouteOptions {
  readonly resolver: DnsResolver
  readonly random: Random
  /** Names of ours in MX records: mail is never given to ourselves over the network. */
  readonly ownNames: ReadonlySet<string>
  readonly port: number
}

const ADDRESSES_MAX = 12

export async function routeTo(domain: string, { resolver, random, ownNames, port }: RouteOptions): Promise<Route> {
  try {
    const found = await mailHosts(resolver, random, domain)
    if (found.kind === 'null-mx') return { kind: 'failed', reply: `556 5.1.10 ${domain} takes no mail` } // RFC 7505 section 4.2
    if (found.kind === 'no-domain') return { kind: 'failed', reply: `550 5.1.2 There is no domain ${domain}` }
    const hosts = hostsBeforeUs(found.hosts, ownNames)
    if (hosts.length === 0)
      return { kind: 'failed', reply: `554 5.4.6 ${domain} leads back to this server, and is not served here` }
    const addresses: RemoteAddress[] = []
    let unknown: unknown = null
    for (const { name } of hosts) {
      if (addresses.length >= ADDRESSES_MAX) break
      try {
        for (const address of await hostAddresses(resolver, name)) addresses.push({ host: name, address, port })
      } catch (error) {
        unknown = error
      }
    }
    if (addresses.length > 0) return { kind: 'addresses', addresses: addresses.slice(0, ADDRESSES_MAX) }
    if (unknown !== null) return { kind: 'deferred', reply: errorMessage(unknown) }
    // RFC 5321 section 5.1: MX hosts without addresses may be a mistake that is mended; a domain without MX and address takes no mail.
    if (found.implicit) return { kind: 'failed', reply: `550 5.1.2 ${domain} has no mail server` }
    return { kind: 'deferred', reply: `451 4.4.4 No mail server of ${domain} has an address` }
  } catch (error) {
    return { kind: 'deferred', reply: errorMessage(error) }
  }
}
