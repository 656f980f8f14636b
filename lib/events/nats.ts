/**
 * One connection to NATS per process: over TLS, as one user, made again for ever. It never blocks a start: whoever needs the
 * connection waits for it with a bound. A name is resolved anew whenever a connection was given up, so that a moved server is found.
 */
import { readFileSync } from 'node:fs'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { Logger } from '#lib/log/logger.ts'
import type { Resolver } from '#lib/platform/resolver.ts'
import { type Clock, sleep } from '#lib/ports/clock.ts'
import { EventError } from './errors.ts'
import { PING_MS, RECONNECT_PAUSE_MS } from './limits.ts'
import { inboxPrefix, type NatsUser } from './permissions.ts'

/** Password of the user and PEM of the server's authority: files, or whatever finds them; looked at for each connection. */
export type NatsSecrets =
  | { readonly passwordFile: string; readonly caFile: string }
  | { readonly secrets: () => Promise<{ readonly password: string; readonly ca: string }> }

export type NatsLinkOptions = NatsSecrets & LinkOptions
interface LinkOptions {
  /** As `tls://nats.default.svc:4222`; the server's certificate must be for this host. */
  readonly url: string
  readonly user: NatsUser
  /** Shown by the server: `provision`, `edge n1-0`. */
  readonly name: string
  readonly resolve: Resolver
  readonly clock: Clock
  readonly logger: Logger
}

export interface NatsLink {
  readonly connected: boolean
  /** The connection, as soon as there is one that works. @throws {EventError} EVENTS_UNAVAILABLE after `withinMs`. */
  connection(withinMs: number): Promise<NatsConnection>
  /** Calls `serve` with the present connection and every later one; what it sets up dies with the connection. */
  onConnection(serve: (connection: NatsConnection) => void): void
  /** Calls `heard` whenever messages may have been missed: after each connect and reconnect. */
  onGap(heard: () => void): void
  close(): Promise<void>
}

/** Tries of the library on one address before the name is asked again: 10 s. */
const TRIES_PER_ADDRESS = 20
const CONNECT_TIMEOUT_MS = 3_000

/** Begins to connect and returns at once. */
export function connectNats(options: NatsLinkOptions): NatsLink {
  return new Link(options)
}

class Link implements NatsLink {
  readonly #options: NatsLinkOptions
  readonly #serve: ((connection: NatsConnection) => void)[] = []
  readonly #gaps: (() => void)[] = []
  readonly #waiting = new Set<(connection: NatsConnection) => void>()
  readonly #stopping = new AbortController()
  readonly #running: Promise<void>
  #connection: NatsConnection | null = null
  #up = false

  constructor(options: NatsLinkOptions) {
    this.#options = options
    this.#running = this.#run()
  }

  get connected(): boolean {
    return this.#up
  }

  connection(withinMs: number): Promise<NatsConnection> {
    if (this.#connection && this.#up) return Promise.resolve(this.#connection)
    return new Promise((resolve, reject) => {
      const give = (connection: NatsConnection) => {
        cancel()
        resolve(connection)
      }
      const cancel = this.#options.clock.after(withinMs, () => {
        this.#waiting.delete(give)
        reject(new EventError('EVENTS_UNAVAILABLE', `Cannot reach NATS at ${this.#options.url} within ${withinMs} ms`))
      })
      this.#waiting.add(give)
    })
  }

  onConnection(serve: (connection: NatsConnection) => void): void {
    this.#serve.push(serve)
    if (this.#connection) serve(this.#connection)
  }

  onGap(heard: () => void): void {
    this.#gaps.push(heard)
    if (this.#up) heard()
  }

  async close(): Promise<void> {
    this.#stopping.abort()
    await this.#connection?.close()
    await this.#running
  }

  async #run(): Promise<void> {
    const { logger, url, user, clock } = this.#options
    let said = false
    while (!this.#stopping.signal.aborted) {
      try {
        const connection = await this.#connect()
        logger.info({ url, user }, 'connected to NATS')
        said = false
        await this.#use(connection)
      } catch (err) {
        if (!said) logger.warn({ url, user, reason: errorMessage(err) }, 'cannot connect to NATS, trying again')
        said = true
      }
      await sleep(clock, RECONNECT_PAUSE_MS, this.#stopping.signal).catch(() => {}) // aborted: the loop ends
    }
  }

  async #connect(): Promise<NatsConnection> {
    const { url, user, name, resolve } = this.#options
    const { password, ca } = await secretsOf(this.#options)
    const { hostname, port } = new URL(url)
    const host = hostname.replace(/^\[|\]$/g, '')
    const tls = {
      ca,
      servername: /[a-z]/i.test(host) ? host : '',
      checkServerIdentity: (_name: string, certificate: PeerCertificate) => checkServerIdentity(host, certificate),
    }
    return await connect({
      servers: `${await resolve(host)}:${port || '4222'}`,
      user,
      pass: password,
      name,
      tls,
      inboxPrefix: inboxPrefix(user),
      timeout: CONNECT_TIMEOUT_MS,
      maxReconnectAttempts: TRIES_PER_ADDRESS,
      reconnectTimeWait: RECONNECT_PAUSE_MS,
      ignoreAuthErrorAbort: true,
      pingInterval: PING_MS,
      maxPingOut: 2,
      ignoreClusterUpdates: true,
    })
  }

  async #use(connection: NatsConnection): Promise<void> {
    this.#connection = connection
    for (const serve of this.#serve) serve(connection)
    this.#isUp(connection)
    void this.#follow(connection)
    if (this.#stopping.signal.aborted) await connection.close()
    await connection.closed()
    this.#connection = null
    this.#up = false
  }

  async #follow(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === 'disconnect') {
        this.#up = false
        this.#options.logger.warn({ url: this.#options.url }, 'lost NATS')
      } else if (status.type === 'reconnect') {
        this.#options.logger.info({ url: this.#options.url }, 'reconnected to NATS')
        this.#isUp(connection)
      } else if (status.type === 'error') {
        this.#options.logger.error({ err: status.error }, 'NATS refused something')
      }
    }
  }

  #isUp(connection: NatsConnection): void {
    this.#up = true
    for (const give of this.#waiting) give(connection)
    this.#waiting.clear()
    for (const heard of this.#gaps) heard()
  }
}

async function secretsOf(from: NatsSecrets): Promise<{ readonly password: string; readonly ca: string }> {
  if ('secrets' in from) return await from.secrets()
  return { password: readFileSync(from.passwordFile, 'utf8').trim(), ca: readFileSync(from.caFile, 'utf8') }
}
