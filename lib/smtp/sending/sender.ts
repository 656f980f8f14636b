/**
 * The sending side of one SMTP connection (RFC 5321), without a socket: bytes of the server in, bytes and actions out.
 *
 * Extensions where the server has them: PIPELINING (2920) for MAIL and RCPT, SIZE (1870), 8BITMIME (6152), CHUNKING (3030), SMTPUTF8
 * (6531), DSN (3461), STARTTLS (3207), AUTH (4954) where a login is given, LIMITS (9422); HELO where it knows no EHLO.
 *
 * Invariants
 * - Each recipient of a transaction gets one result, whatever the server does: a connection that ends in the middle defers all
 *   that had no answer yet.
 * - No bare CR, bare LF or NUL is ever sent (RFC 5321 section 2.3.8): such a letter fails before that byte leaves.
 * - What the server said before TLS is forgotten, and bytes that came with the answer to STARTTLS end the connection.
 * - The letter ends only when the host says so: between its last byte and its end the host asks whether it still may (rule 18 of the
 *   replication design).
 */
import { assert } from '#lib/errors/assert.ts'
import { LineEndChecker } from '#lib/letter/line-ends.ts'
import type { SenderAction, SenderOptions, SendingRecipient, SendingResult, SendingTransaction } from './actions.ts'
import { type Capabilities, capabilitiesOf, NO_CAPABILITIES } from './capabilities.ts'
import { DotStuffer } from './dot-stuffer.ts'
import { type Awaited, RECIPIENTS_IN_FLIGHT_MAX } from './limits.ts'
import { ReplyReader, replyText, type ServerReply } from './reply-reader.ts'

/** A reply that is due, in the order of the commands. */
type Due =
  | { readonly kind: Exclude<Awaited, 'command' | 'block'> | 'helo' | 'mail' | 'reset' | 'chunk' | 'auth' }
  /** The next line of AUTH LOGIN. */
  | { readonly kind: 'auth-step'; readonly lines: readonly string[] }
  | { readonly kind: 'rcpt'; readonly place: number }

interface Transaction {
  readonly said: SendingTransaction
  readonly results: (SendingResult | null)[]
  /** Taken by the server so far. */
  readonly taken: number[]
  nextRecipient: number
  /** Bytes are handed over by BDAT. */
  readonly chunking: boolean
  readonly stuffer: DotStuffer
  /** The last piece ended with a CR, which waits for its LF. */
  heldCr: boolean
  readonly checker: LineEndChecker
  /** How far the letter is. */
  letter: 'none' | 'open' | 'ended'
}

const CLOSING_CODE = 421
const SAFE_PATH = /^[^\x00-\x20\x7f<>]+$/
const SAFE_QUOTED_PATH = /^"(?:[^\x00-\x1f\x7f"\\]|\\[^\x00-\x1f\x7f])*"@[^\x00-\x20\x7f<>]+$/
const BEYOND_ASCII = /[^\x20-\x7e]/
const SAFE_VALUE = /^[\x21-\x7e]+$/

const CR = Buffer.of(0x0d)

export class SmtpSender {
  readonly #options: SenderOptions
  readonly #reader = new ReplyReader()
  readonly #due: Due[] = [{ kind: 'greeting' }]
  readonly #actions: SenderAction[] = []
  #output: Buffer[] = []
  #capabilities: Capabilities = NO_CAPABILITIES
  #secure: boolean
  #transaction: Transaction | null = null
  #phase: 'connecting' | 'transaction' | 'idle' | 'quit' = 'connecting'
  #closed = false
  /** The last transaction left something that RSET takes away. */
  #soiled = false

  constructor(options: SenderOptions) {
    this.#options = options
    this.#secure = options.secure
  }

  get secure(): boolean {
    return this.#secure
  }

  get capabilities(): Capabilities {
    return this.#capabilities
  }

  /** The server has answered EHLO, so that `capabilities` says what it can do. */
  get greeted(): boolean {
    return this.#capabilities !== NO_CAPABILITIES
  }

  get closed(): boolean {
    return this.#closed
  }

