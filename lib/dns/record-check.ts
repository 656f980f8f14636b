/**
 * Whether the DNS says what a domain should publish: one record against what was found at its name. Pure but for the questions. How a record
 * is written does not matter: blanks, case of names, order of tags.
 */
import { errorMessage } from '#lib/errors/coded-error.ts'
import { reverseName } from './address-names.ts'
import { hostAddresses } from './mail-hosts.ts'
import type { DnsResolver } from './types.ts'

export interface WantedRecord {
  /** Without the dot at its end. */
  readonly name: string
  readonly type: 'MX' | 'TXT' | 'SRV' | 'CNAME'
  /** As in a zone file; a TXT in one piece, without quotes. */
  readonly value: string
}

export type RecordState =
  | { readonly kind: 'there' }
  | { readonly kind: 'missing' }
  /** Something else of its kind is there, as another SPF record. */
  | { readonly kind: 'other'; readonly found: string }
  | { readonly kind: 'unknown'; readonly reason: string }

export async function checkRecord(wanted: WantedRecord, resolver: DnsResolver): Promise<RecordState> {
  try {
    const found = await lookUp(wanted, resolver)
    const value = plain(wanted, wanted.value)
    if (found.some((one) => plain(wanted, one) === value)) return { kind: 'there' }
    const rivals = found.filter((one) => kindOf(wanted, one) === kindOf(wanted, wanted.value))
    return rivals.length === 0 ? { kind: 'missing' } : { kind: 'other', found: rivals.join(', ') }
  } catch (error) {
    return { kind: 'unknown', reason: errorMessage(error) }
  }
}

async function lookUp({ name, type }: WantedRecord, resolver: DnsResolver): Promise<readonly string[]> {
  switch (type) {
    case 'TXT':
    case 'CNAME':
      return (await resolver.query(name, type)).records
    case 'MX':
      return (await resolver.query(name, type)).records.map(({ preference, exchange }) => `${preference} ${exchange}`)
    case 'SRV':
      return (await resolver.query(name, type)).records.map(
        ({ priority, weight, port, target }) => `${priority} ${weight} ${port} ${target}`,
      )
    default:
      return type satisfies never
  }
}

/** Two texts that mean the same are the same text. */
function plain({ type }: WantedRecord, value: string): string {
  if (type === 'CNAME') return host(value)
  if (type === 'SRV') return host(value)
  if (type === 'MX') return host(value.replace(/^\d+\s+/, '')) // the preference is up to the administrator
  if (!/^\s*[a-z]+\s*=/i.test(value) || value.startsWith('v=spf1')) return value.trim().replaceAll(/\s+/g, ' ')
  const tags = value.split(';').map((tag) => tag.replaceAll(/\s/g, ''))
  return tags
    .filter((tag) => tag !== '')
    .sort()
    .join(';')
}

/** A name has one SPF record, and many other texts. */
function kindOf({ type }: WantedRecord, value: string): string {
  return type === 'TXT' ? (/^v=[a-z0-9]+/i.exec(value)?.[0].toLowerCase() ?? value) : type
}

function host(value: string): string {
  return value.trim().toLowerCase().replace(/\.$/, '')
}

/** What receivers look at first: whether the address that mail comes from has a name that leads back to it. */
export interface HostCheck {
  readonly address: string
  /** `other`: there are names, and none of them is the host's. */
  readonly state: RecordState
}

/** @returns One entry for each address of the host; none: it has no address. @throws {DnsError} DNS_UNAVAILABLE */
export async function checkHost(host: string, resolver: DnsResolver): Promise<readonly HostCheck[]> {
  const addresses = await hostAddresses(resolver, host)
  return await Promise.all(
    addresses.map(async (address): Promise<HostCheck> => {
      try {
        const name = reverseName(address)
        const names = name === null ? [] : (await resolver.query(name, 'PTR')).records
        if (names.includes(host.toLowerCase())) return { address, state: { kind: 'there' } }
        return { address, state: names.length === 0 ? { kind: 'missing' } : { kind: 'other', found: names.join(', ') } }
      } catch (error) {
        return { address, state: { kind: 'unknown', reason: errorMessage(error) } }
      }
    }),
  )
}
