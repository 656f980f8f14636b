/**
 * The mail listeners: SMTP from other servers, LMTP from the array, submission from users. One set of handlers for
 * smtp-server, whose differences by source stand beside each other here.
 */
import type { Readable } from 'node:stream'
import type { SMTPServerAddress, SMTPServerOptions, SMTPServerSession } from 'smtp-server'
import type { Directory, DirectoryAccount } from '#lib/directory/port.ts'
import type { DeliveryOutcome } from '#lib/frames/shard-protocol.ts'
import type { TransmissionType } from '#lib/letter/mod.ts'
import type { Logger } from '#lib/log/logger.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { TLS_DEFAULTS, type TlsMaterial } from '#lib/tls/material.ts'
import type { PasswordGate } from '../auth/password-gate.ts'
import type { ConnectionLimits } from '../connection-limits.ts'
import {
  LOGIN_FAILURES_MAX,
  REFUSED_RECIPIENTS_MAX,
  SMTP_IDLE_MS,
  SMTP_LINE_BYTES_MAX,
  UNAUTHENTICATED_COMMANDS_MAX,
} from '../limits.ts'
import type { EdgeMetrics } from '../metrics.ts'
import type { BodyBudget } from './body-budget.ts'
import type { LetterIntake, LetterResult } from './letter-intake.ts'
import { asciiAddress, type Recipients } from './recipients.ts'
import { accepted, outcomeReply, REPLIES, type Reply, SmtpRefusal, transactionReply } from './replies.ts'
import { EdgeSmtpServer } from './smtp-connection.ts'
import { type Source, Transaction } from './transaction.ts'

export interface SmtpServiceOptions {
  readonly hostname: string
  readonly messageBytesMax: number
  readonly recipientsMax: number
  /** Bounds handshakes that have not become connections yet; the rest is `limits`. */
  readonly connectionsMax: number
  readonly showClientAddress: boolean
  readonly stopMs: number
  readonly recipients: Recipients
  readonly intake: LetterIntake
  readonly budget: BodyBudget
  readonly directory: Directory
  readonly gate: PasswordGate
  readonly limits: ConnectionLimits
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: EdgeMetrics
}

export interface SmtpListener {
  readonly name: string
  readonly source: Source
  readonly tls: 'none' | 'starttls' | 'implicit'
}

type Done = (error?: Error | null) => void

/** What is known of a connection beyond smtp-server's session. */
interface Peer {
  account: DirectoryAccount | null
  loginFailures: number
  refusedRecipients: number
}

/** Commands of smtp-server that are toys or need a trusted proxy; HELP would name another project's page. */
const DISABLED = ['WIZ', 'SHELL', 'KILL', 'XCLIENT', 'XFORWARD', 'HELP']
const NO_REPLY = new SmtpRefusal(REPLIES.undelivered)

export class SmtpService {
  readonly #options: SmtpServiceOptions
  readonly #peers = new WeakMap<SMTPServerSession, Peer>()
  /** Keyed by smtp-server's envelope object, which is a new one after RSET, EHLO and every letter. */
  readonly #transactions = new WeakMap<SMTPServerSession['envelope'], Transaction>()

  constructor(options: SmtpServiceOptions) {
    this.#options = options
  }

