/** What the rest of the system asks of DNS. Adapters: `udp-resolver.ts` (the network), `zone-file.ts` (a file, for one machine and tests). */
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'

export const DNS_ERRORS = {
  DNS_UNAVAILABLE: {
    smtp: '451 4.4.3',
    retry: true,
    meaning: 'No name server answered in time, or it failed to find out (SERVFAIL): nothing is known of the name.',
  },
  DNS_ZONE_FILE: { retry: false, meaning: 'A line of the zone file cannot be read: correct it.' },
} as const satisfies Record<string, ErrorSpec>

export class DnsError extends CodedError<keyof typeof DNS_ERRORS> {
  override readonly name = 'DnsError'
}

export interface MxRecord {
  readonly preference: number
  /** Lower case, without the dot at its end; empty: the null MX (RFC 7505). */
  readonly exchange: string
}

/** RFC 2782. */
export interface SrvRecord {
  readonly priority: number
  readonly weight: number
  readonly port: number
  readonly target: string
}

/** RFC 6698 section 2.1. */
export interface TlsaRecord {
  readonly usage: number
  readonly selector: number
  readonly matching: number
  readonly data: Buffer
}

export interface DnsRecordData {
  readonly A: string
  readonly AAAA: string
  readonly MX: MxRecord
  /** Strings of one record joined, as RFC 7208 section 3.3 and others want it. */
  readonly TXT: string
  readonly CNAME: string
  readonly PTR: string
  readonly SRV: SrvRecord
  readonly TLSA: TlsaRecord
}
export type DnsType = keyof DnsRecordData

export interface DnsAnswer<T extends DnsType> {
  /** `no-name`: NXDOMAIN; `no-data`: the name exists, and has no such record. */
  readonly kind: 'records' | 'no-data' | 'no-name'
  /** Behind all aliases. */
  readonly records: readonly DnsRecordData[T][]
  /** The name server has validated it (AD) and is believed. */
  readonly secure: boolean
  /** How long the answer holds, in seconds. */
  readonly ttlSeconds: number
}

export interface DnsResolver {
  /** @throws {DnsError} DNS_UNAVAILABLE */
  query<T extends DnsType>(name: string, type: T): Promise<DnsAnswer<T>>
}

/** Aliases that are followed: longer chains are a mistake or an attack. */
export const ALIASES_MAX = 8
