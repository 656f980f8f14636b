/**
 * The receiving side of SMTP and LMTP (RFC 5321, RFC 2033), without a socket and without a clock: bytes and answers go in
 * (`push`, `settle`, ...), actions and bytes come out (`next`, `takeOutput`). A host calls `next` until it gives null, and
 * writes the output when `hungry` says that all input has been dealt with: replies to pipelined commands leave together
 * (RFC 2920 section 3.2). It may stop calling `next` for as long as it cannot take more of a letter.
 *
 * Invariants: replies come in the order of the commands; while an answer is awaited nothing further is read; only CRLF.CRLF
 * ends DATA, and exactly the announced bytes make a BDAT chunk, accepted or not; nothing said before TLS counts after it; what
 * the actions are does not depend on how the input was cut. No input makes it throw.
 * Read next: actions.ts, command.ts (what a line says), letter-reader.ts (DATA and BDAT).
 */
import { assert } from '#lib/errors/assert.ts'
import type { TransmissionType } from '#lib/letter/mod.ts'
import {
  COMMAND_ERRORS_MAX,
  COMMAND_LINE_BYTES_MAX,
  LINE_BYTES_MAX,
  OUTPUT_CHARACTERS_MAX,
  UNAUTHENTICATED_COMMANDS_MAX,
} from '../limits.ts'
import { CLOSING_CODE, encodeReply, encodeReplyLines, PROTOCOL_REPLIES, type Reply } from '../reply.ts'
import { parseMailParameters, parseRecipientParameters } from '../syntax/parameters.ts'
import { parseForwardPath, parsePath } from '../syntax/path.ts'
import type { Action, CloseReason, ReceiverOptions } from './actions.ts'
import { isHttp, parseBdat, readCommand, utf8 } from './command.ts'
import { ENDLESS, Input } from './input.ts'
import { LetterReader } from './letter-reader.ts'
import { MECHANISMS, SaslDialogue, type SaslStep } from './sasl.ts'

/** What the host was asked, or has to do, before anything further is read. */
type Question = 'greeting' | 'sender' | 'recipient' | 'login' | 'exchange' | 'letter' | 'letter-end' | 'tls'

/** Nothing more is to be read or said. */
type Phase = 'open' | 'closing' | 'closed'

const LETTER: Action = { kind: 'letter' }
const LETTER_END: Action = { kind: 'letter-end' }
const ABANDONED: Action = { kind: 'letter-abandoned' }
const START_TLS: Action = { kind: 'start-tls' }

export class SmtpReceiver {
  readonly #options: ReceiverOptions
  readonly #input = new Input()
  readonly #letter = new LetterReader(this.#input)
  #output = ''
  #phase: Phase = 'open'
  #closeReason: CloseReason = 'host'
  #question: Question | null = 'greeting'
  #spokeEarly = false
  #tls: boolean
  #authenticated = false
  #sasl: SaslDialogue | null = null
  #helo: string | null = null
  #extended = false
  /** MAIL was accepted. */
  #transaction = false
  #recipients = 0
  #errors = 0
  #commandsBeforeLogin = 0

  constructor(options: ReceiverOptions) {
    this.#options = options
    this.#tls = options.tls
  }

  /** The client spoke before it was greeted (RFC 5321 section 4.3.1): what it says is kept, and the host may act on it. */
  get spokeEarly(): boolean {
    return this.#spokeEarly
  }

  /** All input has been dealt with: write the output, go on reading. */
  get hungry(): boolean {
    return this.#phase === 'open' && this.#question === null
  }

  /** Take the output before `next` goes on: a client that does not read its replies must not make them pile up. */
  get outputFull(): boolean {
    return this.#output.length >= OUTPUT_CHARACTERS_MAX
  }

  /** Input that waits for an answer. A host stops reading the socket at PIPELINED_BYTES_MAX. */
  get pendingBytes(): number {
    return this.#input.pendingBytes
  }

  /** A letter has begun and its reply has not been given. */
  get inLetter(): boolean {
    return this.#letter.begun || this.#question === 'letter-end'
  }

  /** As the client named itself; empty before it has. */
  get helo(): string {
    return this.#helo ?? ''
  }

