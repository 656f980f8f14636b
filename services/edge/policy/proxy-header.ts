/**
 * The header that a proxy puts before what a client says, with the client's address: the PROXY protocol of HAProxy, versions 1 (text) and 2
 * (binary). Pure: bytes in, an address or nothing out.
 */
import { isIPv4, isIPv6 } from 'node:net'

export interface ProxiedClient {
  readonly address: string
  readonly port: number
}

export type ProxyHeader =
  /** More bytes must come. */
  | { readonly kind: 'more' }
  /** It is none. */
  | { readonly kind: 'bad' }
  /** `client` is null where the proxy speaks for itself, as to see whether we live. */
  | { readonly kind: 'header'; readonly bytes: number; readonly client: ProxiedClient | null }

const BAD: ProxyHeader = { kind: 'bad' }
const MORE: ProxyHeader = { kind: 'more' }
const V1 = Buffer.from('PROXY ')
/** With both addresses of IPv6 at their longest. */
const V1_BYTES_MAX = 107
const V2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const V2_HEAD_BYTES = 16
/** Addresses and what a proxy adds to them. */
const V2_REST_BYTES_MAX = 4_096

export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  if (beginsLike(bytes, V1)) return parseText(bytes)
  if (beginsLike(bytes, V2)) return parseBinary(bytes)
  return BAD
}

function beginsLike(bytes: Buffer, signature: Buffer): boolean {
  const length = Math.min(bytes.length, signature.length)
  return bytes.subarray(0, length).equals(signature.subarray(0, length))
}

function parseText(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, V1_BYTES_MAX).indexOf('\r\n')
  if (end === -1) return bytes.length < V1_BYTES_MAX ? MORE : BAD
  const [, family, source = '', destination = '', port = '', ownPort = '', ...others] = bytes
    .toString('latin1', 0, end)
    .split(' ')
  const header = { kind: 'header', bytes: end + 2 } as const
  if (family === 'UNKNOWN') return { ...header, client: null }
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6 : () => false
  const good = isAddress(source) && isAddress(destination) && isPort(port) && isPort(ownPort) && others.length === 0
  return good ? { ...header, client: { address: source, port: Number(port) } } : BAD
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535
}

function parseBinary(bytes: Buffer): ProxyHeader {
  if (bytes.length < V2_HEAD_BYTES) return MORE
  const [version, command] = [(bytes[12] ?? 0) >> 4, (bytes[12] ?? 0) & 15]
  const length = bytes.readUInt16BE(14)
  if (version !== 2 || command > 1 || length > V2_REST_BYTES_MAX) return BAD
  const whole = V2_HEAD_BYTES + length
  if (bytes.length < whole) return MORE
  const header = { kind: 'header', bytes: whole } as const
  const rest = bytes.subarray(V2_HEAD_BYTES, whole)
  if (command === 0) return { ...header, client: null }
  switch (bytes[13]) {
    case 0x11: // TCP over IPv4
      if (length < 12) return BAD
      return { ...header, client: { address: rest.subarray(0, 4).join('.'), port: rest.readUInt16BE(8) } }
    case 0x21: // TCP over IPv6
      if (length < 36) return BAD
      return { ...header, client: { address: ipv6Text(rest.subarray(0, 16)), port: rest.readUInt16BE(32) } }
    default:
      return { ...header, client: null }
  }
}

/** RFC 5952 section 4, so that one client has one name. */
function ipv6Text(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16))
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1)
}
