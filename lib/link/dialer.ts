/**
 * Opens byte streams to shards. A unix socket is a stream of its own; across pods streams share one HTTP/2 connection over
 * mutual TLS per address, each with its own flow control, so that one slow reader stops nobody (rules.md, Sessions).
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
/** Per stream; the connection's own window is this many times larger so that one stream never fills it. */
export const STREAM_WINDOW_BYTES = 1024 * 1024
export const CONNECTION_WINDOW_BYTES = 64 * 1024 * 1024

export interface Dialer {
  /** @throws {LinkError} LINK_UNREACHABLE */
  dial(address: LinkAddress): Promise<Duplex>
  close(): void
}

export function createDialer(options: {
  /** Asked at each new connection, so that rotated certificates are used. */
  readonly tls: () => TlsMaterial
  readonly resolve: Resolver
  readonly clock: Clock
}): Dialer {
  const sessions = new Map<string, Promise<ClientHttp2Session>>()

  async function openSession(host: string, port: number): Promise<ClientHttp2Session> {
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
        resolve(session)
      })
    })
  }

  function session(host: string, port: number): Promise<ClientHttp2Session> {
    const key = `${host}:${port}`
    const existing = sessions.get(key)
    if (existing) return existing
    const opening = openSession(host, port)
    sessions.set(key, opening)
    const drop = () => {
      if (sessions.get(key) === opening) sessions.delete(key)
    }
    opening.then((open) => open.once('close', drop), drop)
    return opening
  }

  return {
    async dial(address) {
      if (address.kind === 'unix') return await dialUnix(address.path)
      const open = await session(address.host, address.port)
      const stream = open.request(
        { [constants.HTTP2_HEADER_METHOD]: 'POST', [constants.HTTP2_HEADER_PATH]: LINK_PATH },
        { endStream: false },
      )
      return stream
    },
    close() {
      for (const opening of sessions.values()) opening.then((open) => open.destroy()).catch(() => {})
      sessions.clear()
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