  /** A server that is not listening yet. @param tls Null only for a listener without TLS. */
  createServer(listener: SmtpListener, tls: TlsMaterial | null): EdgeSmtpServer {
    const { budget, logger, metrics } = this.#options
    const server = new EdgeSmtpServer(this.#serverOptions(listener, tls), {
      mayTakeLetter() {
        if (!budget.spent) return true
        metrics.bodyRefusals.inc()
        return false
      },
    })
    server.on('error', (err) => logger.debug({ listener: listener.name, err }, 'connection failed'))
    return server
  }

  #serverOptions(listener: SmtpListener, tls: TlsMaterial | null): SMTPServerOptions {
    const { hostname, messageBytesMax, recipientsMax, connectionsMax, stopMs } = this.#options
    const { source } = listener
    const disabled = [...DISABLED]
    if (source !== 'submission') disabled.push('AUTH')
    if (listener.tls === 'none' || tls === null) disabled.push('STARTTLS')
    return {
      ...(tls === null ? {} : { key: tls.key, cert: tls.cert, ...TLS_DEFAULTS }),
      name: hostname,
      banner: 'Twinpost',
      heloResponse: '%s',
      secure: listener.tls === 'implicit',
      lmtp: source === 'lmtp',
      size: messageBytesMax,
      maxClients: connectionsMax,
      maxRecipients: recipientsMax,
      authMethods: source === 'submission' ? ['PLAIN', 'LOGIN'] : [],
      disabledCommands: disabled,
      maxAllowedUnauthenticatedCommands: UNAUTHENTICATED_COMMANDS_MAX,
      maxCommandLength: SMTP_LINE_BYTES_MAX,
      hideENHANCEDSTATUSCODES: false,
      hideSMTPUTF8: true, // until IMAP and POP3 can serve such letters to every client (rules.md, Bytes and headers)
      disableReverseLookup: true,
      socketTimeout: SMTP_IDLE_MS,
      closeTimeout: stopMs,
      logger: false,
      onConnect: (session, done) => this.#connect(listener, session, done),
      onClose: (session) => this.#close(listener, session),
      onAuth: (auth, session, done) => {
        const attempt = { method: auth.method, login: auth.username ?? '', password: auth.password ?? '' }
        const foreign = auth.authzid !== undefined && auth.authzid !== '' && auth.authzid !== auth.username
        this.#authenticate(attempt, foreign, session).then(
          (reply) => (reply === null ? done(null, { user: session.id }) : done(new SmtpRefusal(reply))),
          (error: unknown) => done(this.#bug(error)),
        )
      },
      onMailFrom: (address, session, done) => this.#settle(this.#mailFrom(source, address, session), done),
      onRcptTo: (address, session, done) => this.#settle(this.#rcptTo(source, address, session), done),
      onData: (stream, session, done) => {
        this.#data(source, stream, session).then(
          (answer) => done(null, answer),
          (error: unknown) => done(error instanceof SmtpRefusal ? error : this.#bug(error)),
        )
      },
    }
  }

  #connect(listener: SmtpListener, session: SMTPServerSession, done: Done): void {
    if (!this.#options.limits.enter(listener.name, session.remoteAddress)) {
      done(new SmtpRefusal(REPLIES.tooManyConnections))
      return
    }
    this.#peers.set(session, { account: null, loginFailures: 0, refusedRecipients: 0 })
    done()
  }

  #close(listener: SmtpListener, session: SMTPServerSession): void {
    if (!this.#peers.delete(session)) return // was refused
    this.#options.limits.leave(listener.name, session.remoteAddress)
  }

  async #authenticate(
    attempt: { readonly method: string; readonly login: string; readonly password: string },
    foreignAuthzid: boolean,
    session: SMTPServerSession,
  ): Promise<Reply | null> {
    const peer = this.#peers.get(session)
    if (!peer) return REPLIES.loginAway
    const verdict = await this.#options.gate.check({
      login: foreignAuthzid ? '' : attempt.login, // nobody acts for another: same cost, same answer
      password: attempt.password,
      scope: 'smtp',
      mechanism: attempt.method,
      clientAddress: session.remoteAddress,
      session: session.id,
    })
    switch (verdict.kind) {
      case 'ok':
        peer.account = verdict.account
        return null
      case 'unavailable':
        return REPLIES.loginAway
      case 'denied':
      case 'suspended':
        peer.loginFailures++
        if (peer.loginFailures >= LOGIN_FAILURES_MAX) return REPLIES.tooManyLogins
        return verdict.kind === 'denied' ? REPLIES.loginFailed : REPLIES.loginSuspended
      default:
        return verdict satisfies never
    }
  }

  async #mailFrom(source: Source, said: SMTPServerAddress, session: SMTPServerSession): Promise<Reply | null> {
    const address = said.address === '' ? '' : asciiAddress(said.address)
    if (address === null) return REPLIES.senderNeedsUtf8
    if (source === 'submission') {
      const account = this.#accountOf(session)
      if (account === null) return REPLIES.senderNotOwned
      const reply = await this.#ownership(account, address)
      if (reply !== null) return reply
    }
    const size = said.args && 'SIZE' in said.args ? Number(said.args.SIZE) : 0
    this.#transactions.set(session.envelope, new Transaction(address, Number.isSafeInteger(size) ? size : 0))
    return null
  }

  /** RFC 6409 section 6.1: the reverse path must be one that the user may use; the null path is for notifications. */
  async #ownership(account: DirectoryAccount, address: string): Promise<Reply | null> {
    const wanted = address.toLowerCase()
    if (address === '' || account.address === wanted || account.aliases.includes(wanted)) return null
    try {
      const found = await this.#options.directory.lookup(address) // a new alias, a subaddress
      return found.kind === 'account' && found.account.id === account.id ? null : REPLIES.senderNotOwned
    } catch (err) {
      this.#options.metrics.directoryErrors.inc()
      this.#options.logger.warn({ err }, 'cannot look up a sender')
      return REPLIES.directoryAway
    }
  }

  async #rcptTo(source: Source, said: SMTPServerAddress, session: SMTPServerSession): Promise<Reply | null> {
    const transaction = this.#transactions.get(session.envelope)
    const peer = this.#peers.get(session)
    if (!transaction || !peer) return REPLIES.shardAway
    if (said.args) return REPLIES.unknownParameter // no DSN, so RCPT has no parameters
    const nullSender = transaction.reversePath === '' && source === 'smtp'
    if (nullSender && transaction.recipients.length > 0) return REPLIES.oneForNullSender
    const beganMs = this.#options.clock.monotonicMs()
    const foreign = source === 'submission' ? REPLIES.foreignDomain : REPLIES.relayDenied
    const decision = await this.#options.recipients.decide(said.address, transaction.sizeBytes, foreign)
    const seconds = (this.#options.clock.monotonicMs() - beganMs) / 1000
    this.#options.metrics.stageSeconds.observe({ stage: 'recipient' }, seconds)
    const reply = this.#admit(source, transaction, decision)
    this.#options.metrics.recipients.inc({ source, verdict: reply === null ? 'accepted' : String(reply.code) })
    if (
      reply !== null &&
      reply.code >= 500 &&
      ++peer.refusedRecipients >= REFUSED_RECIPIENTS_MAX &&
      source !== 'lmtp'
    ) {
      return REPLIES.tooManyBadRecipients
    }
    return reply
  }

  #admit(source: Source, transaction: Transaction, decision: Awaited<ReturnType<Recipients['decide']>>): Reply | null {
    if (decision.kind === 'refused') return decision.reply
    const { recipient } = decision
    // One reply cannot say that one shard has the letter and another has not: the sender brings the others next time.
    if (source === 'smtp' && transaction.shard !== null && transaction.shard !== recipient.shard) {
      return REPLIES.oneShardOnly
    }
    transaction.add(recipient)
    return null
  }

  async #data(source: Source, stream: Readable, session: SMTPServerSession): Promise<string | (string | Error)[]> {
    const transaction = this.#transactions.get(session.envelope)
    if (!transaction) throw NO_REPLY
    const user = source === 'submission' ? this.#accountOf(session) : null
    const result = await this.#options.intake.take({
      source,
      transaction,
      stream,
      transport: {
        protocol: transmissionType(session),
        helo: session.hostNameAppearsAs,
        clientAddress: user && !this.#options.showClientAddress ? null : session.remoteAddress,
        tls: session.tlsOptions ? `${session.tlsOptions.version} ${session.tlsOptions.standardName}` : null,
      },
      sender: user?.id ?? transaction.reversePath,
      session: session.id,
    })
    return source === 'lmtp' ? eachReply(transaction, result) : oneReply(result)
  }

  #accountOf(session: SMTPServerSession): DirectoryAccount | null {
    return session.user ? (this.#peers.get(session)?.account ?? null) : null
  }

  #settle(decision: Promise<Reply | null>, done: Done): void {
    decision.then(
      (reply) => done(reply === null ? null : new SmtpRefusal(reply)),
      (error: unknown) => done(this.#bug(error)),
    )
  }

  /** A failure that nobody foresaw: the client may try again, the log has it. */
  #bug(err: unknown): Error {
    this.#options.logger.error({ err }, 'mail transaction failed')
    return NO_REPLY
  }
}

const TRANSMISSION_TYPES: readonly TransmissionType[] = [
  ...(['SMTP', 'SMTPS', 'SMTPA', 'SMTPSA', 'ESMTP', 'ESMTPS', 'ESMTPA', 'ESMTPSA', 'LMTP', 'LMTPS'] as const),
]

function transmissionType(session: SMTPServerSession): TransmissionType {
  return TRANSMISSION_TYPES.find((type) => type === session.transmissionType) ?? 'SMTP'
}

function oneReply(result: LetterResult): string {
  const reply = result.kind === 'refused' ? result.reply : transactionReply(result.outcomes)
  if (reply !== null) throw new SmtpRefusal(reply)
  return accepted(result.traceId)
}

/** RFC 2033 section 4.2: one reply for each accepted RCPT, in their order. */
function eachReply(transaction: Transaction, result: LetterResult): (string | Error)[] {
  return transaction.places.map((place) => {
    const outcome: DeliveryOutcome | undefined = result.kind === 'settled' ? result.outcomes[place] : undefined
    const reply = result.kind === 'refused' ? result.reply : outcomeReply(outcome?.kind ?? 'unavailable')
    return reply === null ? accepted(result.traceId) : new SmtpRefusal(reply)
  })
}
