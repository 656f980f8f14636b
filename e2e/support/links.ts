/** The TLS port of a shard as somebody with the wrong words or papers sees it: bytes go out as given, what comes back is kept. */
import { readFileSync } from 'node:fs'
import { connect as connectHttp2, constants } from 'node:http2'
import { connect } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { LINK_PATH } from '#lib/link/dialer.ts'
import type { Endpoint, TestArray } from './array.ts'

const CLOSED_WITHIN_MS = 20_000

export interface Papers {
  readonly cert: string
  readonly key: string
  readonly ca: string
}

/** Certificates as the containers of a pod have them. */
export function papersOf(array: TestArray, pod: string, role: 'member' | 'edge'): Papers {
  const read = (name: string) => readFileSync(join(array.root, 'mounts', pod, `${role}-tls`, pod, name), 'utf8')
  return { cert: read('tls.crt'), key: read('tls.key'), ca: read('ca.crt') }
}

/** @returns what came back until the other side closed. @throws if it does not close. */
export function closedAfter(
  open: (done: () => void) => { on(event: 'data', take: (chunk: Buffer) => void): unknown; destroy(): unknown },
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const timer = setTimeout(() => {
      stream.destroy()
      reject(new Error(`Not closed within ${CLOSED_WITHIN_MS} ms, said ${Buffer.concat(chunks).toString('latin1')}`))
    }, CLOSED_WITHIN_MS)
    const stream = open(() => {
      clearTimeout(timer)
      resolve(Buffer.concat(chunks))
    })
    stream.on('data', (chunk) => chunks.push(chunk))
  })
}

/** Plain bytes where TLS is spoken. */
export function sayPlain(place: Endpoint, bytes: Uint8Array): Promise<Buffer> {
  return closedAfter((done) => {
    const socket = connect(place.port, place.host)
    socket.on('error', () => {})
    socket.on('close', done)
    socket.write(bytes)
    return socket
  })
}

/** Bytes over TLS, without HTTP/2 around them if `alpn` says something else. */
export function sayTls(place: Endpoint, papers: Partial<Papers>, bytes: Uint8Array, alpn = 'h2'): Promise<Buffer> {
  return closedAfter((done) => {
    const socket = connectTls({ ...place, ...papers, ALPNProtocols: [alpn], rejectUnauthorized: false })
    socket.on('error', () => {})
    socket.on('close', done)
    socket.write(bytes)
    return socket
  })
}

/** Bytes on a stream such as our own processes open. */
export function sayOnLink(place: Endpoint, papers: Papers, bytes: Uint8Array): Promise<Buffer> {
  return closedAfter((done) => {
    const session = connectHttp2(`https://${place.host}:${place.port}`, { ...papers, rejectUnauthorized: false })
    session.on('error', () => {})
    const stream = session.request(
      { [constants.HTTP2_HEADER_METHOD]: 'POST', [constants.HTTP2_HEADER_PATH]: LINK_PATH },
      { endStream: false },
    )
    stream.on('error', () => {})
    stream.on('close', () => {
      session.destroy()
      done()
    })
    stream.write(bytes)
    return stream
  })
}

/** The value of a series on a container's metrics port; 0 if it is not there yet. */
export async function metric(place: Endpoint, name: string): Promise<number> {
  const text = await (await fetch(`http://${place.host}:${place.port}/metrics`)).text()
  const line = text.split('\n').find((one) => one.startsWith(`${name}{`) || one.startsWith(`${name} `))
  return Number(line?.split(' ').at(-1) ?? 0)
}