  /** What the server owes; null: nothing. The host gives it the time of `TIMES_MS`. */
  get awaited(): Awaited | null {
    const [due] = this.#due
    if (due === undefined) return null
    switch (due.kind) {
      case 'helo':
        return 'hello'
      case 'mail':
      case 'rcpt':
      case 'reset':
      case 'auth':
      case 'auth-step':
        return 'command'
      case 'chunk':
        return 'block'
      default:
        return due.kind
    }
  }

  push(bytes: Buffer): void {
    if (this.#closed) return
    this.#reader.push(bytes)
    for (;;) {
      const reply = this.#reader.next()
      if (reply === null || this.#closed) return
      if (reply === 'fault') {
        this.#close('the server does not speak SMTP')
        return
      }
      const due = this.#due.shift()
      if (due === undefined) {
        // 421 may come at any time (RFC 5321 section 3.8); other words unasked mean that question and answer have come apart.
        this.#close(reply.code === CLOSING_CODE ? replyText(reply) : `the server spoke unasked: ${replyText(reply)}`)
        return
      }
      if (reply.code === CLOSING_CODE && due.kind !== 'quit') {
        // A clear no to the whole letter: nothing is in doubt.
        if (due.kind === 'end') this.#finish(resultOf(reply))
        this.#close(replyText(reply))
        return
      }
      this.#take(due, reply)
    }
  }

  /** The next thing to do for the host; null: wait for bytes. */
  next(): SenderAction | null {
    return this.#actions.shift() ?? null
  }

  /** What to write now. */
  takeOutput(): Buffer[] {
    const output = this.#output
    this.#output = []
    return output
  }

  tlsStarted(): void {
    this.#secure = true
    this.#capabilities = NO_CAPABILITIES
    this.#reader.drop()
    this.#hello()
  }

  /** The socket has ended or the server was silent for too long; the host closes it. */
  lost(reason: string): void {
    if (!this.#closed) this.#close(reason)
  }

  /** After `ready`. What the server cannot take is refused without asking it. */
  begin(said: SendingTransaction): void {
    assert(this.#phase === 'idle' && this.#transaction === null, 'a sender has one transaction at a time')
    assert(!this.#closed, 'a closed connection takes no letter')
    this.#phase = 'transaction'
    this.#transaction = {
      said,
      results: said.recipients.map((recipient, place) => localRefusal(recipient) ?? this.#beyondLimit(place)),
      taken: [],
      nextRecipient: 0,
      chunking: this.#capabilities.chunking,
      stuffer: new DotStuffer(),
      heldCr: false,
      checker: new LineEndChecker(),
      letter: 'none',
    }
    const refusal = this.#unfit(said)
    if (refusal !== null) {
      this.#finish({ kind: 'failed', reply: refusal, dsn: false })
      return
    }
    if (this.#soiled) this.#command('RSET', { kind: 'reset' })
    if (!this.#soiled || this.#capabilities.pipelining) this.#mail(this.#transaction)
    this.#soiled = false
  }

  /** RFC 9422: what the server would refuse is not asked. */
  #beyondLimit(place: number): SendingResult | null {
    const { recipientsMax } = this.#capabilities
    if (recipientsMax === null || place < recipientsMax) return null
    return { kind: 'deferred', reply: `452 4.5.3 The server takes ${recipientsMax} recipients at a time`, dsn: false }
  }

  #mail(transaction: Transaction): void {
    const { said } = transaction
    this.#command(`MAIL FROM:<${said.reversePath}>${this.#mailParameters(said)}`, { kind: 'mail' })
    if (this.#capabilities.pipelining) this.#moreRecipients(transaction)
  }

  /** Bytes of the letter, after `body`. Views are kept until they are written. */
  write(piece: Buffer): void {
    const transaction = this.#transaction
    if (transaction === null || transaction.letter !== 'open' || piece.length === 0) return
    transaction.checker.push(piece)
    if (transaction.checker.fault !== null) {
      this.#unfitLetter(transaction)
      return
    }
    const whole = transaction.heldCr ? Buffer.concat([CR, piece]) : piece
    transaction.heldCr = whole.at(-1) === CR[0]
    const bytes = transaction.heldCr ? whole.subarray(0, -1) : whole
    if (bytes.length === 0) return
    if (!transaction.chunking) {
      this.#output.push(...transaction.stuffer.push(bytes))
      return
    }
    this.#output.push(Buffer.from(`BDAT ${bytes.length}\r\n`), bytes)
    this.#due.push({ kind: 'chunk' })
  }

  /** The letter is complete and may go out. */
  end(): void {
    const transaction = this.#transaction
    if (transaction === null || transaction.letter !== 'open') return
    if (transaction.checker.end() !== null) {
      this.#unfitLetter(transaction)
      return
    }
    transaction.letter = 'ended'
    this.#output.push(transaction.chunking ? Buffer.from('BDAT 0 LAST\r\n') : transaction.stuffer.end())
    this.#due.push({ kind: 'end' })
  }

  /** Says goodbye; the host need not wait for the answer. */
  quit(): void {
    if (this.#closed || this.#phase === 'transaction') return
    this.#phase = 'quit'
    this.#command('QUIT', { kind: 'quit' })
  }

  #take(due: Due, reply: ServerReply): void {
    const good = reply.code >= 200 && reply.code < 300
    switch (due.kind) {
      case 'greeting':
        if (good) this.#hello()
        else this.#close(`greeted with ${replyText(reply)}`)
        return
      case 'hello':
        if (good) this.#greeted(capabilitiesOf(reply.lines))
        else if (reply.code >= 500 && !this.#mustSecure())
          this.#command(`HELO ${this.#options.hostname}`, { kind: 'helo' })
        else this.#close(replyText(reply))
        return
      case 'helo':
        if (good) this.#greeted(NO_CAPABILITIES)
        else this.#close(replyText(reply))
        return
      case 'start-tls':
        this.#startTls(reply)
        return
      case 'auth':
        if (good) this.#idle()
        else this.#close(`the login was refused: ${replyText(reply)}`)
        return
      case 'auth-step': {
        const [line = '', ...lines] = due.lines
        if (reply.code !== 334) this.#close(`the login was refused: ${replyText(reply)}`)
        else this.#command(line, lines.length === 0 ? { kind: 'auth' } : { kind: 'auth-step', lines })
        return
      }
      case 'mail':
        this.#mailAnswered(reply, good)
        return
      case 'rcpt':
        this.#recipientAnswered(due.place, reply, good)
        return
      case 'data':
        this.#dataAnswered(reply)
        return
      case 'chunk':
        // RFC 3030 section 2: after a refused chunk the transaction is over; what follows is answered, too.
        if (!good && this.#transaction !== null) this.#broken(resultOf(reply))
        return
      case 'end':
        this.#finish(
          good ? { kind: 'delivered', reply: replyText(reply), dsn: this.#capabilities.dsn } : resultOf(reply),
        )
        return
      case 'reset':
        if (!good) this.#close(replyText(reply))
        else if (this.#transaction !== null && !this.#capabilities.pipelining) this.#mail(this.#transaction)
        return
      case 'quit':
        this.#close('quit')
        return
      default:
        due satisfies never
    }
  }

  #hello(): void {
    this.#command(`EHLO ${this.#options.hostname}`, { kind: 'hello' })
  }

  #mustSecure(): boolean {
    return this.#options.tls === 'required' && !this.#secure
  }

  #greeted(capabilities: Capabilities): void {
    this.#capabilities = capabilities
    if (!this.#secure && capabilities.startTls && this.#options.tls !== 'never') {
      this.#command('STARTTLS', { kind: 'start-tls' })
    } else if (this.#mustSecure()) this.#close('the server offers no TLS, and it is required here')
    else if (this.#options.login) this.#logIn(this.#options.login)
    else this.#idle()
  }

  /** RFC 4954 with PLAIN, or with LOGIN where that is all. Under TLS these say as much as any other: whom we trust, we have proved. */
  #logIn({ user, password }: NonNullable<SenderOptions['login']>): void {
    const { auth } = this.#capabilities
    const base64 = (text: string) => Buffer.from(text, 'utf8').toString('base64')
    if (!this.#secure) this.#close('there is no TLS, and without it no password is told')
    else if (auth.includes('PLAIN')) this.#command(`AUTH PLAIN ${base64(`\0${user}\0${password}`)}`, { kind: 'auth' })
    else if (auth.includes('LOGIN'))
      this.#command('AUTH LOGIN', { kind: 'auth-step', lines: [base64(user), base64(password)] })
    else this.#close('the server offers no AUTH that is known here')
  }

  #startTls(reply: ServerReply): void {
    if (reply.code !== 220) {
      if (this.#mustSecure()) this.#close(`no TLS: ${replyText(reply)}`)
      else this.#idle()
      return
    }
    // Somebody on the way may have put words behind the answer, to be taken as said under TLS.
    if (this.#reader.pendingBytes > 0) this.#close('the server spoke before TLS began')
    else this.#actions.push({ kind: 'start-tls' })
  }

  #idle(): void {
    this.#phase = 'idle'
    this.#actions.push({ kind: 'ready' })
  }

  /** Why this server cannot be given this letter; null: it can. */
  #unfit({ sizeBytes, eightBit, smtpUtf8, reversePath, recipients }: SendingTransaction): string | null {
    const { sizeMax, eightBit: takesEightBit, smtpUtf8: takesUtf8 } = this.#capabilities
    if (reversePath !== '' && !isSafePath(reversePath)) return '553 5.1.7 The reverse-path cannot be sent'
    if (sizeMax !== null && sizeBytes > sizeMax)
      return `552 5.3.4 The letter has ${sizeBytes} bytes, the server takes ${sizeMax}`
    const utf8 =
      smtpUtf8 || BEYOND_ASCII.test(reversePath) || recipients.some(({ address }) => BEYOND_ASCII.test(address))
    if (utf8 && !takesUtf8) return '553 5.6.7 The server does not take addresses beyond ASCII' // RFC 6531 section 3.5
    if (eightBit && !takesEightBit) return '554 5.6.3 The server takes 7 bits only, and the letter has 8' // RFC 6152 section 3
    return null
  }

  #mailParameters({ sizeBytes, eightBit, smtpUtf8, ret, envid }: SendingTransaction): string {
    const { size, eightBit: takesEightBit, dsn } = this.#capabilities
    let parameters = ''
    if (size) parameters += ` SIZE=${sizeBytes}`
    if (eightBit && takesEightBit) parameters += ' BODY=8BITMIME'
    if (smtpUtf8) parameters += ' SMTPUTF8'
    if (dsn && ret !== null) parameters += ` RET=${ret}`
    if (dsn && envid !== null && SAFE_VALUE.test(envid)) parameters += ` ENVID=${envid}`
    return parameters
  }

  #moreRecipients(transaction: Transaction): void {
    const window = this.#capabilities.pipelining ? RECIPIENTS_IN_FLIGHT_MAX : 1
    const { recipients } = transaction.said
    while (transaction.nextRecipient < recipients.length && this.#due.length < window) {
      const place = transaction.nextRecipient++
      const recipient = recipients[place]
      if (recipient === undefined || transaction.results[place] !== null) continue
      this.#command(`RCPT TO:<${recipient.address}>${this.#recipientParameters(recipient)}`, { kind: 'rcpt', place })
    }
  }

  #recipientParameters({ notify, orcpt }: SendingRecipient): string {
    if (!this.#capabilities.dsn) return ''
    const told = notify === null ? '' : ` NOTIFY=${notify.length === 0 ? 'NEVER' : notify.join(',')}`
    return orcpt !== null && SAFE_VALUE.test(orcpt) ? `${told} ORCPT=${orcpt}` : told
  }

  #mailAnswered(reply: ServerReply, good: boolean): void {
    const transaction = this.#transaction
    if (transaction === null) return
    if (good) {
      this.#moreRecipients(transaction)
      this.#recipientsOver(transaction)
      return
    }
    // Answers to pipelined RCPTs are still due; they can only be refusals.
    transaction.nextRecipient = transaction.said.recipients.length
    transaction.results.forEach((result, place) => {
      if (result === null) transaction.results[place] = resultOf(reply)
    })
    this.#recipientsOver(transaction)
  }

  #recipientAnswered(place: number, reply: ServerReply, good: boolean): void {
    const transaction = this.#transaction
    if (transaction === null) return
    if (transaction.results[place] === null) {
      if (good) transaction.taken.push(place)
      // RFC 5321 section 4.5.3.1.10: 552 to RCPT means "too many", as 452.
      else transaction.results[place] = resultOf(reply, reply.code === 552 && !/^5\.2\.2/.test(reply.lines[0] ?? ''))
    }
    this.#moreRecipients(transaction)
    this.#recipientsOver(transaction)
  }

  #recipientsOver(transaction: Transaction): void {
    if (this.#due.length > 0) return
    if (transaction.taken.length === 0) {
      this.#soiled = true
      this.#finish({ kind: 'deferred', reply: '', dsn: false })
    } else if (transaction.chunking) this.#openLetter(transaction)
    else this.#command('DATA', { kind: 'data' })
  }

  #dataAnswered(reply: ServerReply): void {
    const transaction = this.#transaction
    if (transaction === null) return
    if (reply.code === 354) {
      this.#openLetter(transaction)
      return
    }
    this.#soiled = true
    // A yes without the letter is a lie; nothing is known of what the server takes for one now.
    if (reply.code < 400) this.#close(`DATA was answered with ${replyText(reply)}`)
    else this.#finish(resultOf(reply))
  }

  #openLetter(transaction: Transaction): void {
    transaction.letter = 'open'
    this.#actions.push({ kind: 'body' })
  }

  /** The letter itself cannot be sent: nothing of it may be taken as complete, so the connection goes. */
  #unfitLetter(transaction: Transaction): void {
    const failure: SendingResult = {
      kind: 'failed',
      reply: '550 5.6.0 The letter holds a bare CR, a bare LF or a NUL',
      dsn: false,
    }
    for (const place of transaction.taken) transaction.results[place] = failure
    this.#close('the letter cannot be sent')
  }

