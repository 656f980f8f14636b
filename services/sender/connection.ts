/**
 * One connection to a remote server: a socket on one side, the sending side of SMTP (`lib/smtp/sending`) on the other. Carries out what
 * the sender asks and watches the time; decides nothing about hosts or retries.
 */
import { X509Certificate } from 'node:crypto'
import { connect, isIP, type Socket } from 'node:net'
import {
  checkServerIdentity,
  connect as connectTls,
  type DetailedPeerCertificate,
  type PeerCertificate,
  type TLSSocket,
} from 'node:tls'
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { Clock } from '#lib/ports/clock.ts'
import {
  oneLine,
  type SenderAction,
  type SenderOptions,
  type SendingResult,
  SmtpSender,
  TIMES_MS,
} from '#lib/smtp/mod.ts'
import type { TlsFailure } from '#lib/tls-policy/tls-report.ts'
import type { Letter } from './letter.ts'
import { CONFIRM_FRESH_MS, CONNECT_TIMEOUT_MS, TLS_TIMEOUT_MS } from './limits.ts'
import {
  demandsTls,
  type Handshake,
  handshakeProblem,
  policyOf,
  type TlsDemand,
  type TlsProblem,
} from './tls-demand.ts'

/** Certificates of a chain that are looked at. */
const CHAIN_MAX = 10

export interface RemoteAddress {
  /** Name from MX: for TLS, and in reports. */
  readonly host: string
  readonly address: string
  readonly port: number
  /** What TLS must show. */
  readonly demand: TlsDemand
  /** The connection begins with TLS. */
  readonly implicitTls?: boolean
  /** Who we are to this server. */
  readonly login?: SenderOptions['login']
}

export interface ConnectionOptions {
  readonly hostname: string
  readonly tls: SenderOptions['tls']
  /** Address of our own that the connection comes from; null: as the system likes. */
  readonly localAddress: string | null
  /** Authorities that vouch for servers with an MTA-STS policy, as PEM; null: those that Node knows. */
  readonly ca: string | null
  readonly clock: Clock
}

/** The server cannot be used now. */
export class ConnectionFailure extends Error {
  override readonly name = 'ConnectionFailure'
  /** The handshake of TLS failed: without it the server might do. */
  readonly inHandshake: boolean
  /** For reports: what was wrong with TLS; null: it did not come to that. */
  readonly tls: TlsFailure | null

  constructor(
    reason: string,
    { inHandshake = false, tls = null }: Partial<Pick<ConnectionFailure, 'inHandshake' | 'tls'>> = {},
  ) {
    super(oneLine(reason))
    this.inHandshake = inHandshake
    this.tls = tls
  }
}

export class RemoteConnection {
  readonly remote: RemoteAddress
  readonly #clock: Clock
  readonly #ca: string | null
  readonly #sender: SmtpSender
  #socket: Socket
  #usable = false
  #actions: SenderAction[] = []
  #wake: (() => void) | null = null
  #cancelTimer: () => void = () => undefined
  letters = 0
  /** What TLS did not show though it should have, where that is only looked at. */
  tlsProblem: TlsProblem | null = null

  /** Connects, greets, and secures the connection as wished. @throws {ConnectionFailure} */
  static async open(remote: RemoteAddress, options: ConnectionOptions): Promise<RemoteConnection> {
    const socket = await connected(remote, options)
    const connection = new RemoteConnection(remote, socket, options)
    try {
      if (remote.implicitTls) await connection.#handshake()
      await connection.#greet()
    } catch (error) {
      connection.destroy()
      throw error
    }
    return connection
  }

  private constructor(remote: RemoteAddress, socket: Socket, { hostname, tls, clock, ca }: ConnectionOptions) {
    this.remote = remote
    this.#clock = clock
    this.#ca = ca
    this.#socket = socket
    const { implicitTls: secure = false, login = null } = remote
    this.#sender = new SmtpSender({ hostname, secure, login, tls: demandsTls(remote.demand) ? 'required' : tls })
    if (!secure) this.#listen(socket)
  }

  /** Another letter may be sent over it. */
  get usable(): boolean {
    return this.#usable && !this.#sender.closed
  }

  get secure(): boolean {
    return this.#sender.secure
  }

