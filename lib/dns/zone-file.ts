/**
 * Names out of a file in the master format (RFC 1035 section 5.1), one record on a line: `example.net. IN MX 10 mx.example.net.`
 * For one machine and for tests: nothing leaves loopback. A name that the file does not have does not exist.
 */
import { readFileSync, statSync } from 'node:fs'
import { isIPv4, isIPv6 } from 'node:net'
import { ALIASES_MAX, type DnsAnswer, DnsError, type DnsRecordData, type DnsResolver, type DnsType } from './types.ts'

type Zone = ReadonlyMap<string, Partial<{ [T in DnsType]: DnsRecordData[T][] }>>

const TYPES: readonly DnsType[] = ['A', 'AAAA', 'MX', 'TXT', 'CNAME', 'PTR', 'SRV', 'TLSA']
const TTL_SECONDS = 5

/** Reads the file again when it has changed; a file that does not exist has no names. */
export function zoneFileResolver(path: string): DnsResolver {
  let zone: Zone = new Map()
  let readAt = 0
  return zoneResolver(() => {
    const changedAt = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
    if (changedAt !== readAt) {
      zone = changedAt === 0 ? new Map() : parseZone(readFileSync(path, 'utf8'))
      readAt = changedAt
    }
    return zone
  })
}

/** @param zone Asked for each question. */
export function zoneResolver(zone: () => Zone): DnsResolver {
  return {
    async query<T extends DnsType>(name: string, type: T): Promise<DnsAnswer<T>> {
      const names = zone()
      let at = lowerName(name)
      for (let aliases = 0; aliases <= ALIASES_MAX; aliases++) {
        const entry = names.get(at)
        if (entry === undefined) return { kind: 'no-name', records: [], secure: false, ttlSeconds: TTL_SECONDS }
        const records = entry[type] ?? []
        const alias = entry.CNAME?.[0]
        if (records.length > 0 || alias === undefined || type === 'CNAME') {
          return { kind: records.length > 0 ? 'records' : 'no-data', records, secure: false, ttlSeconds: TTL_SECONDS }
        }
        at = alias
      }
      throw new DnsError('DNS_UNAVAILABLE', `Cannot resolve ${name}: more than ${ALIASES_MAX} aliases`)
    },
  }
}

/** @throws {DnsError} DNS_ZONE_FILE naming the line */
export function parseZone(text: string): Zone {
  const zone = new Map<string, Partial<{ [T in DnsType]: DnsRecordData[T][] }>>()
  text.split('\n').forEach((line, i) => {
    const words = line
      .replace(/;[^"]*$/, '')
      .trim()
      .split(/\s+/)
    const [owner = ''] = words
    if (owner === '') return
    const rest = words.slice(1)
    // Before the type a time to live and the class may stand, in any order.
    while (rest[0] !== undefined && (/^\d+$/.test(rest[0]) || rest[0].toUpperCase() === 'IN')) rest.shift()
    const type = TYPES.find((one) => one === rest[0]?.toUpperCase())
    const data = rest.slice(1)
    const entry = zone.get(lowerName(owner)) ?? {}
    zone.set(lowerName(owner), entry)
    const [first = '', second = ''] = data
    if (type === 'A' && isIPv4(first)) add(entry, 'A', first)
    else if (type === 'AAAA' && isIPv6(first)) add(entry, 'AAAA', first)
    else if (type === 'SRV' && data.length === 4 && data.slice(0, 3).every(isNumber)) {
      const [priority = 0, weight = 0, port = 0] = data.slice(0, 3).map(Number)
      add(entry, 'SRV', { priority, weight, port, target: lowerName(data[3] ?? '') })
    } else if (type === 'TLSA' && data.length > 3 && data.slice(0, 3).every(isNumber)) {
      const [usage = 0, selector = 0, matching = 0] = data.slice(0, 3).map(Number)
      add(entry, 'TLSA', { usage, selector, matching, data: Buffer.from(data.slice(3).join(''), 'hex') })
    } else if (type === 'MX' && isNumber(first) && second !== '') {
      add(entry, 'MX', { preference: Number(first), exchange: lowerName(second) })
    } else if ((type === 'CNAME' || type === 'PTR') && first !== '') add(entry, type, lowerName(first))
    else if (type === 'TXT' && first !== '') {
      add(
        entry,
        'TXT',
        [...data.join(' ').matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '').join(''),
      )
    } else throw new DnsError('DNS_ZONE_FILE', `Cannot read line ${i + 1} of the zone file: ${line.trim()}`)
  })
  return zone
}

function add<T extends DnsType>(
  entry: Partial<{ [K in DnsType]: DnsRecordData[K][] }>,
  type: T,
  data: DnsRecordData[T],
): void {
  const list: DnsRecordData[T][] = entry[type] ?? []
  list.push(data)
  Object.assign(entry, { [type]: list })
}

function lowerName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
}

function isNumber(word: string): boolean {
  return /^\d{1,5}$/.test(word)
}
