/**
 * The decisions of the mail listeners: SMTP from other servers, LMTP from the array, submission from users. What they have in
 * common is written once, and what differs by source stands beside each other here.
 */
import type { Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import type { Directory, DirectoryAccount } from '#lib/directory/port.ts'
import { assert } from '#lib/errors/assert.ts'
import { errorCode } from '#lib/errors/coded-error.ts'
import type { TransportFacts } from '#lib/letter/mod.ts'
import type { Logger } from '#lib/log/logger.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { type Random, randomId } from '#lib/ports/random.ts'
import type { Credentials, MailCommand, RcptCommand, ReceiverOptions, RecipientDsn, Reply } from '#lib/smtp/mod.ts'
import { beginExchange, offeredMechanisms } from '../auth/mechanisms.ts'
import type { TokenVerifier } from '../auth/oidc.ts'
import type { LoginVerdict, PasswordGate } from '../auth/password-gate.ts'
import type { ExchangeStep, SaslExchange } from '../auth/sasl-exchange.ts'
import type { ConnectionLimits } from '../connection-limits.ts'
import { BUFFERED_LETTER_BYTES_MAX, LOGIN_FAILURES_MAX, REFUSED_RECIPIENTS_MAX } from '../limits.ts'
import type { EdgeMetrics } from '../metrics.ts'
import type { ClientPolicy } from '../policy/client-policy.ts'
import type { BodyBudget } from './body-budget.ts'
import { type BodyRules, type BodySource, LetterBody } from './letter-body.ts'
import type { LetterIntake, LetterResult } from './letter-intake.ts'
import type { Ownership } from './ownership.ts'
import { asciiAddress, type RecipientDecision, type Recipients } from './recipients.ts'
import { accepted, REPLIES, transactionReply } from './replies.ts'
import { type Source, Transaction } from './transaction.ts'

export interface SmtpServiceOptions {
  readonly hostname: string
  readonly messageBytesMax: number
  readonly recipientsMax: number
  readonly showClientAddress: boolean
  readonly recipients: Recipients
  readonly ownership: Ownership
  readonly intake: LetterIntake
  readonly budget: BodyBudget
  readonly directory: Directory
  readonly gate: PasswordGate
  /** Null: no logins by token. */
  readonly tokens: TokenVerifier | null
  /** SCRAM is offered: every account has keys in the directory. */
  readonly scram: boolean
  /** What is asked of clients that bring mail from outside; null: nothing. */
  readonly policy: ClientPolicy | null
  readonly limits: ConnectionLimits
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: EdgeMetrics
  /** Asked for each handshake, so that rotated certificates are used. */
  readonly tls: () => SecureContext
}

export interface SmtpListener {
  readonly name: string
  readonly source: Source
  readonly tls: 'none' | 'starttls' | 'implicit'
}

/** What a command is answered: null accepts. */
export type Decision = Reply | null | Promise<Reply | null>

/** What is known of a client beyond its dialogue. */
export interface Peer {
  readonly source: Source
  /** Connection id, for the log. */
  readonly session: string
  readonly address: string
  /** As it calls itself; empty before it has. */
  helo: string
  /** Who has logged in. */
  account: DirectoryAccount | null
  loginFailures: number
  refusedRecipients: number
  transaction: Transaction | null
}

/** What the dialogue knows of a letter's way here. */
export type DialogueFacts = Pick<TransportFacts, 'protocol' | 'helo' | 'tls'>

const BANNER = 'Twinpost'
const SESSION_ID_CHARACTERS = 16

export class SmtpService {
  readonly #options: SmtpServiceOptions

  constructor(options: SmtpServiceOptions) {
    this.#options = options
  }

  get clock(): Clock {
    return this.#options.clock
  }

  get logger(): Logger {
    return this.#options.logger
  }

  /** For new handshakes: certificates are renewed. */
  tlsContext(): SecureContext {
    return this.#options.tls()
  }

  receiverOptions(listener: SmtpListener): ReceiverOptions {
    const { hostname, messageBytesMax, recipientsMax } = this.#options
    return {
      hostname,
      banner: BANNER,
      protocol: listener.source === 'lmtp' ? 'lmtp' : 'smtp',
      tls: listener.tls === 'implicit',
      startTls: listener.tls === 'starttls',
      loginRequired: listener.source === 'submission',
      sizeMax: messageBytesMax,
      recipientsMax,
      smtpUtf8: false, // until IMAP and POP3 can serve such letters to every client (rules.md, Bytes and headers)
      dsn: listener.source === 'submission', // RFC 3461; mail from outside is refused at RCPT, so nothing is to be told
    }
  }

  /** Counts a client in. @returns null if there are too many: then it must not be counted out. */
  enter(listener: SmtpListener, address: string): Peer | null {
    return this.#options.limits.enter(listener.name, address) ? this.stranger(listener, address) : null
  }

  /** A client that has said nothing yet. */
  stranger({ source }: SmtpListener, address: string): Peer {
    const session = randomId(this.#options.random, SESSION_ID_CHARACTERS)
    return {
      source,
      session,
      address,
      helo: '',
      account: null,
      loginFailures: 0,
      refusedRecipients: 0,
      transaction: null,
    }
  }

  leave(listener: SmtpListener, peer: Peer): void {
    this.#options.limits.leave(listener.name, peer.address)
  }

  /** What a connection is offered beside passwords. */
  mechanisms(socket: Socket): readonly string[] {
    return offeredMechanisms(this.#options, socket)
  }

  beginExchange(mechanism: string, socket: Socket): SaslExchange {
    return beginExchange(mechanism, this.#options, socket)
  }

  /** One message of a mechanism that is carried out here. @returns A challenge, or what the login is answered. */
  async exchange(
    peer: Peer,
    exchange: SaslExchange,
    mechanism: string,
    message: Buffer,
  ): Promise<Buffer | Reply | null> {
    const { gate, metrics, logger } = this.#options
    let step: ExchangeStep
    try {
      step = await exchange.next(message)
    } catch (err) {
      metrics.directoryErrors.inc()
      logger.warn({ session: peer.session, code: errorCode(err), err }, 'cannot check a login')
      step = { kind: 'over', login: '', verdict: { kind: 'unavailable' } }
    }
    if (step.kind === 'challenge') return step.bytes
    const facts = { scope: 'smtp', mechanism, clientAddress: peer.address, session: peer.session } as const
    return this.#answerLogin(peer, await gate.settle({ ...facts, login: step.login }, step.verdict))
  }

  async login(peer: Peer, said: Credentials): Promise<Reply | null> {
    const foreign = said.authzid !== '' && said.authzid !== said.login
    const verdict = await this.#options.gate.check({
      login: foreign ? '' : said.login, // nobody acts for another: same cost, same answer
      password: said.password,
      scope: 'smtp',
      mechanism: said.mechanism,
      clientAddress: peer.address,
      session: peer.session,
    })
    return this.#answerLogin(peer, verdict)
  }

  #answerLogin(peer: Peer, verdict: LoginVerdict): Reply | null {
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

  sender(peer: Peer, mail: MailCommand): Decision {
    const address = mail.reversePath === '' ? '' : asciiAddress(mail.reversePath)
    if (address === null) return REPLIES.senderNeedsUtf8
    const begin = (refusal: Reply | null): Reply | null => {
      if (refusal === null) peer.transaction = new Transaction(address, mail)
      return refusal
    }
    if (peer.source !== 'submission') return begin(null)
    return peer.account === null
      ? REPLIES.senderNotOwned
      : this.#options.ownership.sender(peer.account, address).then(begin)
  }

  async recipient(peer: Peer, { forwardPath, dsn }: RcptCommand): Promise<Reply | null> {
    const { source, transaction } = peer
    assert(transaction, 'MAIL was accepted')
    const nullSender = transaction.reversePath === '' && source === 'smtp'
    if (nullSender && transaction.recipients.length > 0) return REPLIES.oneForNullSender
    const beganMs = this.#options.clock.monotonicMs()
    const foreign = source === 'submission' && peer.account !== null ? 'queue' : REPLIES.relayDenied
    const decision = await this.#options.recipients.decide(
      forwardPath,
      transaction.sizeBytes,
      foreign,
      source === 'submission' ? peer.account : null,
    )
    const seconds = (this.#options.clock.monotonicMs() - beganMs) / 1000
    this.#options.metrics.stageSeconds.observe({ stage: 'recipient' }, seconds)
    const refusal = decision.kind === 'refused' ? null : await this.#policyRefusal(peer, transaction, forwardPath)
    const reply = refusal ?? this.#admit(source, transaction, decision, dsn)
    this.#options.metrics.recipients.inc({ source, verdict: reply === null ? 'accepted' : String(reply.code) })
    const refused = reply !== null && reply.code >= 500
    if (refused && ++peer.refusedRecipients >= REFUSED_RECIPIENTS_MAX && source !== 'lmtp') {
      return REPLIES.tooManyBadRecipients
    }
    return reply
  }

  async #policyRefusal(peer: Peer, transaction: Transaction, forwardPath: string): Promise<Reply | null> {
    const { policy } = this.#options
    if (policy === null || peer.source !== 'smtp') return null
    const { address, helo } = peer
    return await policy.refusal({ address, helo, reversePath: transaction.reversePath }, forwardPath)
  }

  /** How long the greeting waits. */
  greetingDelayMs({ source, address }: Peer): number {
    return source === 'smtp' ? (this.#options.policy?.greetingDelayMs(address) ?? 0) : 0
  }

  /** A client spoke before it was greeted. */
  earlyTalker(): Reply {
    this.#options.metrics.clientsRefused.inc({ reason: 'early-talker' })
    return REPLIES.earlyTalker
  }

  #admit(source: Source, transaction: Transaction, decision: RecipientDecision, dsn: RecipientDsn): Reply | null {
    if (decision.kind === 'refused') return decision.reply
    if (decision.kind === 'foreign') {
      transaction.addQueued({ address: decision.address, dsn })
      return null
    }
    if (decision.kind === 'group') {
      // A letter to a group is one transaction whatever its shards; what one of them lacks comes with the repetition. Nobody is
      // told of each member's delivery (RFC 3461 section 5.2.7.2 leaves that to the list).
      const { recipients } = decision
      const before = transaction.recipients.length
      if (before > 0 && before + recipients.length > this.#options.recipientsMax) return REPLIES.groupLater
      const elsewhere = recipients.some(({ shard }) => shard !== transaction.shard)
      if (source === 'smtp' && before > 0 && elsewhere) return REPLIES.oneShardOnly
      transaction.add(...recipients)
      return null
    }
    const { recipient } = decision
    // RFC 3461 section 5.2.1: who wants to hear of the delivery gets it through the queue, which tells of it.
    if (dsn.notify?.includes('SUCCESS')) {
      transaction.addQueued({ address: recipient.address, dsn })
      return null
    }
    // One reply cannot say that one shard has the letter and another has not: the sender brings the others next time.
    if (source === 'smtp' && transaction.shard !== null && transaction.shard !== recipient.shard) {
      return REPLIES.oneShardOnly
    }
    transaction.add(recipient)
    return null
  }

  /** Whether a letter may begin now; null: it may. */
  refuseLetter(): Reply | null {
    const { budget, metrics } = this.#options
    if (!budget.spent) return null
    metrics.bodyRefusals.inc()
    return REPLIES.noRoom
  }

  newBody(peer: Peer, source: BodySource): LetterBody {
    const rules: BodyRules = {
      bytesMax: this.#options.messageBytesMax,
      bufferBytesMax: BUFFERED_LETTER_BYTES_MAX,
      lineEnds: peer.source === 'submission' ? 'normalise' : 'check',
    }
    return new LetterBody(rules, this.#options.budget, source)
  }

  /** Stores a letter whose body is ready. @returns One reply; for LMTP one for each accepted recipient. */
  async letter(peer: Peer, body: LetterBody, beganMs: number, facts: DialogueFacts): Promise<readonly Reply[]> {
    const { source, transaction } = peer
    assert(transaction, 'MAIL was accepted')
    const result = await this.#options.intake.take({
      source,
      transaction,
      body,
      beganMs,
      transport: {
        ...facts,
        clientAddress: peer.account && !this.#options.showClientAddress ? null : peer.address,
      },
      author: peer.account,
      session: peer.session,
    })
    return source === 'lmtp' ? eachReply(transaction, result) : [oneReply(result)]
  }

  /** The same reply for all who must get one at the end of a letter. */
  eachRecipient(peer: Peer, reply: Reply): readonly Reply[] {
    return peer.source === 'lmtp' ? (peer.transaction?.places ?? []).map(() => reply) : [reply]
  }

  /** A failure that nobody foresaw: the client may try again, the log has it. */
  bug(err: unknown): Reply {
    this.#options.logger.error({ err }, 'mail transaction failed')
    return REPLIES.undelivered
  }
}

const UNAVAILABLE = { kind: 'unavailable' } as const

function oneReply(result: LetterResult): Reply {
  const refusal = result.kind === 'refused' ? result.reply : transactionReply(result.outcomes)
  return refusal ?? accepted(result.traceId)
}

/** RFC 2033 section 4.2: one reply for each accepted RCPT, in their order. */
function eachReply(transaction: Transaction, result: LetterResult): Reply[] {
  return transaction.places.map((places) => {
    if (result.kind === 'refused') return result.reply
    const outcomes = places.map((place) => result.outcomes[place] ?? UNAVAILABLE)
    return transactionReply(outcomes) ?? accepted(result.traceId)
  })
}
