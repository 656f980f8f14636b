/**
 * Asks name servers (RFC 1035, EDNS of RFC 6891): UDP first, TCP where the answer did not fit, or TLS alone where a server wants it; the
 * next server where one is silent or fails. They are recursive; ours is the stub.
 *
 * An answer counts only if it comes from the server that was asked, on a socket of its own, with the number and the question that
 * were sent. What it says is kept for its time to live.
 */
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import { type Answer, decode, encode, type Packet, RECURSION_DESIRED } from 'dns-packet'
import { WeightedLru } from '#lib/cache/weighted-lru.ts'
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import { TlsChannel, type TlsServer } from './tls-channel.ts'
import { ALIASES_MAX, type DnsAnswer, DnsError, type DnsRecordData, type DnsResolver, type DnsType } from './types.ts'

export interface NameServer {
  readonly address: string
  readonly port: number
  /** Asked over TLS, and over nothing else; absent: UDP and TCP. */
  readonly tls?: Pick<TlsServer, 'name' | 'ca'>
}

export interface UdpResolverOptions {
  readonly servers: readonly NameServer[]
  /** The way to the servers is safe (loopback or TLS), so that AD may be believed. */
  readonly trustAd: boolean
  readonly clock: Clock
  readonly random: Random
  /** For one try at one server. */
  readonly timeoutMs?: number
}

const TIMEOUT_MS = 2_000
const ROUNDS = 2
const UDP_PAYLOAD_BYTES = 1_232 // fits where IPv6 is not fragmented
const KEPT_ANSWERS = 10_000
const TTL_SECONDS_MAX = 3_600
const NO_ERROR = 0
const NAME_ERROR = 3
const NEGATIVE_TTL_SECONDS = 60

export function udpResolver(options: UdpResolverOptions): DnsResolver {
  const channels = new Map(
    options.servers.flatMap((server) =>
      server.tls === undefined ? [] : [[server, new TlsChannel({ ...server, ...server.tls }, options.clock)]],
    ),
  )
  const kept = new WeightedLru<string, { readonly answer: DnsAnswer<DnsType>; readonly untilMs: number }>(KEPT_ANSWERS)
  return {
    async query<T extends DnsType>(name: string, type: T): Promise<DnsAnswer<T>> {
      const key = `${type} ${name.toLowerCase()}`
      const known = kept.get(key)
      // The key names the type, so what is kept under it is of this type.
      if (known !== undefined && known.untilMs > options.clock.monotonicMs()) return known.answer as DnsAnswer<T>
      const answer = readAnswer(await ask(options, channels, name, type), name, type, options.trustAd)
      kept.set(key, { answer, untilMs: options.clock.monotonicMs() + answer.ttlSeconds * 1000 }, 1)
      return answer
    },
  }
}

/** @throws {DnsError} DNS_UNAVAILABLE when no server could say */
async function ask(
  options: UdpResolverOptions,
  channels: ReadonlyMap<NameServer, TlsChannel>,
  name: string,
  type: DnsType,
): Promise<Packet> {
  let last = 'no name server is set up'
  for (let round = 0; round < ROUNDS; round++) {
    for (const server of options.servers) {
      const [high = 0, low = 0] = options.random.bytes(2)
      const question = {
        type: 'query' as const,
        id: high * 256 + low,
        flags: RECURSION_DESIRED,
        questions: [{ type, name }],
        additionals: [
          {
            type: 'OPT' as const,
            name: '.' as const,
            udpPayloadSize: UDP_PAYLOAD_BYTES,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: options.trustAd ? 0x8000 : 0, // DO: tells a validating server that AD is wanted
            flag_do: options.trustAd,
            options: [],
          },
        ],
      }
      try {
        const channel = channels.get(server)
        const way = channel ?? 'udp'
        let packet = await exchange(options, server, encode(question), question.id, name, type, way)
        if (packet.flag_tc && channel === undefined)
          packet = await exchange(options, server, encode(question), question.id, name, type, 'tcp')
        const code = responseCode(packet)
        if (code === NO_ERROR || code === NAME_ERROR) return packet
        last = `${server.address} answered with code ${code}`
      } catch (error) {
        last = `${server.address}: ${errorMessage(error)}`
      }
    }
  }
  throw new DnsError('DNS_UNAVAILABLE', `Cannot resolve ${type} of ${name}: ${last}`)
}

type Decoded = ReturnType<typeof decode>

function exchange(
  { clock, timeoutMs = TIMEOUT_MS }: UdpResolverOptions,
  server: NameServer,
  question: Buffer,
  id: number,
  name: string,
  type: DnsType,
  way: 'udp' | 'tcp' | TlsChannel,
): Promise<Decoded> {
  return new Promise((resolve, reject) => {
    const over = (settle: () => void) => {
      cancel()
      close()
      settle()
    }
    const cancel = clock.after(timeoutMs, () => over(() => reject(new Error(`no answer in ${timeoutMs} ms`))))
    /** @returns Whether it was the answer */
    const take = (bytes: Buffer): boolean => {
      const packet = decoded(bytes)
      if (packet === null || !answers(packet, id, name, type)) return false
      over(() => resolve(packet))
      return true
    }
    const failed = (error: Error) => over(() => reject(error))
    const close =
      way === 'udp'
        ? overUdp(server, question, take, failed)
        : way === 'tcp'
          ? overTcp(server, question, take, failed)
          : way.ask(question, take, failed)
  })
}

