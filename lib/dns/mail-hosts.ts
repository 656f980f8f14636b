/**
 * Where mail for a domain goes (RFC 5321 section 5.1, RFC 7505): its MX hosts in order of preference, those of equal preference in
 * random order; without MX the domain itself. Decides only; the resolver and chance come in.
 */
import type { Random } from '#lib/ports/random.ts'
import type { DnsResolver } from './types.ts'

/** RFC 5321 wants two tried at least; beyond these nobody waits. */
const HOSTS_MAX = 10
/** Addresses of one host. */
const ADDRESSES_MAX = 4

export interface MailHost {
  readonly name: string
  readonly preference: number
}

export type MailHosts =
  /** `secure`: the answer was validated, as DANE demands it. */
  | {
      readonly kind: 'hosts'
      readonly hosts: readonly MailHost[]
      readonly implicit: boolean
      readonly secure: boolean
    }
  /** The domain says that it takes no mail: 556 5.1.10. */
  | { readonly kind: 'null-mx' }
  /** There is no such domain: 550 5.1.2. */
  | { readonly kind: 'no-domain' }

/** @throws {DnsError} DNS_UNAVAILABLE: nothing is known, try again later */
export async function mailHosts(resolver: DnsResolver, random: Random, domain: string): Promise<MailHosts> {
  const answer = await resolver.query(domain, 'MX')
  if (answer.kind === 'no-name') return { kind: 'no-domain' }
  const { secure } = answer
  if (answer.kind === 'no-data') {
    return { kind: 'hosts', hosts: [{ name: domain, preference: 0 }], implicit: true, secure }
  }
  // RFC 7505 section 3: a null MX beside others is a mistake, and the others count.
  const named = answer.records.filter(({ exchange }) => exchange !== '')
  if (named.length === 0) return { kind: 'null-mx' }
  const hosts = named
    .map(({ exchange, preference }) => ({ name: exchange, preference, chance: random.fraction() }))
    .sort((a, b) => a.preference - b.preference || a.chance - b.chance)
    .slice(0, HOSTS_MAX)
    .map(({ name, preference }) => ({ name, preference }))
  return { kind: 'hosts', hosts, implicit: false, secure }
}

/**
 * RFC 5321 section 5.1: a server that finds itself in the list must not give mail to hosts of its own or a worse preference.
 * @returns The hosts before it; empty: the domain points at us, and we do not know it
 */
export function hostsBeforeUs(hosts: readonly MailHost[], ownNames: ReadonlySet<string>): readonly MailHost[] {
  const own = hosts.find(({ name }) => ownNames.has(name))
  return own === undefined ? hosts : hosts.filter(({ preference }) => preference < own.preference)
}

/**
 * Addresses of a host, IPv6 and IPv4 in turns. One family without an answer is no reason not to try the other.
 * @throws {DnsError} DNS_UNAVAILABLE if neither gave one and at least one failed
 */
export async function hostAddresses(resolver: DnsResolver, name: string): Promise<string[]> {
  return [...(await securedAddresses(resolver, name)).addresses]
}

/** The same, and whether all that was said of them was validated. @throws {DnsError} DNS_UNAVAILABLE */
export async function securedAddresses(
  resolver: DnsResolver,
  name: string,
): Promise<{ readonly addresses: readonly string[]; readonly secure: boolean }> {
  const [six, four] = await Promise.allSettled([resolver.query(name, 'AAAA'), resolver.query(name, 'A')])
  const sixes = six.status === 'fulfilled' ? six.value.records : []
  const fours = four.status === 'fulfilled' ? four.value.records : []
  if (sixes.length + fours.length === 0) {
    if (four.status === 'rejected') throw four.reason
    if (six.status === 'rejected') throw six.reason
  }
  const addresses: string[] = []
  for (let i = 0; i < Math.max(sixes.length, fours.length); i++) {
    for (const list of [sixes, fours]) {
      const address = list[i]
      if (address !== undefined) addresses.push(address)
    }
  }
  const secure = [six, four].every((answer) => answer.status === 'fulfilled' && answer.value.secure)
  return { addresses: addresses.slice(0, ADDRESSES_MAX), secure }
}