  /** The server refused in the middle of the letter. */
  #broken(result: SendingResult): void {
    const transaction = this.#transaction
    if (transaction !== null) for (const place of transaction.taken) transaction.results[place] ??= result
    this.#close(result.reply)
  }

  /** @param result Of those who have none of their own. */
  #finish(result: SendingResult): void {
    const transaction = this.#transaction
    if (transaction === null) return
    this.#transaction = null
    this.#actions.push({ kind: 'finished', results: transaction.results.map((own) => own ?? result) })
    this.#idle()
  }

  #close(reason: string): void {
    this.#closed = true
    const transaction = this.#transaction
    this.#transaction = null
    if (transaction !== null) {
      const ended = transaction.letter === 'ended'
      const reply = ended ? `${reason} (after the whole letter: it may have been taken)` : reason
      const result: SendingResult = { kind: 'deferred', reply, dsn: false }
      this.#actions.push({ kind: 'finished', results: transaction.results.map((own) => own ?? result) })
    }
    this.#actions.push({ kind: 'closed', reason, phase: this.#phase })
  }

  #command(line: string, due: Due): void {
    this.#output.push(Buffer.from(`${line}\r\n`, 'utf8'))
    this.#due.push(due)
  }
}

function resultOf(reply: ServerReply, temporary = false): SendingResult {
  const kind = reply.code >= 500 && !temporary ? 'failed' : 'deferred'
  return { kind, reply: replyText(reply), dsn: false }
}

function isSafePath(path: string): boolean {
  return SAFE_PATH.test(path) || SAFE_QUOTED_PATH.test(path)
}

/** An address that would break out of its command is never sent. */
function localRefusal({ address }: SendingRecipient): SendingResult | null {
  return isSafePath(address) ? null : { kind: 'failed', reply: '553 5.1.3 The address cannot be sent', dsn: false }
}