  /** RFC 3848. */
  get transmission(): TransmissionType {
    const secure = this.#tls ? 'S' : ''
    if (this.#options.protocol === 'lmtp') return `LMTP${secure}`
    const extended = this.#extended ? 'E' : ''
    if (!this.#authenticated) return `${extended}SMTP${secure}`
    return this.#tls ? `${extended}SMTPSA` : `${extended}SMTPA`
  }

  /** Accepts the connection. */
  greet(): void {
    assert(this.#question === 'greeting', 'greeted once')
    const { hostname, banner, protocol } = this.#options
    this.#question = null
    this.#output += `220 ${hostname} ${protocol === 'lmtp' ? 'LMTP' : 'ESMTP'} ${banner}\r\n`
  }

  /** Takes ownership of `chunk`, which it may change in place. */
  push(chunk: Buffer): void {
    if (this.#phase !== 'open' || this.#question === 'tls') return // in clear text behind STARTTLS (RFC 3207 section 4.2)
    if (this.#question === 'greeting' && chunk.length > 0) this.#spokeEarly = true
    this.#input.push(chunk)
  }

  /** What is to be written; it is forgotten here. */
  takeOutput(): string {
    const output = this.#output
    this.#output = ''
    return output
  }

  /** Goes on with the input. @returns null: there is none, an answer is awaited, or the output is full. */
  next(): Action | null {
    while (this.hungry && !this.outputFull) {
      const action = this.#letter.reading ? this.#readLetter() : this.#readLine()
      if (action === 'wait') break
      if (action !== null) return action
    }
    if (this.#phase !== 'closing') return null
    this.#phase = 'closed'
    this.#input.clear()
    return { kind: 'close', reason: this.#closeReason }
  }

  /** Answers `exchange`: the client's response is the next one. */
  challenge(bytes: Uint8Array): void {
    if (this.#phase !== 'open') return
    assert(this.#question === 'exchange', 'a message of a mechanism was passed on')
    this.#question = null
    this.#output += `334 ${Buffer.from(bytes).toString('base64')}\r\n`
  }

  /** Answers `sender`, `recipient`, `login`, `exchange`, `letter`: null accepts. A reply with 421 ends the connection. */
  settle(refusal: Reply | null): void {
    const question = this.#question
    this.#question = null
    switch (question) {
      case 'sender':
        if (refusal === null) {
          this.#endTransaction() // a BDAT that came too early has left its failure behind
          this.#transaction = true
        }
        this.#answer(refusal ?? PROTOCOL_REPLIES.senderOk)
        break
      case 'recipient':
        if (refusal === null) this.#recipients++
        this.#answer(refusal ?? PROTOCOL_REPLIES.recipientOk)
        break
      case 'login':
      case 'exchange':
        this.#sasl = null
        if (refusal === null) this.#authenticated = true
        this.#answer(refusal ?? PROTOCOL_REPLIES.loginOk)
        break
      case 'letter':
        if (this.#letter.chunked) this.#letter.beginChunks(refusal)
        else if (refusal !== null) this.#answer(refusal)
        else {
          this.#letter.beginData()
          this.#answer(PROTOCOL_REPLIES.sendLetter)
        }
        break
      default:
        assert(this.#phase !== 'open', 'an answer was awaited')
    }
  }

  /** Answers `letter-end`. @param replies One; for LMTP one for each accepted RCPT, in their order (RFC 2033 section 4.2). */
  settleLetter(replies: readonly Reply[]): void {
    if (this.#phase !== 'open') return
    assert(this.#question === 'letter-end', 'the end of a letter was told')
    assert(replies.length === (this.#options.protocol === 'lmtp' ? this.#recipients : 1), 'every recipient is answered')
    this.#question = null
    this.#endTransaction()
    for (const reply of replies) {
      if (reply.code === PROTOCOL_REPLIES.ok.code) this.#errors = 0
      this.#answer(reply)
    }
  }

  /** After `start-tls`: the client must begin anew (RFC 3207 section 4.2). */
  tlsStarted(): void {
    assert(this.#question === 'tls', 'TLS was to be started')
    this.#question = null
    this.#tls = true
    this.#helo = null
    this.#extended = false
    this.#endTransaction()
  }

  /** The host ends the connection, at whatever point: `takeOutput` has the farewell, `next` gives `close`. */
  end(farewell: Reply): void {
    if (this.#phase === 'open') this.#close(farewell, 'host')
  }

  #readLetter(): Action | 'wait' | null {
    const event = this.#letter.next()
    switch (event.kind) {
      case 'body':
        return event
      case 'wait':
        return 'wait'
      case 'chunk-end':
        this.#answer(event.refusal ?? PROTOCOL_REPLIES.chunkOk)
        return null
      case 'refused-end':
        this.#endTransaction()
        this.#answer(event.refusal)
        return null
      case 'end':
        this.#question = 'letter-end'
        return LETTER_END
      default:
        return event satisfies never
    }
  }

  #readLine(): Action | 'wait' | null {
    const line = this.#input.line(LINE_BYTES_MAX)
    if (line === null) return 'wait'
    if (line === ENDLESS) return this.#close(PROTOCOL_REPLIES.lineEndless, 'misuse')
    const command = readCommand(line)
    if (command === null) {
      this.#sasl = null
      return this.#wrong(PROTOCOL_REPLIES.lineEnds)
    }
    if (this.#sasl !== null) return this.#saslStep(this.#sasl.answer(command.line))
    if (this.#options.loginRequired && !this.#authenticated) {
      if (++this.#commandsBeforeLogin > UNAUTHENTICATED_COMMANDS_MAX) {
        return this.#close(PROTOCOL_REPLIES.tooManyBeforeLogin, 'misuse')
      }
    }
    if (line.length > COMMAND_LINE_BYTES_MAX && command.verb !== 'AUTH')
      return this.#wrong(PROTOCOL_REPLIES.lineTooLong)
    return this.#command(command.verb, command.argument, command.line)
  }

  #command(verb: string, argument: string, line: string): Action | null {
    switch (verb) {
      case 'MAIL':
        return this.#mail(argument)
      case 'RCPT':
        return this.#rcpt(argument)
      case 'DATA':
        return argument === '' ? this.#data() : this.#wrong(PROTOCOL_REPLIES.syntax)
      case 'BDAT':
        return this.#bdat(argument)
      case 'RSET':
        if (argument !== '') return this.#wrong(PROTOCOL_REPLIES.syntax)
        return this.#reset(PROTOCOL_REPLIES.reset)
      case 'NOOP':
        return this.#say(PROTOCOL_REPLIES.ok)
      case 'EHLO':
      case 'LHLO':
      case 'HELO':
        return this.#hello(verb, argument)
      case 'STARTTLS':
        return this.#startTls(argument)
      case 'AUTH':
        return this.#auth(argument)
      case 'QUIT':
        return this.#close(PROTOCOL_REPLIES.bye, 'quit')
      case 'VRFY': // RFC 5321 section 7.3: 252 tells nobody which addresses exist
        return argument === '' ? this.#wrong(PROTOCOL_REPLIES.syntax) : this.#say(PROTOCOL_REPLIES.cannotVerify)
      case 'HELP':
        return this.#say(PROTOCOL_REPLIES.help)
      case 'EXPN':
      case 'TURN':
      case 'SEND':
      case 'SOML':
      case 'SAML':
      case 'ETRN':
        return this.#wrong(PROTOCOL_REPLIES.notImplemented)
      default:
        if (isHttp(line)) return this.#close(PROTOCOL_REPLIES.notHttp, 'misuse')
        return this.#wrong(PROTOCOL_REPLIES.unknown)
    }
  }

  #hello(verb: 'EHLO' | 'HELO' | 'LHLO', name: string): Action | null {
    const lmtp = this.#options.protocol === 'lmtp'
    if (lmtp !== (verb === 'LHLO')) return this.#wrong(lmtp ? PROTOCOL_REPLIES.lmtpOnly : PROTOCOL_REPLIES.unknown)
    if (name === '' || name.includes(' ')) return this.#wrong(PROTOCOL_REPLIES.nameMissing)
    this.#helo = name
    this.#extended = verb !== 'HELO'
    const action = this.#abandon() // RFC 5321 section 4.1.4: EHLO resets
    this.#output += encodeReplyLines(
      250,
      this.#extended ? [this.#options.hostname, ...this.#extensions()] : [this.#options.hostname],
    )
    return action
  }

  #extensions(): string[] {
    const { startTls, loginRequired, smtpUtf8, dsn, sizeMax } = this.#options
    const extensions = ['PIPELINING', '8BITMIME', 'ENHANCEDSTATUSCODES', 'CHUNKING']
    extensions.push(`LIMITS RCPTMAX=${this.#options.recipientsMax}`) // RFC 9422
    if (smtpUtf8) extensions.push('SMTPUTF8')
    if (dsn) extensions.push('DSN')
    if (loginRequired && this.#tls && !this.#authenticated) extensions.push(`AUTH ${this.#mechanisms.join(' ')}`)
    if (startTls && !this.#tls) extensions.push('STARTTLS')
    extensions.push(`SIZE ${sizeMax}`)
    return extensions
  }

  #mail(argument: string): Action | null {
    if (this.#helo === null) return this.#helloFirst()
    if (this.#options.loginRequired && !this.#authenticated) return this.#wrong(PROTOCOL_REPLIES.loginFirst)
    if (this.#transaction) return this.#wrong(PROTOCOL_REPLIES.nestedMail)
    const text = pathText(argument, 'FROM:')
    const path = text === null ? null : parsePath(text, 0)
    if (text === null || path === null) return this.#wrong(PROTOCOL_REPLIES.senderSyntax)
    const parameters = parseMailParameters(text.slice(path.end), this.#options)
    if (typeof parameters === 'string') return this.#wrong(faultReply(parameters))
    if (parameters.sizeBytes > this.#options.sizeMax) return this.#say(PROTOCOL_REPLIES.tooLarge) // RFC 1870 section 6.1
    this.#question = 'sender'
    return { kind: 'sender', mail: { reversePath: path.address, ...parameters } }
  }

  #rcpt(argument: string): Action | null {
    if (!this.#transaction) return this.#wrong(this.#helo === null ? this.#helloReply() : PROTOCOL_REPLIES.mailFirst)
    if (this.#letter.chunked) return this.#wrong(PROTOCOL_REPLIES.chunksOnly)
    const text = pathText(argument, 'TO:')
    const path = text === null ? null : parseForwardPath(text, 0)
    if (text === null || path === null) return this.#wrong(PROTOCOL_REPLIES.recipientSyntax)
    const dsn = parseRecipientParameters(text.slice(path.end), this.#options)
    if (typeof dsn === 'string') return this.#wrong(faultReply(dsn))
    if (this.#recipients >= this.#options.recipientsMax) return this.#say(PROTOCOL_REPLIES.tooManyRecipients)
    this.#question = 'recipient'
    return { kind: 'recipient', recipient: { forwardPath: path.address, dsn } }
  }

  #data(): Action | null {
    if (this.#letter.chunked) return this.#wrong(PROTOCOL_REPLIES.chunksOnly) // RFC 3030 section 2
    if (this.#recipients === 0) return this.#wrong(this.#orderReply())
    this.#question = 'letter'
    return LETTER
  }

  /** RFC 3030 section 2. The chunk follows at once, so it is read whatever the answer is. */
  #bdat(argument: string): Action | null {
    const chunk = parseBdat(argument)
    if (chunk === null) return this.#close(PROTOCOL_REPLIES.syntax, 'misuse') // nobody knows where the next command is
    const known = this.#letter.chunked
    const before = this.#letter.startChunk(chunk.bytes, chunk.last)
    if (this.#recipients === 0) this.#letter.refuse(this.#orderReply())
    else if (before + chunk.bytes > this.#options.sizeMax) {
      const begun = this.#letter.begun
      this.#letter.refuse(PROTOCOL_REPLIES.tooLarge)
      return begun ? ABANDONED : null
    } else if (!known) {
      this.#question = 'letter'
      return LETTER
    }
    return null
  }

  #startTls(argument: string): Action | null {
    if (!this.#options.startTls) return this.#wrong(PROTOCOL_REPLIES.notImplemented)
    if (argument !== '') return this.#wrong(PROTOCOL_REPLIES.syntax)
    if (this.#tls) return this.#wrong(PROTOCOL_REPLIES.tlsActive)
    this.#say(PROTOCOL_REPLIES.startTls)
    this.#input.clear()
    this.#letter.forget()
    this.#question = 'tls'
    return START_TLS
  }

  #auth(argument: string): Action | null {
    if (!this.#options.loginRequired) return this.#wrong(PROTOCOL_REPLIES.notImplemented)
    if (this.#helo === null) return this.#helloFirst()
    if (!this.#tls) return this.#wrong(PROTOCOL_REPLIES.tlsForLogin)
    if (this.#authenticated) return this.#wrong(PROTOCOL_REPLIES.loggedIn) // RFC 4954 section 4
    const [name = '', initial = null, ...more] = argument.split(' ')
    const mechanism = this.#mechanisms.find((offered) => offered === name.toUpperCase())
    if (mechanism === undefined) return this.#wrong(PROTOCOL_REPLIES.mechanism)
    if (more.length > 0) return this.#wrong(PROTOCOL_REPLIES.syntax)
    this.#sasl = new SaslDialogue(mechanism)
    return this.#saslStep(this.#sasl.begin(initial))
  }

  /** The best first. */
  get #mechanisms(): readonly string[] {
    return [...(this.#options.hostMechanisms?.() ?? []), ...MECHANISMS]
  }

  #saslStep(step: SaslStep): Action | null {
    if (step.kind === 'challenge') {
      this.#output += `334 ${step.text}\r\n`
      return null
    }
    if (step.kind === 'exchange') {
      this.#question = 'exchange'
      return step
    }
    this.#sasl = null
    switch (step.kind) {
      case 'cancelled':
        return this.#wrong(PROTOCOL_REPLIES.saslCancelled)
      case 'malformed':
        return this.#wrong(PROTOCOL_REPLIES.saslSyntax)
      case 'credentials':
        this.#question = 'login'
        return { kind: 'login', credentials: step.credentials }
      default:
        return step satisfies never
    }
  }

  #helloReply(): Reply {
    return this.#options.protocol === 'lmtp' ? PROTOCOL_REPLIES.lhloFirst : PROTOCOL_REPLIES.helloFirst
  }

  #helloFirst(): null {
    return this.#wrong(this.#helloReply())
  }

  /** Why a letter cannot begin. */
  #orderReply(): Reply {
    if (this.#helo === null) return this.#helloReply()
    return this.#transaction ? PROTOCOL_REPLIES.recipientFirst : PROTOCOL_REPLIES.mailFirst
  }

  #reset(reply: Reply): Action | null {
    const action = this.#abandon()
    this.#say(reply)
    return action
  }

  /** Ends the transaction, in the middle of a letter too. */
  #abandon(): Action | null {
    const begun = this.#letter.begun
    this.#endTransaction()
    return begun ? ABANDONED : null
  }

  #endTransaction(): void {
    this.#transaction = false
    this.#recipients = 0
    this.#letter.forget()
  }

  #say(reply: Reply): null {
    this.#output += encodeReply(reply)
    return null
  }

  /** A reply of the host. */
  #answer(reply: Reply): void {
    if (this.#phase !== 'open') return
    if (reply.code === CLOSING_CODE) this.#close(reply, 'host')
    else this.#say(reply)
  }

  /** A command that is no use: they are counted. */
  #wrong(reply: Reply): null {
    if (++this.#errors > COMMAND_ERRORS_MAX) return this.#close(PROTOCOL_REPLIES.tooManyErrors, 'misuse')
    return this.#say(reply)
  }

  #close(farewell: Reply, reason: CloseReason): null {
    this.#say(farewell)
    this.#phase = 'closing'
    this.#closeReason = reason
    return null
  }
}

/** What follows `FROM:` or `TO:`, as text; null if that is not there, or the bytes are not UTF-8. */
function pathText(argument: string, prefix: string): string | null {
  if (argument.length < prefix.length || argument.slice(0, prefix.length).toUpperCase() !== prefix) return null
  return utf8(argument.slice(prefix.length))
}

function faultReply(fault: 'syntax' | 'unknown'): Reply {
  return fault === 'unknown' ? PROTOCOL_REPLIES.unknownParameter : PROTOCOL_REPLIES.parameterSyntax
}
