/** The milter port: takes connections of mail servers, with mutual TLS where it is asked for, and ends them in order. */
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import type { Logger } from '#lib/log/logger.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { TLS_DEFAULTS, type TlsMaterial } from '#lib/tls/material.ts'
import { identityFromAltNames } from '#lib/tls/roles.ts'
import { type ConnectionOptions, FilterConnection } from './connection.ts'

const POLL_MS = 50

export interface ListenerOptions extends ConnectionOptions {
  readonly host: string
  readonly port: number
  /** Null: plain. */
  readonly tls: TlsMaterial | null
  readonly connectionsMax: number
  /** Takes the connection of a role that shows no letters; false: it does not. Default: nobody's. */
  readonly others?: (socket: TLSSocket) => boolean
  readonly clock: Clock
  readonly logger: Logger
}

export class FilterListener {
  readonly #options: ListenerOptions
  readonly #server: Server
  readonly #connections = new Set<FilterConnection>()

  constructor(options: ListenerOptions) {
    this.#options = options
    const { tls, connectionsMax } = options
    if (tls === null) this.#server = createServer((socket) => this.#accept(socket))
    else {
      const server = createTlsServer(
        { ...tls, ...TLS_DEFAULTS, requestCert: true, rejectUnauthorized: true },
        (socket) => this.#acceptSecure(socket),
      )
      server.on('tlsClientError', (error, socket) => {
        options.logger.warn(
          { reason: error.message, address: socket.remoteAddress },
          'mail server without a certificate of ours',
        )
      })
      this.#server = server
    }
    this.#server.maxConnections = connectionsMax
    this.#server.on('drop', () => options.logger.warn({ connectionsMax }, 'too many connections'))
  }

  /** @returns The port. */
  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.#options.port, this.#options.host, () => {
        const address = this.#server.address()
        resolve(typeof address === 'object' && address !== null ? address.port : 0)
      })
    })
  }

  /** A rotated certificate counts for connections from now on. */
  renew(material: TlsMaterial): void {
    if ('setSecureContext' in this.#server && typeof this.#server.setSecureContext === 'function') {
      this.#server.setSecureContext({ ...material, ...TLS_DEFAULTS })
    }
  }

  /** Takes no more connections, lets letters in flight be judged, then ends the rest. */
  async close(): Promise<void> {
    this.#server.close()
    for (const connection of this.#connections) if (!connection.busy) connection.destroy()
    while ([...this.#connections].some((connection) => connection.busy)) {
      await new Promise<void>((resolve) => this.#options.clock.after(POLL_MS, resolve))
    }
    this.destroy()
  }

  /** Ends everything as it stands. */
  destroy(): void {
    this.#server.close()
    for (const connection of this.#connections) connection.destroy()
  }

  #acceptSecure(socket: TLSSocket): void {
    const identity = identityFromAltNames(socket.getPeerCertificate().subjectaltname)
    if (identity?.role === 'edge') this.#accept(socket)
    else if (this.#options.others?.(socket) !== true) {
      this.#options.logger.warn(
        { role: identity?.role ?? null, address: socket.remoteAddress },
        'mail server of another role',
      )
      socket.destroy()
    }
  }

  #accept(socket: Socket): void {
    const connection = new FilterConnection(socket, this.#options)
    this.#connections.add(connection)
    socket.once('close', () => this.#connections.delete(connection))
  }
}
