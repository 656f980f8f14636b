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
import type { Clock } from '#lib/ports/clock.ts'
import { TLS_DEFAULTS, type TlsMaterial } from '#lib/tls/material.ts'
import { identityFromAltNames, type PeerIdentity } from '#lib/tls/roles.ts'
import { CONNECTION_WINDOW_BYTES, LINK_PATH, STREAM_WINDOW_BYTES } from './dialer.ts'
import { SessionWatch } from './session-watch.ts'

/**
 * A caller that is silent for so many seconds has vanished and its streams end. Longer than a caller waits for a server, since a frozen
 * edge that wakes finds its sessions where they were.
 */
const SILENT_LOOKS_MAX = 20

/** A caller that has connected and does not get through TLS in so long. */
const HANDSHAKE_MS = 10_000

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
  readonly clock: Clock
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
  options: Pick<LinkServerOptions, 'onStream' | 'onRejected' | 'clock'>,
): Promise<Http2SecureServer> {
  const server = createSecureServer({
    ...tls.material,
    ...TLS_DEFAULTS,
    requestCert: true,
    handshakeTimeout: HANDSHAKE_MS,
    rejectUnauthorized: true,
    settings: { initialWindowSize: STREAM_WINDOW_BYTES, maxConcurrentStreams: 100_000 },
  })
  const callers = new WeakMap<Http2Session, { readonly peer: PeerIdentity; readonly watch: SessionWatch }>()
  server.on('session', (session) => {
    const socket = session.socket
    const peer = socket instanceof TLSSocket ? identityFromAltNames(socket.getPeerCertificate().subjectaltname) : null
    if (!peer) {
      options.onRejected('the certificate names no role', socket.remoteAddress)
      session.destroy()
      return
    }
    const watch = new SessionWatch({
      session,
      bytesRead: () => socket.bytesRead,
      clock: options.clock,
      silentLooksMax: SILENT_LOOKS_MAX,
      onLost() {
        options.onRejected(`${peer.role} ${peer.owner} is silent`, socket.remoteAddress)
        session.destroy()
      },
    })
    callers.set(session, { peer, watch })
    sessions.add(session)
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES)
    session.on('error', () => session.destroy())
    session.once('close', () => sessions.delete(session))
  })
  server.on('stream', (stream, headers) => {
    const caller = stream.session && callers.get(stream.session)
    stream.on('error', () => stream.destroy())
    if (!caller || headers[':path'] !== LINK_PATH) {
      stream.respond({ ':status': 404 }, { endStream: true })
      return
    }
    stream.respond({ ':status': 200 })
    caller.watch.track(stream)
    options.onStream(stream, caller.peer)
  })
  server.on('tlsClientError', (error, socket) => options.onRejected(error.message, socket.remoteAddress))
  server.on('unknownProtocol', (socket) => {
    options.onRejected('it does not speak HTTP/2', socket.remoteAddress)
    socket.destroy()
  })
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
