/**
 * One edge: its parts put together, its listeners, its clean stop. Everything that comes from outside the process (settings,
 * directory, links, certificates, time, chance) is given to it.
 */
import { createServer, type Server, type Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import type { Directory } from '#lib/directory/port.ts'
import { assert } from '#lib/errors/assert.ts'
import type { ShardRouter } from '#lib/link/shard-router.ts'
import type { Logger } from '#lib/log/logger.ts'
import type { AccountId } from '#lib/mail/types.ts'
import { type Clock, sleep } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import { type ServerCertificate, secureContext } from '#lib/tls/material.ts'
import { LoginDelay } from './auth/login-delay.ts'
import type { TokenVerifier } from './auth/oidc.ts'
import { type LoginListener, PasswordGate } from './auth/password-gate.ts'
import type { EdgeConfig } from './config.ts'
import { ConnectionLimits } from './connection-limits.ts'
import type { LetterFilter } from './filter/letter-filter.ts'
import type { EdgeMetrics } from './metrics.ts'
import type { ClientPolicy } from './policy/client-policy.ts'
import { ProxiedClients } from './policy/proxied-clients.ts'
import { imapProtocol, pop3Protocol } from './sessions/login-dialogue.ts'
import { SessionFront, type SessionListener } from './sessions/session-front.ts'
import { SessionRegistry } from './sessions/session-registry.ts'
import { BodyBudget } from './smtp/body-budget.ts'
import { Deliverer } from './smtp/delivery.ts'
import { DeliveryIds } from './smtp/delivery-ids.ts'
import { LetterIntake } from './smtp/letter-intake.ts'
import { Ownership } from './smtp/ownership.ts'
import { RecipientChecks } from './smtp/recipient-checks.ts'
import { Recipients } from './smtp/recipients.ts'
import { SmtpServer } from './smtp/smtp-server.ts'
import { type SmtpListener, SmtpService } from './smtp/smtp-service.ts'

export interface EdgeDependencies {
  readonly config: EdgeConfig
  readonly directory: Directory
  readonly router: ShardRouter
  /** Null: letters are shown to no filter. */
  readonly filter: LetterFilter | null
  /** Shown to mail clients. */
  readonly publicTls: ServerCertificate
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: EdgeMetrics
  /** Hears of every login that is tried. */
  readonly onLogin?: LoginListener
  /** Default: nothing is asked of clients. */
  readonly policy?: ClientPolicy | null
  /** Default: no logins by token. */
  readonly tokens?: TokenVerifier
  /** For tests: how long the first failed login waits. */
  readonly loginFailureDelayMs?: number
}

const STOPPING_TEXT = 'Server is shutting down'
/** How often a stopping edge looks whether the letters in flight are through. */
const STOP_LOOK_MS = 50

const SMTP_LISTENERS = [
  { name: 'smtp', source: 'smtp', tls: 'starttls', port: 'smtpPort' },
  { name: 'lmtp', source: 'lmtp', tls: 'none', port: 'lmtpPort' },
  { name: 'submission', source: 'submission', tls: 'starttls', port: 'submissionPort' },
  { name: 'submissions', source: 'submission', tls: 'implicit', port: 'submissionsPort' },
] as const satisfies readonly (SmtpListener & { port: keyof EdgeConfig })[]

const SESSION_LISTENERS = [
  { name: 'imap', protocol: 'imap', implicitTls: false, port: 'imapPort' },
  { name: 'imaps', protocol: 'imap', implicitTls: true, port: 'imapsPort' },
  { name: 'pop3', protocol: 'pop3', implicitTls: false, port: 'pop3Port' },
  { name: 'pop3s', protocol: 'pop3', implicitTls: true, port: 'pop3sPort' },
] as const

export type ListenerName = (typeof SMTP_LISTENERS)[number]['name'] | (typeof SESSION_LISTENERS)[number]['name']

export class Edge {
  readonly #dependencies: EdgeDependencies
  readonly #registry: SessionRegistry
  readonly #clients: ProxiedClients
  readonly #smtp: SmtpService
  readonly #front: SessionFront
  readonly #smtpServers: SmtpServer[] = []
  readonly #sessionServers: Server[] = []
  readonly #ports = new Map<ListenerName, number>()
  #context: SecureContext
  #stopping = false

  constructor(dependencies: EdgeDependencies) {
    const { config, directory, router, filter, clock, random, logger, metrics, publicTls } = dependencies
    this.#dependencies = dependencies
    this.#context = secureContext(publicTls)
    this.#registry = new SessionRegistry(clock, config.sessionsPerAccountMax)
    const { loginFailureDelayMs } = dependencies
    const gate = new PasswordGate({
      directory,
      clock,
      logger,
      metrics,
      ...(dependencies.onLogin && { heard: dependencies.onLogin }),
      ...(loginFailureDelayMs === undefined ? {} : { failureDelayMs: loginFailureDelayMs }),
    })
    const limits = new ConnectionLimits({
      connectionsMax: config.connectionsMax,
      perAddressMax: config.connectionsPerAddressMax,
      metrics,
    })
    this.#clients = new ProxiedClients(config.proxyNetworks, clock, logger)
    const budget = new BodyBudget(config.bodyBudgetBytes, metrics)
    const checks = new RecipientChecks({
      router,
      patienceMs: config.recipientPatienceMs,
      memoryMs: config.recipientMemoryMs,
      clock,
      logger,
    })
    const ownership = new Ownership({ directory, metrics, logger })
    this.#smtp = new SmtpService({
      ownership,
      hostname: config.hostname,
      messageBytesMax: config.messageBytesMax,
      recipientsMax: config.recipientsMax,
      showClientAddress: config.showClientAddress,
      recipients: new Recipients({ directory, checks, logger, metrics, postmaster: config.postmaster }),
      intake: new LetterIntake({
        deliverer: new Deliverer({ router, clock, logger, patienceMs: config.deliveryPatienceMs }),
        ids: new DeliveryIds(clock, random),
        ownership,
        filter,
        hostname: config.hostname,
        clock,
        random,
        logger,
        metrics,
      }),
      budget,
      directory,
      gate,
      policy: dependencies.policy ?? null,
      tokens: dependencies.tokens ?? null,
      scram: config.scram,
      limits,
      clock,
      random,
      logger,
      metrics,
      tls: () => this.#context,
    })
    this.#front = new SessionFront({
      gate,
      directory,
      router,
      registry: this.#registry,
      scram: config.scram,
      tokens: dependencies.tokens ?? null,
      limits,
      sharing: config.sharing,
      pop3LoginDelay: new LoginDelay(clock, config.pop3LoginDelaySeconds),
      patienceMs: config.sessionPatienceMs,
      clock,
      random,
      logger,
      metrics,
      tls: () => this.#context,
    })
  }

  /** Opens every configured listener on the pod's and the shared address. Rejects if one of them cannot be opened. */
  async listen(): Promise<void> {
    const { config } = this.#dependencies
    const addresses = [{ host: config.listenHost, reusePort: false }]
    if (config.serviceAddress !== null) addresses.push({ host: config.serviceAddress, reusePort: true })
    for (const { host, reusePort } of addresses) {
      for (const { port: key, ...listener } of SMTP_LISTENERS) {
        const port = config[key]
        if (port !== null) await this.#listenSmtp(listener, { host, port, reusePort })
      }
      for (const { port: key, protocol, ...listener } of SESSION_LISTENERS) {
        const port = config[key]
        const spoken = protocol === 'imap' ? imapProtocol(config.hostname) : pop3Protocol(config.pop3LoginDelaySeconds)
        if (port !== null) await this.#listenSessions({ ...listener, protocol: spoken }, { host, port, reusePort })
      }
    }
  }

  /** The port of a listener on the pod's address, where the settings left the choice to the system. */
  port(name: ListenerName): number {
    const port = this.#ports.get(name)
    assert(port !== undefined, `listener ${name} is open`)
    return port
  }

  get sessionCount(): number {
    return this.#registry.size
  }

  get stopping(): boolean {
    return this.#stopping
  }

  /** New certificates for new connections. */
  renewTls(material: ServerCertificate): void {
    this.#context = secureContext(material)
  }

  /** Ends the live sessions of an account that may not go on. @returns How many. */
  endSessions(account: AccountId, text: string): number {
    return this.#registry.endAccount(account, text)
  }

  /** Takes nothing new, says goodbye to all who wait, and gives letters in flight until the bound to be answered. */
  async stop(): Promise<void> {
    const { clock, config, logger } = this.#dependencies
    this.#stopping = true
    let open = this.#smtpServers.length
    for (const server of this.#smtpServers) server.stop(() => open--)
    for (const server of this.#sessionServers) server.close()
    this.#front.endLogins(STOPPING_TEXT)
    const sessions = this.#registry.endAll(STOPPING_TEXT)
    this.#registry.close()
    logger.info({ sessions }, 'stopping')
    const deadline = clock.monotonicMs() + config.stopSeconds * 1000
    while (open > 0 && clock.monotonicMs() < deadline) await sleep(clock, STOP_LOOK_MS)
    for (const server of this.#smtpServers) server.destroy()
  }

  async #listenSmtp(listener: SmtpListener & { name: ListenerName }, where: ListenWhere): Promise<void> {
    const server = new SmtpServer(this.#smtp, listener, this.#clients)
    this.#smtpServers.push(server)
    this.#remember(listener.name, await listening(server.server, where))
  }

  async #listenSessions(listener: SessionListener & { name: ListenerName }, where: ListenWhere): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (socket: Socket) =>
      this.#clients.take(socket, (client) => this.#front.accept(listener, socket, client)),
    )
    this.#sessionServers.push(server)
    this.#remember(listener.name, await listening(server, where))
  }

  #remember(name: ListenerName, port: number): void {
    if (!this.#ports.has(name)) this.#ports.set(name, port)
  }
}

interface ListenWhere {
  readonly host: string
  readonly port: number
  readonly reusePort: boolean
}

/** Connections waiting to be accepted: a burst of clients after a failover must not be turned away by the kernel. */
const BACKLOG = 4096

function listening(server: Server, where: ListenWhere): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ ...where, backlog: BACKLOG }, () => {
      server.off('error', reject)
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : where.port)
    })
  })
}