  /** @returns One result for each recipient, in order; null: the letter was lost to another attempt, and nothing may be told */
  async send(letter: Letter): Promise<readonly SendingResult[] | null> {
    const { item } = letter
    this.letters++
    this.#usable = false
    this.#sender.begin({ ...item, sizeBytes: letter.signature.length + item.sizeBytes })
    this.#flush()
    for (;;) {
      const action = await this.#next()
      switch (action.kind) {
        case 'body': {
          const how = await this.#body(letter)
          if (how === 'ended') break
          this.destroy() // half a letter must not end
          this.#actions = []
          if (how === 'lost') return null
          return item.recipients.map(() => ({ kind: 'deferred', reply: how, dsn: false }))
        }
        case 'finished':
          this.#usable = !this.#sender.closed
          this.#actions = [] // `ready` or `closed`: the state says it
          return action.results
        case 'closed':
        case 'ready':
        case 'start-tls':
          break
        default:
          action satisfies never
      }
    }
  }

  /** Says goodbye. */
  quit(): void {
    if (this.#sender.closed) return
    this.#sender.quit()
    this.#flush()
    this.#cancelTimer()
    this.#cancelTimer = this.#clock.after(TIMES_MS.quit, () => this.destroy())
  }

  destroy(): void {
    this.#cancelTimer()
    this.#sender.lost('closed by us')
    this.#socket.destroy()
  }

  async #greet(): Promise<void> {
    this.#flush()
    for (;;) {
      const action = await this.#next()
      if (action.kind === 'ready') {
        this.#usable = true
        return
      }
      if (action.kind === 'closed') {
        const withoutTls = demandsTls(this.remote.demand) && !this.secure && this.#sender.greeted
        throw new ConnectionFailure(action.reason, { tls: withoutTls ? 'starttls-not-supported' : null })
      }
      if (action.kind === 'start-tls') {
        await this.#handshake()
        this.#sender.tlsStarted()
        this.#flush()
      }
    }
  }