/** @returns What closes the socket. */
function overUdp(
  server: NameServer,
  question: Buffer,
  take: (bytes: Buffer) => boolean,
  failed: (error: Error) => void,
) {
  // Connected: the kernel drops what comes from anywhere else; a port of its own for each question.
  const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4')
  let open = true
  socket.on('message', take)
  socket.on('error', (error) => open && failed(error))
  socket.connect(server.port, server.address, () => {
    if (open) socket.send(question)
  })
  return () => {
    if (open) socket.close()
    open = false
  }
}

function overTcp(
  server: NameServer,
  question: Buffer,
  take: (bytes: Buffer) => boolean,
  failed: (error: Error) => void,
) {
  const socket = connect(server.port, server.address)
  let input = Buffer.alloc(0)
  let open = true
  const length = Buffer.alloc(2)
  length.writeUInt16BE(question.length)
  socket.write(Buffer.concat([length, question]))
  socket.on('data', (chunk: Buffer) => {
    input = Buffer.concat([input, chunk])
    if (input.length < 2 || input.length < 2 + input.readUInt16BE(0)) return
    if (!take(input.subarray(2, 2 + input.readUInt16BE(0))) && open)
      failed(new Error('the answer is to another question'))
  })
  socket.on('error', (error) => open && failed(error))
  socket.on('end', () => open && failed(new Error('the connection ended')))
  return () => {
    open = false
    socket.destroy()
  }
}

function decoded(bytes: Buffer): Decoded | null {
  try {
    return decode(bytes)
  } catch {
    return null
  }
}

function answers(packet: Decoded, id: number, name: string, type: DnsType): boolean {
  const [question] = packet.questions ?? []
  return (
    packet.type === 'response' &&
    packet.id === id &&
    question !== undefined &&
    question.type === type &&
    question.name.toLowerCase() === name.toLowerCase().replace(/\.$/, '')
  )
}

function readAnswer<T extends DnsType>(packet: Packet, name: string, type: T, trustAd: boolean): DnsAnswer<T> {
  const answers = packet.answers ?? []
  const secure = trustAd && 'flag_ad' in packet && packet.flag_ad === true
  let at = lower(name)
  let ttl = TTL_SECONDS_MAX
  for (let aliases = 0; aliases <= ALIASES_MAX; aliases++) {
    const here = answers.filter((one) => lower(one.name) === at)
    const records = here.flatMap((one): DnsRecordData[T][] => dataOf(one, type))
    for (const one of here) if ('ttl' in one && one.ttl !== undefined) ttl = Math.min(ttl, one.ttl)
    if (records.length > 0) return { kind: 'records', records, secure, ttlSeconds: ttl }
    const alias = here.find((one) => one.type === 'CNAME')
    if (alias === undefined || alias.type !== 'CNAME') {
      const kind = responseCode(packet) === NAME_ERROR ? 'no-name' : 'no-data'
      return { kind, records: [], secure, ttlSeconds: Math.min(ttl, NEGATIVE_TTL_SECONDS) }
    }
    at = lower(alias.data)
  }
  throw new DnsError('DNS_UNAVAILABLE', `Cannot resolve ${name}: more than ${ALIASES_MAX} aliases`)
}

const readers: { readonly [T in DnsType]: (answer: Answer) => DnsRecordData[T][] } = {
  A: (answer) => (answer.type === 'A' ? [answer.data] : []),
  AAAA: (answer) => (answer.type === 'AAAA' ? [answer.data] : []),
  CNAME: (answer) => (answer.type === 'CNAME' ? [lower(answer.data)] : []),
  PTR: (answer) => (answer.type === 'PTR' ? [lower(answer.data)] : []),
  MX: (answer) =>
    answer.type === 'MX' ? [{ preference: answer.data.preference ?? 0, exchange: lower(answer.data.exchange) }] : [],
  TXT: (answer) => (answer.type === 'TXT' ? [textOf(answer.data)] : []),
  SRV: (answer) => {
    if (answer.type !== 'SRV') return []
    const { priority = 0, weight = 0, port, target } = answer.data
    return [{ priority, weight, port, target: lower(target) }]
  },
  TLSA: (answer) => {
    if (answer.type !== 'TLSA') return []
    const { usage, selector, matchingType, certificate } = answer.data
    return [{ usage, selector, matching: matchingType, data: certificate }]
  },
}

function dataOf<T extends DnsType>(answer: Answer, type: T): DnsRecordData[T][] {
  return readers[type](answer)
}

/** RFC 1035 section 4.1.1: 0 no error, 2 server failure, 3 no such name, 5 refused. */
function responseCode(packet: Packet): number {
  return (packet.flags ?? 0) & 0xf
}

function textOf(data: string | Buffer | (string | Buffer)[]): string {
  return (Array.isArray(data) ? data : [data]).map((piece) => piece.toString('latin1')).join('')
}

function lower(name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
}
