/**
 * Opens byte streams to shards. A unix socket is a stream of its own; across pods streams share one HTTP/2 connection over
 * mutual TLS per address, each with its own flow control, so that one slow reader stops nobody (rules.md, Sessions). A
 * connection whose other end went away is found out (session-watch.ts) and never used again.
 */
import { type ClientHttp2Session, connect as connectHttp2, constants } from 'node:http2'
import { connect as connectUnix } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'
import type { Resolver } from '#lib/platform/resolver.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { TLS_DEFAULTS, type TlsMaterial } from '#lib/tls/material.ts'
import { identityFromAltNames } from '#lib/tls/roles.ts'
import { addressText, type LinkAddress } from './address.ts'
import { SessionWatch } from './session-watch.ts'

export const LINK_ERRORS = {
  LINK_UNREACHABLE: {
    smtp: '451 4.3.0',
    imap: 'UNAVAILABLE',
    retry: true,
    meaning: 'No stream to a shard could be opened.',
  },
  LINK_LOST: {
    smtp: '451 4.3.0',
    imap: 'UNAVAILABLE',
    retry: true,
    meaning: 'The stream to a shard broke: what was asked may have been done.',
  },
  LINK_PEER: { retry: false, meaning: 'The certificate at the address of a shard does not belong to a member.' },
} as const satisfies Record<string, ErrorSpec>

export class LinkError extends CodedError<keyof typeof LINK_ERRORS> {
  override readonly name = 'LinkError'
}

/** Path of the one resource that a link server has; a request body is the stream to it, the response body the stream back. */
export const LINK_PATH = '/twinpost/link/1'
const CONNECT_TIMEOUT_MS = 2_000
/** Seconds of silence on a connection in use after which its streams end. */
const SILENT_LOOKS_MAX = 4
/** Per stream; the connection's own window is this many times larger so that one stream never fills it. */
export const STREAM_WINDOW_BYTES = 1024 * 1024
export const CONNECTION_WINDOW_BYTES = 64 * 1024 * 1024

export interface Dialer {
  /** @throws {LinkError} LINK_UNREACHABLE */
  dial(address: LinkAddress): Promise<Duplex>
  close(): void
}

interface Connection {
  readonly session: ClientHttp2Session
  readonly watch: SessionWatch
}

export function createDialer(options: {
  /** Asked at each new connection, so that rotated certificates are used. */
  readonly tls: () => TlsMaterial
  readonly resolve: Resolver
  readonly clock: Clock
}): Dialer {
  const connections = new Map<string, Promise<Connection>>()

  async function connect(host: string, port: number): Promise<Connection> {
    const address = await options.resolve(host).catch((cause: unknown) => {
      throw new LinkError('LINK_UNREACHABLE', `Cannot reach ${host}:${port}`, { cause })
    })
    const material = options.tls()
    const socket = connectTls({
      host: address,
      port,
      servername: host,
      ...material,
      ...TLS_DEFAULTS,
      ALPNProtocols: ['h2'],
      // Names are checked by role below: members answer under several names and addresses.
      checkServerIdentity: (_host, certificate) =>
        identityFromAltNames(certificate.subjectaltname)?.role === 'member'
          ? undefined
          : new LinkError('LINK_PEER', `Cannot trust ${host}: its certificate is not a member's`),
    })
    socket.setNoDelay(true)
    const session = connectHttp2(`https://${host}:${port}`, {
      createConnection: () => socket,
      settings: { initialWindowSize: STREAM_WINDOW_BYTES },
    })
    return await new Promise((resolve, reject) => {
      const cancelTimeout = options.clock.after(CONNECT_TIMEOUT_MS, () => fail(new Error('timed out')))
      const fail = (cause: unknown) => {
        cancelTimeout()
        session.destroy()
        reject(new LinkError('LINK_UNREACHABLE', `Cannot reach ${host}:${port}`, { cause }))
      }
      session.once('error', fail)
      session.once('close', () => fail(new Error('closed')))
      session.once('connect', () => {
        cancelTimeout()
        session.off('error', fail)
        session.on('error', () => {}) // 'close' follows and drops the session; its streams get their own errors
        session.setLocalWindowSize(CONNECTION_WINDOW_BYTES)
        const watch = new SessionWatch({
          session,
          bytesRead: () => socket.bytesRead,
          clock: options.clock,
          silentLooksMax: SILENT_LOOKS_MAX,
          onLost() {
            session.destroy(new LinkError('LINK_LOST', `Lost ${host}:${port}: it does not answer`))
            socket.destroy() // a session that was closing would wait for the other end
          },
        })
        resolve({ session, watch })
      })
    })
  }

  function drop(key: string, opening: Promise<Connection>): void {
    if (connections.get(key) === opening) connections.delete(key)
  }

  /** The connection to an address, a new one if there is none that takes streams. */
  async function connection(host: string, port: number): Promise<Connection> {
    const key = `${host}:${port}`
    const existing = connections.get(key)
    if (existing) {
      const found = await existing
      if (!found.session.destroyed && !found.session.closed) return found
      drop(key, existing)
      return await connection(host, port)
    }
    const opening = connect(host, port)
    connections.set(key, opening)
    opening.then(
      ({ session }) => {
        session.once('close', () => drop(key, opening))
        session.once('goaway', () => drop(key, opening)) // its streams may end in peace, new ones need another connection
      },
      () => drop(key, opening),
    )
    return await opening
  }

  async function dialTls(host: string, port: number): Promise<Duplex> {
    const { session, watch } = await connection(host, port)
    try {
      if (!(await watch.alive())) throw new Error('it does not answer')
      const stream = session.request(
        { [constants.HTTP2_HEADER_METHOD]: 'POST', [constants.HTTP2_HEADER_PATH]: LINK_PATH },
        { endStream: false },
      )
      watch.track(stream)
      return stream
    } catch (cause) {
      // Found dead just now: whoever asks again gets a new connection.
      throw new LinkError('LINK_UNREACHABLE', `Cannot reach ${host}:${port}`, { cause })
    }
  }

  return {
    dial: (address) => (address.kind === 'unix' ? dialUnix(address.path) : dialTls(address.host, address.port)),
    close() {
      for (const opening of connections.values()) opening.then(({ session }) => session.destroy()).catch(() => {})
      connections.clear()
    },
  }

  function dialUnix(path: string): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      const socket = connectUnix(path)
      socket.once('error', (cause) =>
        reject(new LinkError('LINK_UNREACHABLE', `Cannot reach ${addressText({ kind: 'unix', path })}`, { cause })),
      )
      socket.once('connect', () => {
        socket.removeAllListeners('error')
        resolve(socket)
      })
    })
  }
}