  /** @returns `lost`: it is another's by now; else why it could not go on */
  async #body(letter: Letter): Promise<'ended' | 'lost' | string> {
    const { item, signature } = letter
    try {
      this.#sender.write(signature)
      for await (const piece of letter.read(0, item.sizeBytes)) {
        if (letter.lost.aborted) return 'lost'
        this.#sender.write(piece)
        await this.#flushed()
        if (this.#sender.closed) return 'ended' // `finished` says what came of it
      }
      for (;;) {
        const askedMs = this.#clock.monotonicMs()
        const may = await letter.mayEnd()
        if (!may || letter.lost.aborted) return 'lost'
        if (this.#clock.monotonicMs() - askedMs <= CONFIRM_FRESH_MS) break
      }
    } catch (error) {
      return oneLine(`The shard could not be asked: ${errorMessage(error)}`)
    }
    this.#sender.end()
    this.#flush()
    return 'ended'
  }

  async #handshake(): Promise<void> {
    const plain = this.#socket
    this.#cancelTimer()
    plain.removeAllListeners('data')
    plain.removeAllListeners('end')
    plain.removeAllListeners('error')
    plain.removeAllListeners('close')
    const { host, demand } = this.remote
    const secure = await new Promise<TLSSocket>((resolve, reject) => {
      const fail = (reason: string) => {
        cancel()
        plain.destroy()
        const tls = policyOf(demand) === 'no-policy-found' ? null : 'validation-failure'
        reject(new ConnectionFailure(`TLS with ${host} failed: ${reason}`, { inHandshake: true, tls }))
      }
      const cancel = this.#clock.after(TLS_TIMEOUT_MS, () => fail('no answer in time'))
      // What the certificate must be is judged below: mostly nobody asks for anything (RFC 7435).
      const options = {
        socket: plain,
        servername: sniOf(this.remote),
        rejectUnauthorized: false,
        checkServerIdentity: (_sni: string, certificate: PeerCertificate) => checkServerIdentity(host, certificate),
      }
      const socket = connectTls({ ...options, ...(this.#ca === null ? {} : { ca: this.#ca }) }, () => {
        cancel()
        resolve(socket)
      })
      socket.once('error', (error) => fail(errorMessage(error)))
      plain.once('close', () => fail('the connection ended'))
    })
    const problem = handshakeProblem(demand, shownBy(secure), this.#clock.nowMs())
    if (problem !== null && demandsTls(demand)) {
      secure.destroy()
      const reason = `451 4.7.5 ${host} cannot be trusted: ${problem.reason}`
      throw new ConnectionFailure(reason, { inHandshake: true, tls: problem.failure })
    }
    this.tlsProblem = problem
    secure.removeAllListeners('error')
    plain.removeAllListeners('close')
    this.#socket = secure
    this.#listen(secure)
  }

  #listen(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => {
      this.#sender.push(chunk)
      this.#flush()
    })
    const lost = (reason: string) => {
      this.#sender.lost(reason)
      this.#collect()
    }
    socket.on('end', () => lost('the server ended the connection'))
    socket.on('error', (error) => lost(errorMessage(error)))
    socket.on('close', () => lost('the connection was closed'))
  }

  #flush(): boolean {
    let more = true
    if (!this.#socket.destroyed) {
      this.#socket.cork()
      for (const piece of this.#sender.takeOutput()) more = this.#socket.write(piece)
      this.#socket.uncork()
    }
    this.#collect()
    this.#watch()
    return more
  }

  async #flushed(): Promise<void> {
    if (this.#flush() || this.#sender.closed) return
    await new Promise<void>((resolve) => {
      const done = () => {
        cancel()
        this.#socket.off('drain', done)
        this.#socket.off('close', done)
        resolve()
      }
      const cancel = this.#clock.after(TIMES_MS.block, () => {
        this.#sender.lost(`the server took nothing for ${TIMES_MS.block / 1000} s`)
        this.#collect()
        done()
      })
      this.#socket.once('drain', done)
      this.#socket.once('close', done)
    })
  }

  #watch(): void {
    this.#cancelTimer()
    const { awaited } = this.#sender
    if (awaited === null || this.#sender.closed) return
    this.#cancelTimer = this.#clock.after(TIMES_MS[awaited], () => {
      this.#sender.lost(`no answer in ${TIMES_MS[awaited] / 1000} s`)
      this.#collect()
    })
  }

  #collect(): void {
    for (let action = this.#sender.next(); action !== null; action = this.#sender.next()) this.#actions.push(action)
    if (this.#sender.closed) {
      this.#cancelTimer()
      this.#socket.destroy()
    }
    if (this.#actions.length > 0) this.#wake?.()
  }

  async #next(): Promise<SenderAction> {
    for (;;) {
      const action = this.#actions.shift()
      if (action !== undefined) return action
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = null
    }
  }
}

function connected(
  { address, port, host }: RemoteAddress,
  { clock, localAddress }: ConnectionOptions,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, ...(localAddress === null ? {} : { localAddress }) })
    const fail = (reason: string) => {
      cancel()
      socket.destroy()
      reject(new ConnectionFailure(`Cannot reach ${host} (${address}): ${reason}`))
    }
    const cancel = clock.after(CONNECT_TIMEOUT_MS, () => fail(`no answer in ${CONNECT_TIMEOUT_MS / 1000} s`))
    socket.once('error', (error) => fail(errorMessage(error)))
    socket.once('connect', () => {
      cancel()
      socket.removeAllListeners('error')
      socket.setNoDelay(true)
      resolve(socket)
    })
  })
}

/** RFC 7672 section 8.1: with DANE the base domain of the records. An address is no name (RFC 6066 section 3). */
function sniOf({ host, demand }: RemoteAddress): string {
  if (isIP(host) !== 0) return ''
  return demand.kind === 'dane' ? (demand.names[0] ?? host) : host
}

function shownBy(socket: TLSSocket): Handshake {
  const chain: X509Certificate[] = []
  let shown: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true)
  while (shown?.raw !== undefined && chain.length < CHAIN_MAX) {
    chain.push(new X509Certificate(shown.raw))
    // The last one is its own issuer.
    shown = shown.issuerCertificate === shown ? undefined : shown.issuerCertificate
  }
  // Node gives an error, and types it so; `code` is what names the kind.
  const error: unknown = socket.authorizationError
  const code = error instanceof Error && 'code' in error ? error.code : error
  return { chain, problem: socket.authorized ? null : String(code) }
}
