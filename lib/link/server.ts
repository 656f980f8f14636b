/**
 * The receiving end of links: one unix socket for the pod's own containers, one HTTP/2 listener over mutual TLS for others.
 * It knows who is calling (certificate, or the socket's private folder) and hands over plain streams; what may be said on
 * them is `lib/tls/roles.ts` and the shard's matter.
 */
import { rm } from 'node:fs/promises'
import { createSecureServer, type Http2SecureServer, type Http2Session, type ServerHttp2Session } from 'node:http2'
import { createServer, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { TLS_DEFAULTS, type TlsMaterial } from '#lib/tls/material.ts'
import { identityFromAltNames, type PeerIdentity } from '#lib/tls/roles.ts'
import { CONNECTION_WINDOW_BYTES, LINK_PATH, STREAM_WINDOW_BYTES } from './dialer.ts'

export interface LinkServer {
  /** New certificates for new connections. */
  renew(material: TlsMaterial): void
  /** Stops listening and ends every stream. */
  close(): Promise<void>
}

export interface LinkServerOptions {
  /** Path of the unix socket and the role it stands for; null: none. */
  readonly unix: { readonly path: string; readonly identity: PeerIdentity } | null
  /** Null: no listener for other pods. */
  readonly tls: { readonly host: string; readonly port: number; readonly material: TlsMaterial } | null
  readonly onStream: (stream: Duplex, peer: PeerIdentity) => void
  /** A caller that was turned away before it could say anything, for the log. */
  readonly onRejected: (reason: string, remoteAddress: string | undefined) => void
}

export async function listenLinks(options: LinkServerOptions): Promise<LinkServer> {
  const sockets = new Set<Socket>()
  const sessions = new Set<ServerHttp2Session>()
  const unix = options.unix ? await listenUnix(options.unix, sockets, options.onStream) : null
  const secure = options.tls ? await listenTls(options.tls, sessions, options) : null
  return {
    renew: (material) => secure?.setSecureContext({ ...material, ...TLS_DEFAULTS }),
    async close() {
      const closing = [unix, secure].map(
        (server) => new Promise<void>((done) => (server ? server.close(() => done()) : done())),
      )
      for (const socket of sockets) socket.destroy()
      for (const session of sessions) session.destroy()
      await Promise.all(closing)
    },
  }
}

async function listenUnix(
  unix: NonNullable<LinkServerOptions['unix']>,
  sockets: Set<Socket>,
  onStream: LinkServerOptions['onStream'],
): Promise<Server> {
  await rm(unix.path, { force: true }) // left by a killed process; the replica's lock says that there is no other
  // Half-open: a client that ends its side after LOGOUT still gets its answers.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    onStream(socket, unix.identity)
  })
  await listening(server, (ready) => server.listen(unix.path, ready))
  return server
}

async function listenTls(
  tls: NonNullable<LinkServerOptions['tls']>,
  sessions: Set<ServerHttp2Session>,
  options: Pick<LinkServerOptions, 'onStream' | 'onRejected'>,
): Promise<Http2SecureServer> {
  const server = createSecureServer({
    ...tls.material,
    ...TLS_DEFAULTS,
    requestCert: true,
    rejectUnauthorized: true,
    settings: { initialWindowSize: STREAM_WINDOW_BYTES, maxConcurrentStreams: 100_000 },
  })
  const peers = new WeakMap<Http2Session, PeerIdentity>()
  server.on('session', (session) => {
    const socket = session.socket
    const peer = socket instanceof TLSSocket ? identityFromAltNames(socket.getPeerCertificate().subjectaltname) : null
    if (!peer) {
      options.onRejected('the certificate names no role', socket.remoteAddress)
      session.destroy()
      return
    }
    peers.set(session, peer)
    sessions.add(session)
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES)
    session.on('error', () => session.destroy())
    session.once('close', () => sessions.delete(session))
  })
  server.on('stream', (stream, headers) => {
    const peer = stream.session && peers.get(stream.session)
    stream.on('error', () => stream.destroy())
    if (!peer || headers[':path'] !== LINK_PATH) {
      stream.respond({ ':status': 404 }, { endStream: true })
      return
    }
    stream.respond({ ':status': 200 })
    options.onStream(stream, peer)
  })
  server.on('tlsClientError', (error, socket) => options.onRejected(error.message, socket.remoteAddress))
  server.on('sessionError', (error) => options.onRejected(error.message, undefined))
  await listening(server, (ready) => server.listen(tls.port, tls.host, ready))
  return server
}

function listening(server: Server | Http2SecureServer, listen: (ready: () => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    listen(() => {
      server.off('error', reject)
      resolve()
    })
  })
}
