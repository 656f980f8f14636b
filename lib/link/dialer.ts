/**
 * Opens byte streams to shards. A unix socket is a stream of its own; across pods streams share one HTTP/2 connection over
 * mutual TLS per address, each with its own flow control, so that one slow reader stops nobody (rules.md, Sessions). A
 * connection whose other end went away is found out (session-watch.ts) and never used again; one that takes long to make is not begun
 * anew for each who asks (connect-race.ts).
 */
import { type ClientHttp2Session, connect as connectHttp2, constants } from 'node:http2'
import { connect as connectUnix } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { CodedError, type ErrorSpec, errorMessage } from '#lib/errors/coded-error.ts'
import type { Resolver } from '#lib/platform/resolver.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { TLS_DEFAULTS, type TlsMaterial } from '#lib/tls/material.ts'
import { identityFromAltNames } from '#lib/tls/roles.ts'
import { addressText, type LinkAddress } from './address.ts'
import { ConnectRace } from './connect-race.ts'
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
  const connections = new Map<string, Connection>()
  /** By address; there are as many as members that were ever dialled. */
  const races = new Map<string, ConnectRace<Connection>>()

  /** One attempt, from the name to a session that takes streams. */
  async function connect(host: string, port: number, signal: AbortSignal): Promise<Connection> {
    const address = await options.resolve(host)
    signal.throwIfAborted()
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
    session.on('error', () => {}) // 'close' follows and drops the session; its streams get their own errors
    return await new Promise((resolve, reject) => {
      const done = () => {
        signal.removeEventListener('abort', abort)
        session.off('error', fail)
        session.off('close', closed)
      }
      const fail = (cause: unknown) => {
        done()
        session.destroy()
        socket.destroy() // a session that has not begun would wait for the handshake
        reject(cause)
      }
      const abort = () => fail(signal.reason)
      const closed = () => fail(new Error('closed'))
      signal.addEventListener('abort', abort)
      session.once('error', fail)
      session.once('close', closed)
      session.once('connect', () => {
        done()
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

  function keep(key: string, connection: Connection): void {
    const { session } = connection
    const drop = () => {
      if (connections.get(key) === connection) connections.delete(key)
    }
    connections.set(key, connection)
    session.once('close', drop)
    session.once('goaway', drop) // its streams may end in peace, new ones need another connection
  }

  /** The connection to an address, a new one if there is none that takes streams. */
  async function connection(host: string, port: number): Promise<Connection> {
    const key = `${host}:${port}`
    const existing = connections.get(key)
    if (existing && !existing.session.destroyed && !existing.session.closed) return existing
    const race =
      races.get(key) ??
      new ConnectRace<Connection>({
        clock: options.clock,
        begin: (signal) => connect(host, port, signal),
        onStands: (stands) => keep(key, stands),
      })
    races.set(key, race)
    return await race.wait()
  }

  async function dialTls(host: string, port: number): Promise<Duplex> {
    try {
      const { session, watch } = await connection(host, port)
      if (!(await watch.alive())) throw new Error('it does not answer')
      const stream = session.request(
        { [constants.HTTP2_HEADER_METHOD]: 'POST', [constants.HTTP2_HEADER_PATH]: LINK_PATH },
        { endStream: false },
      )
      watch.track(stream)
      return stream
    } catch (cause) {
      // One that was found dead is dropped: whoever asks again gets a new connection.
      throw new LinkError('LINK_UNREACHABLE', `Cannot reach ${host}:${port}: ${errorMessage(cause)}`, { cause })
    }
  }

  return {
    dial: (address) => (address.kind === 'unix' ? dialUnix(address.path) : dialTls(address.host, address.port)),
    close() {
      for (const race of races.values()) race.end('the dialer was closed')
      for (const { session } of [...connections.values()]) session.destroy()
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
