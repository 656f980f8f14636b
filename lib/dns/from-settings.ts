/** The resolver of a service, from what its settings say. */
import { getServers } from 'node:dns'
import { isIP } from 'node:net'
import type { Clock } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import type { DnsResolver } from './types.ts'
import { type NameServer, udpResolver } from './udp-resolver.ts'
import { zoneFileResolver } from './zone-file.ts'

export interface DnsSettings {
  /** Name servers as address or address:port with commas between; null: those of the system. */
  readonly dnsServers: string | null
  /** File of names in master format, in place of DNS; null: none. */
  readonly zoneFile: string | null
}

const DNS_PORT = 53

export function openResolver({ dnsServers, zoneFile }: DnsSettings, clock: Clock, random: Random): DnsResolver {
  if (zoneFile !== null) return zoneFileResolver(zoneFile)
  return udpResolver({
    servers: (dnsServers?.split(',').map((one) => one.trim()) ?? getServers()).map(nameServer),
    trustAd: false, // until a validating resolver comes with the chart
    clock,
    random,
  })
}

/** As `192.0.2.1`, `192.0.2.1:5353`, `[2001:db8::1]:5353`. */
function nameServer(text: string): NameServer {
  if (isIP(text) !== 0) return { address: text, port: DNS_PORT }
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(text) ?? []
  return { address: bracketed ?? plain ?? text, port: Number(port ?? DNS_PORT) }
}
