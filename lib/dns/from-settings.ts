/** The resolver of a service, from what its settings say. */
import { getServers } from 'node:dns'
import { isIP } from 'node:net'
import type { Clock } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import type { DnsResolver } from './types.ts'
import { type NameServer, udpResolver } from './udp-resolver.ts'
import { zoneFileResolver } from './zone-file.ts'

export interface DnsSettings {
  /** Name servers as address, address:port or tls://name with commas between; null: those of the system. */
  readonly dnsServers: string | null
  /** File of names in master format, in place of DNS; null: none. */
  readonly zoneFile: string | null
}

const DNS_PORT = 53
/** RFC 7858 section 3.1. */
const DNS_OVER_TLS_PORT = 853
const TLS = 'tls://'

/** @param ca Authorities for name servers that are asked over TLS; null: those of the system. */
export function openResolver(
  { dnsServers, zoneFile }: DnsSettings,
  clock: Clock,
  random: Random,
  ca: () => string | null,
): DnsResolver {
  if (zoneFile !== null) return zoneFileResolver(zoneFile)
  const texts = dnsServers?.split(',').map((one) => one.trim()) ?? getServers()
  const servers = texts.map((text) => nameServer(text, ca))
  return udpResolver({ servers, trustAd: servers.every(isSafe), clock, random })
}

/** Nobody on the way can say that an answer was validated (rules.md, Names). */
function isSafe({ address, tls }: NameServer): boolean {
  return tls !== undefined || /^127\.|^::1$|^localhost$/.test(address)
}

/** As `192.0.2.1`, `192.0.2.1:5353`, `[2001:db8::1]:5353`, `tls://resolver.example`, `tls://192.0.2.1:8853`. */
export function nameServer(text: string, ca: () => string | null): NameServer {
  const tls = text.startsWith(TLS)
  const place = tls ? text.slice(TLS.length) : text
  const [, bracketed, plain, port] = isIP(place) === 0 ? (/^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(place) ?? []) : []
  const address = bracketed ?? plain ?? place
  if (!tls) return { address, port: Number(port ?? DNS_PORT) }
  return { address, port: Number(port ?? DNS_OVER_TLS_PORT), tls: { name: address, ca } }
}
