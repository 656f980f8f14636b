/**
 * The IMAP and POP3 listeners: TLS, the login dialogue, the directory's word on the password, a session at the home shard,
 * and then the splice. After the splice nothing of the login stays in memory.
 */
import type { Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import type { Directory, DirectoryAccount } from '#lib/directory/port.ts'
import { errorCode, errorMessage } from '#lib/errors/coded-error.ts'
import type { SessionOpen } from '#lib/frames/shard-protocol.ts'
import type { OpenedSession, ShardRouter } from '#lib/link/shard-router.ts'
import type { Logger } from '#lib/log/logger.ts'
import { toShardName } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { type Random, randomId } from '#lib/ports/random.ts'
import type { LoginDelay } from '../auth/login-delay.ts'
import { beginExchange, offeredMechanisms } from '../auth/mechanisms.ts'
import type { TokenVerifier } from '../auth/oidc.ts'
import type { LoginFacts, LoginVerdict, PasswordGate } from '../auth/password-gate.ts'
import type { ExchangeStep, SaslExchange } from '../auth/sasl-exchange.ts'
import type { ConnectionLimits } from '../connection-limits.ts'
import { LOGIN_IDLE_MS, MOVES_FOLLOWED_MAX } from '../limits.ts'
import type { EdgeMetrics } from '../metrics.ts'
import type { ProxiedClient } from '../policy/proxy-header.ts'
import type { DialogueAction, DialogueStep, FrontProtocol, LoginDialogue, LoginFailure } from './login-dialogue.ts'
import type { LiveSession, SessionRegistry } from './session-registry.ts'
import { Splice } from './splice.ts'
import { dropInput, startTls, tlsFacts } from './tls-socket.ts'

type PasswordAction = Extract<DialogueAction, { kind: 'authenticate' }>
type ExchangeAction = Extract<DialogueAction, { kind: 'exchange' }>

export interface SessionFrontOptions {
  readonly gate: PasswordGate
  readonly directory: Directory
  readonly router: ShardRouter
  readonly registry: SessionRegistry
  /** Null: no logins by token. */
  readonly tokens: TokenVerifier | null
  /** SCRAM is offered: every account has keys in the directory. */
  readonly scram: boolean
  readonly limits: ConnectionLimits
  /** Shards are told under which addresses others share mailboxes with the account. */
  readonly sharing: boolean
  /** Between two POP3 logins of an account. */
  readonly pop3LoginDelay: LoginDelay
  readonly patienceMs: number
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: EdgeMetrics
  /** Asked for each handshake, so that rotated certificates are used. */
  readonly tls: () => SecureContext
}

export interface SessionListener {
  readonly name: string
  readonly protocol: FrontProtocol
  /** The connection begins with TLS. */
  readonly implicitTls: boolean
}

export class SessionFront {
  readonly options: SessionFrontOptions
  readonly #logins = new Set<LoginPhase>()

  constructor(options: SessionFrontOptions) {
    this.options = options
  }

  /** Takes over an accepted socket, which was created with `allowHalfOpen`. */
  accept(listener: SessionListener, socket: Socket, { address, port }: ProxiedClient): void {
    socket.on('error', () => socket.destroy())
    const { limits } = this.options
    if (!limits.enter(listener.name, address)) {
      socket.destroy()
      return
    }
    socket.once('close', () => limits.leave(listener.name, address))
    socket.setNoDelay(true)
    const phase = new LoginPhase(this, listener, socket, { address, port })
    this.#logins.add(phase)
    void phase.run().finally(() => this.#logins.delete(phase))
  }

  /** Ends every dialogue before login. Sessions are the registry's. */
  endLogins(text: string): void {
    for (const phase of this.#logins) phase.bye(text)
  }
}

class LoginPhase {
  readonly #front: SessionFrontOptions
  readonly #listener: SessionListener
  readonly #sessionId: string
  readonly #clientAddress: string
  readonly #clientPort: number
  #socket: Socket
  #dialogue: LoginDialogue
  /** Resolves `run` when the login is over, one way or the other. */
  #over: () => void = () => {}
  #ended = false
  /** The attempt in progress, of a mechanism that is carried out here. */
  #exchange: SaslExchange | null = null

  readonly #onData = (chunk: Buffer) => this.#carryOut(this.#dialogue.receive(chunk))
  readonly #onEnd = () => this.#destroy()
  readonly #onTimeout = () => this.bye('Idle for too long')

  constructor(front: SessionFront, listener: SessionListener, socket: Socket, { address, port }: ProxiedClient) {
    this.#front = front.options
    this.#listener = listener
    this.#socket = socket
    this.#clientAddress = address
    this.#clientPort = port
    this.#sessionId = randomId(this.#front.random, 16)
    this.#dialogue = listener.protocol.dialogue(listener.implicitTls, () =>
      offeredMechanisms(this.#front, this.#socket),
    )
  }

  /** Resolves when the connection is closed or handed over. */
  async run(): Promise<void> {
    const over = new Promise<void>((resolve) => {
      this.#over = resolve
    })
    if (this.#listener.implicitTls && !(await this.#secure())) return
    this.#listen()
    this.#carryOut(this.#dialogue.greet())
    await over
  }

  bye(text: string): void {
    if (this.#ended) return
    this.#socket.write(this.#dialogue.bye(text))
    this.#close()
  }

  #listen(): void {
    this.#socket.on('data', this.#onData)
    this.#socket.on('end', this.#onEnd)
    this.#socket.on('close', this.#onEnd)
    this.#socket.setTimeout(LOGIN_IDLE_MS, this.#onTimeout)
  }

  #mute(): void {
    this.#socket.off('data', this.#onData)
    this.#socket.off('end', this.#onEnd)
    this.#socket.off('close', this.#onEnd)
    this.#socket.off('timeout', this.#onTimeout)
    this.#socket.setTimeout(0)
  }

  #carryOut({ bytes, action }: DialogueStep): void {
    if (this.#ended) return
    if (action?.kind === 'start-tls') {
      void this.#upgrade(bytes)
      return
    }
    if (bytes.length > 0) this.#socket.write(bytes)
    if (action?.kind === 'close') this.#close()
    if (action?.kind === 'authenticate') this.#judge(() => this.#authenticate(action))
    if (action?.kind === 'exchange') this.#judge(() => this.#goOn(action))
  }

  /** The client waits for us, and we do not read on meanwhile. */
  #judge(work: () => Promise<void>): void {
    this.#socket.pause()
    work().catch((err: unknown) => {
      this.#front.logger.error({ session: this.#sessionId, err }, 'login failed')
      this.#destroy()
    })
  }

  async #upgrade(goAhead: Buffer): Promise<void> {
    this.#mute()
    this.#socket.pause()
    dropInput(this.#socket)
    this.#socket.write(goAhead)
    if (!(await this.#secure())) return
    this.#listen()
    this.#carryOut(this.#dialogue.tlsStarted())
  }

  async #secure(): Promise<boolean> {
    try {
      this.#socket = await startTls(this.#socket, this.#front.tls(), this.#front.clock)
      this.#socket.on('error', () => this.#socket.destroy())
      return true
    } catch (error) {
      this.#front.logger.debug({ session: this.#sessionId, reason: errorMessage(error) }, 'no TLS')
      this.#destroy()
      return false
    }
  }

  async #authenticate({ login, password, mechanism }: PasswordAction): Promise<void> {
    await this.#conclude(login, await this.#front.gate.check({ ...this.#facts(login, mechanism), password }))
  }

  /** One message of a mechanism that is carried out here. */
  async #goOn({ mechanism, message, first }: ExchangeAction): Promise<void> {
    const { gate, metrics, logger } = this.#front
    if (first || this.#exchange === null) this.#exchange = beginExchange(mechanism, this.#front, this.#socket)
    let step: ExchangeStep
    try {
      step = await this.#exchange.next(message)
    } catch (err) {
      metrics.directoryErrors.inc()
      logger.warn({ session: this.#sessionId, code: errorCode(err), err }, 'cannot check a login')
      step = { kind: 'over', login: '', verdict: { kind: 'unavailable' } }
    }
    if (this.#ended) return
    if (step.kind === 'challenge') {
      this.#carryOut(this.#dialogue.challenge(step.bytes))
      if (!this.#ended) this.#socket.resume()
      return
    }
    this.#exchange = null
    const { login } = step
    await this.#conclude(login, await gate.settle(this.#facts(login, mechanism), step.verdict))
  }

  #facts(login: string, mechanism: string): LoginFacts {
    const scope = this.#listener.protocol.protocol
    return { login, mechanism, scope, clientAddress: this.#clientAddress, session: this.#sessionId }
  }

  async #conclude(login: string, verdict: LoginVerdict): Promise<void> {
    if (this.#ended) return
    if (verdict.kind !== 'ok') this.#fail(verdict.kind)
    else if (this.#isPop3 && this.#front.pop3LoginDelay.tooSoon(verdict.account.id)) this.#fail('too-soon')
    else if (!this.#front.registry.reserve(verdict.account.id)) this.#fail('limit')
    else await this.#open(login, verdict.account)
  }

  get #isPop3(): boolean {
    return this.#listener.protocol.protocol === 'pop3'
  }

  #fail(reason: LoginFailure): void {
    this.#carryOut(this.#dialogue.failed(reason))
    if (!this.#ended) this.#socket.resume()
  }

  /** A place in the registry is reserved: it is freed here, or by the session's end. */
  async #open(login: string, account: DirectoryAccount): Promise<void> {
    const { registry, logger } = this.#front
    let answer: OpenedSession | null = null
    try {
      answer = await this.#openAtHome(login, account)
    } catch (error) {
      logger.warn(
        { session: this.#sessionId, account: account.id, reason: errorMessage(error) },
        'cannot open a session',
      )
    }
    if (answer?.kind === 'opened' && !this.#ended) {
      this.#handOver(login, account, answer)
      return
    }
    registry.free(account.id)
    if (answer?.kind === 'opened') answer.stream.destroy()
    else if (!this.#ended) this.#fail(failureOf(answer))
  }

  async #openAtHome(login: string, account: DirectoryAccount): Promise<OpenedSession> {
    const { router, directory, patienceMs, sharing } = this.#front
    const open: SessionOpen = {
      protocol: this.#listener.protocol.protocol,
      account: account.id,
      login,
      sessionId: this.#sessionId,
      clientAddress: this.#clientAddress,
      clientPort: this.#clientPort,
      tls: tlsFacts(this.#socket),
      clientId: this.#dialogue.clientId,
      ...(sharing && { identity: { address: account.address, addresses: [account.address, ...account.aliases] } }),
    }
    let shard = account.home
    for (let moves = 0; ; moves++) {
      const answer = await router.openSession(shard, patienceMs, open)
      const target = answer.kind === 'refused' && answer.refusal.reason === 'moved' ? answer.refusal.target : null
      if (target === null || moves >= MOVES_FOLLOWED_MAX) return answer
      directory.forget(account.id)
      shard = toShardName(target)
    }
  }

  #handOver(login: string, account: DirectoryAccount, answer: Extract<OpenedSession, { kind: 'opened' }>): void {
    const { registry, logger, metrics, clock } = this.#front
    const { protocol } = this.#listener
    this.#mute()
    const said = this.#dialogue.accepted(answer.opened.capabilities).bytes
    this.#socket.write(answer.early.length > 0 ? Buffer.concat([said, answer.early]) : said)
    const rest = this.#dialogue.rest()
    if (rest.length > 0) answer.stream.write(rest)
    const facts = { session: this.#sessionId, account: account.id, address: this.#clientAddress }
    logger.info({ ...facts, login, protocol: protocol.protocol, tls: tlsFacts(this.#socket) }, 'session begins')
    metrics.sessions.inc({ protocol: protocol.protocol })
    const beganMs = clock.monotonicMs()
    const splice = new Splice({
      client: this.#socket,
      shard: answer.stream,
      farewell: protocol.farewell,
      onEnd(reason, { bytesIn, bytesOut }) {
        registry.remove(live)
        registry.free(account.id)
        metrics.sessions.dec({ protocol: protocol.protocol })
        metrics.sessionsEnded.inc({ protocol: protocol.protocol, reason })
        const seconds = Math.round((clock.monotonicMs() - beganMs) / 1000)
        logger.info({ ...facts, reason, bytesIn, bytesOut, seconds }, 'session ends')
      },
    })
    const live: LiveSession = {
      account: account.id,
      idleMs: protocol.idleMs,
      traffic: () => splice.bytesIn + splice.bytesOut,
      end: (text) => splice.end(text),
    }
    registry.add(live)
    if (this.#isPop3) this.#front.pop3LoginDelay.loggedIn(account.id)
    this.#finish()
  }

  #close(): void {
    this.#mute()
    this.#socket.resume()
    this.#socket.destroySoon()
    this.#finish()
  }

  #destroy(): void {
    this.#socket.destroy()
    this.#finish()
  }

  #finish(): void {
    this.#ended = true
    this.#over()
  }
}

/** What a client is told when its shard did not open the session; null: no shard answered. */
function failureOf(answer: Extract<OpenedSession, { kind: 'refused' }> | null): LoginFailure {
  const reason = answer?.refusal.reason
  if (reason === 'suspended' || reason === 'in-use' || reason === 'limit') return reason
  return 'unavailable' // also an account that nobody owns just now: it is being created or moved
}
