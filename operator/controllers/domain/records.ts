/**
 * The DNS records that a Domain wants published, as a list for forms of DNS providers and as lines of a zone file. Pure: the same
 * Domain and keys give the same bytes. Only what works is in it: what a web server must serve comes with the name of that server.
 */
import { createHash } from 'node:crypto'
import type { DnsRecord } from '#operator/api/domain.ts'
import type { Domain } from '#operator/api/mod.ts'
import { dkimRecords, type KeySet } from './keys.ts'

const TTL_S = 3_600
const MX_PREFERENCE = 10
/** One character-string of a TXT record (RFC 1035 section 3.3). */
const TXT_PIECE_BYTES_MAX = 255
/** A week, as RFC 8461 section 3.2 recommends weeks: a policy that is wrong is forgotten in bearable time. */
const MTA_STS_MAX_AGE_S = 604_800
/** RFC 6186 and 8314: implicit TLS before STARTTLS. */
const CLIENT_SERVICES = [
  { service: '_submissions', priority: 0, port: 465 },
  { service: '_submission', priority: 10, port: 587 },
  { service: '_imaps', priority: 0, port: 993 },
  { service: '_pop3s', priority: 10, port: 995 },
] as const

/** @param mailHostname Name of the array: every domain's MX. @param sets All that must be in the DNS, also retired ones. */
export function dnsRecords(domain: Domain, mailHostname: string, sets: readonly KeySet[]): DnsRecord[] {
  const { name, dns } = domain.spec
  const reports = `mailto:${dns.reports ?? `postmaster@${name}`}`
  const record = (purpose: DnsRecord['purpose'], owner: string, type: DnsRecord['type'], value: string): DnsRecord => ({
    purpose,
    name: owner === '' ? name : `${owner}.${name}`,
    type,
    value,
  })
  const policy = mtaStsPolicy(domain, mailHostname)
  const includes = dns.spf.includes.map((included) => `include:${included} `).join('')
  return [
    record('MX', '', 'MX', `${MX_PREFERENCE} ${mailHostname}.`),
    record('SPF', '', 'TXT', `v=spf1 mx ${includes}${dns.spf.others === 'fail' ? '-all' : '~all'}`),
    ...sets.flatMap(dkimRecords).map(({ selector, text }) => record('DKIM', `${selector}._domainkey`, 'TXT', text)),
    record('DMARC', '_dmarc', 'TXT', `v=DMARC1; p=${dns.dmarc}; rua=${reports}`),
    record('TLS-RPT', '_smtp._tls', 'TXT', `v=TLSRPTv1; rua=${reports}`),
    ...(policy === null || dns.mtaSts.host === undefined
      ? []
      : [
          record('MTA-STS', '_mta-sts', 'TXT', `v=STSv1; id=${policyId(policy)};`),
          record('MTA-STS', 'mta-sts', 'CNAME', `${dns.mtaSts.host}.`),
        ]),
    ...CLIENT_SERVICES.map(({ service, priority, port }) =>
      record('SRV', `${service}._tcp`, 'SRV', `${priority} 1 ${port} ${mailHostname}.`),
    ),
    ...(dns.autoconfigHost === undefined
      ? []
      : [record('autoconfig', 'autoconfig', 'CNAME', `${dns.autoconfigHost}.`)]),
  ]
}

/** Text of the policy (RFC 8461 section 3.2), or null where the Domain wants none. */
export function mtaStsPolicy(domain: Domain, mailHostname: string): string | null {
  const { mode } = domain.spec.dns.mtaSts
  if (mode === 'none') return null
  return ['version: STSv1', `mode: ${mode}`, `mx: ${mailHostname}`, `max_age: ${MTA_STS_MAX_AGE_S}`, ''].join('\r\n')
}

/** Another policy has another id, or senders would not fetch it. */
function policyId(policy: string): string {
  return createHash('sha256').update(policy).digest('hex').slice(0, 32)
}

/** Lines with whole names: they may be put into any zone file. */
export function zoneFile(records: readonly DnsRecord[]): string {
  return records
    .map(({ name, type, value }) => `${name}. ${TTL_S} IN ${type} ${type === 'TXT' ? quoted(value) : value}\n`)
    .join('')
}

function quoted(text: string): string {
  const pieces: string[] = []
  for (let at = 0; at < text.length; at += TXT_PIECE_BYTES_MAX) pieces.push(text.slice(at, at + TXT_PIECE_BYTES_MAX))
  return pieces.map((piece) => `"${piece.replaceAll(/["\\]/g, '\\$&')}"`).join(' ')
}

/** Whether a TXT record that was found says what `wanted` says: blanks and the order of tags do not matter (RFC 6376 section 3.2). */
export function saysSameKey(found: string, wanted: string): boolean {
  const [a, b] = [tagsOf(found), tagsOf(wanted)]
  // `k` is rsa where it is missing.
  return a.get('p') === b.get('p') && (a.get('k') ?? 'rsa') === (b.get('k') ?? 'rsa')
}

function tagsOf(text: string): Map<string, string> {
  return new Map(
    text.split(';').flatMap((tag): [string, string][] => {
      const equals = tag.indexOf('=')
      return equals < 0 ? [] : [[tag.slice(0, equals).trim(), tag.slice(equals + 1).replaceAll(/\s/g, '')]]
    }),
  )
}
