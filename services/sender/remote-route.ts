/**
 * From a domain to the addresses to try and what TLS with each must show, or to the reason why there is none: for now (nothing is known, or
 * nothing that may be used), or for good.
 */
import { isIP } from 'node:net'
import type { Smarthost } from '#lib/directory/domain-sending.ts'
import { hostAddresses, hostsBeforeUs, mailHosts, securedAddresses } from '#lib/dns/mail-hosts.ts'
import { ALIASES_MAX, type DnsResolver } from '#lib/dns/types.ts'
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { Random } from '#lib/ports/random.ts'
import { usableRecords } from '#lib/tls-policy/dane.ts'
import { isInPolicy } from '#lib/tls-policy/mta-sts.ts'
import type { TlsSession } from '#lib/tls-policy/tls-report.ts'
import type { RemoteAddress } from './connection.ts'
import type { FoundPolicy, StsPolicies } from './sts-policies.ts'
import type { TlsDemand } from './tls-demand.ts'

export type Route = {
  /** For reports: what a policy forbids before anybody is connected to. */
  readonly notices: readonly Omit<TlsSession, 'domain'>[]
} & (
  | { readonly kind: 'addresses'; readonly addresses: readonly RemoteAddress[] }
  /** `reply` as if a server had said it. */
  | { readonly kind: 'failed' | 'deferred'; readonly reply: string }
)

export interface RouteOptions {
  readonly resolver: DnsResolver
  readonly random: Random
  /** Names of ours in MX records: mail is never given to ourselves over the network. */
  readonly ownNames: ReadonlySet<string>
  readonly port: number
  /** null: TLS is not asked for at all, or asked for without proof. */
  readonly policies: Pick<StsPolicies, 'of'> | null
}

const ADDRESSES_MAX = 12
const NOTHING_DEMANDED: TlsDemand = { kind: 'none' }

export async function routeTo(domain: string, options: RouteOptions): Promise<Route> {
  const notices: Omit<TlsSession, 'domain'>[] = []
  const refuse = (kind: 'failed' | 'deferred', reply: string): Route => ({ kind, reply, notices })
  const { resolver, random, ownNames, port, policies } = options
  try {
    const found = await mailHosts(resolver, random, domain)
    if (found.kind === 'null-mx') return refuse('failed', `556 5.1.10 ${domain} takes no mail`) // RFC 7505 section 4.2
    if (found.kind === 'no-domain') return refuse('failed', `550 5.1.2 There is no domain ${domain}`)
    const hosts = hostsBeforeUs(found.hosts, ownNames)
    if (hosts.length === 0)
      return refuse('failed', `554 5.4.6 ${domain} leads back to this server, and is not served here`)
    const sts = (await policies?.of(domain)) ?? null
    if (sts?.failure) notices.push(notice('sts', sts.failure, '', sts.reason))
    const addresses: RemoteAddress[] = []
    let unknown: unknown = null
    let forbidden = false
    for (const { name } of hosts) {
      if (addresses.length >= ADDRESSES_MAX) break
      try {
        const { addresses: ofHost, secure } = await securedAddresses(resolver, name)
        const dane = found.secure && secure && policies !== null ? await daneDemand(name, domain, options) : null
        const demand = dane ?? stsDemand(name, sts)
        if (demand === 'forbidden') {
          notices.push(notice('sts', 'validation-failure', name, 'the policy does not name this MX'))
          forbidden = true
          continue
        }
        for (const address of ofHost) addresses.push({ host: name, address, port, demand })
      } catch (error) {
        unknown = error
      }
    }
    if (addresses.length > 0) return { kind: 'addresses', addresses: addresses.slice(0, ADDRESSES_MAX), notices }
    if (unknown !== null) return refuse('deferred', errorMessage(unknown))
    if (forbidden) return refuse('deferred', `451 4.7.5 No MX of ${domain} is one that its MTA-STS policy names`)
    // RFC 5321 section 5.1: MX hosts without addresses may be a mistake that is mended; a domain without MX and address takes no mail.
    if (found.implicit) return refuse('failed', `550 5.1.2 ${domain} has no mail server`)
    return refuse('deferred', `451 4.4.4 No mail server of ${domain} has an address`)
  } catch (error) {
    return refuse('deferred', errorMessage(error))
  }
}

/**
 * TLSA records of the host, or null if it has none (RFC 7672 section 2.2). Asked for only where MX and addresses were validated.
 * @throws {DnsError} DNS_UNAVAILABLE: then the host cannot be used, for somebody may be hiding its records (section 2.1.2)
 */
async function daneDemand(host: string, domain: string, { resolver, port }: RouteOptions): Promise<TlsDemand | null> {
  // Records may lie at the end of the aliases, if all of the way was validated, or else at its beginning (section 2.2.2).
  let end = host
  for (let aliases = 0; aliases < ALIASES_MAX; aliases++) {
    const { records, secure } = await resolver.query(end, 'CNAME')
    if (!secure || records[0] === undefined) break
    end = records[0]
  }
  for (const base of new Set([end, host])) {
    const { kind, records, secure } = await resolver.query(`_${port}._tcp.${base}`, 'TLSA')
    if (kind === 'records' && secure) {
      return { kind: 'dane', records: usableRecords(records), names: [...new Set([base, host, domain])] }
    }
  }
  return null
}

function stsDemand(host: string, sts: FoundPolicy | null): TlsDemand | 'forbidden' {
  const policy = sts?.policy ?? null
  if (policy === null || policy.mode === 'none') return NOTHING_DEMANDED
  const enforce = policy.mode === 'enforce'
  if (isInPolicy(policy, host)) return { kind: 'sts', enforce }
  return enforce ? 'forbidden' : NOTHING_DEMANDED
}

function notice(
  policy: TlsSession['policy'],
  failure: NonNullable<TlsSession['failure']>,
  host: string,
  reason: string,
): Omit<TlsSession, 'domain'> {
  return { policy, failure, host, address: '', reason }
}

/** To the one server that takes all that a Domain of ours sends. */
export async function routeVia({ host, port, tls, login }: Smarthost, resolver: DnsResolver): Promise<Route> {
  try {
    const addresses = isIP(host) === 0 ? await hostAddresses(resolver, host) : [host]
    if (addresses.length === 0)
      return { kind: 'deferred', reply: `451 4.4.4 The smarthost ${host} has no address`, notices: [] }
    const demand: TlsDemand = tls === 'opportunistic' ? NOTHING_DEMANDED : { kind: 'known' }
    const way = { host, port, demand, login, implicitTls: tls === 'implicit' }
    return { kind: 'addresses', addresses: addresses.map((address) => ({ ...way, address })), notices: [] }
  } catch (error) {
    return { kind: 'deferred', reply: errorMessage(error), notices: [] }
  }
}
