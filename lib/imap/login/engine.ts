/**
 * The dialogue before login (RFC 9051 section 3.1, "not authenticated"): bytes in, bytes and one action out. Nothing here is asynchronous; while an
 * action is open the engine keeps what arrives and reads on when the host has answered.
 *
 * Invariants: nothing said in clear text survives STARTTLS, neither state nor pipelined bytes (command injection); a
 * password is never accepted in clear text; after `authenticated()` the engine reads nothing more: `rest()` has the bytes
 * that belong to the session.
 */
import { assert, known } from '#lib/errors/assert.ts'
import {
  LITERAL_MINUS_BYTES_MAX,
  LITERALS_MAX,
  LOGIN_BAD_COMMANDS_MAX,
  LOGIN_LINE_BYTES_MAX,
  LOGIN_SKIP_BYTES_MAX,
  SASL_LINE_BYTES_MAX,
} from '../limits.ts'
import { CommandReader, type RawCommand, type ReaderRules } from '../syntax/command-reader.ts'
import { ImapSyntaxError } from '../syntax/syntax-error.ts'
import { Tokens } from '../syntax/tokens.ts'
import type { Credentials, LoginAction, LoginStep } from './actions.ts'
import { LOGIN_COMMANDS, type LoginDialogue } from './commands.ts'
import { decodeBase64, hostMechanism, MECHANISMS, type SaslStep } from './mechanisms.ts'

export interface LoginOptions {
  /** True on an implicit TLS port. */
  readonly tls: boolean
  /** Whether STARTTLS can be carried out (a certificate is there). */
  readonly startTls: boolean
  /** Passwords in clear text: never but for tests on one machine. */
  readonly plaintextAllowed?: boolean
  /** Mechanisms that the host carries out, by `exchange` actions; asked at each announcement. */
  readonly hostMechanisms?: () => readonly string[]
  /** Name in the greeting. */
  readonly hostName: string
  /** RFC 2971 fields of the server, as key, value, key, value. */
  readonly serverId?: readonly string[]
}

type State =
  | 'command'
  | 'sasl'
  /** An action is open. */
  | 'waiting'
  | 'tls'
  | 'done'
  | 'closed'

const RULES: ReaderRules = {
  lineBytesMax: LOGIN_LINE_BYTES_MAX,
  literalsMax: LITERALS_MAX,
  nonSyncBytesMax: LITERAL_MINUS_BYTES_MAX,
  skipBytesMax: LOGIN_SKIP_BYTES_MAX,
  literalBytesMax: () => 2 * LITERAL_MINUS_BYTES_MAX, // LOGIN has two
}

export class LoginEngine {
  readonly #options: LoginOptions
  readonly #reader = new CommandReader(RULES)
  readonly #dialogue: LoginDialogue
  #state: State = 'command'
  #tls: boolean
  #out = ''
  #action: LoginAction | null = null
  #tag = ''
  #challenge: ((response: Buffer) => SaslStep) | null = null
  #mechanism = ''
  #attempts = 0
  /** The attempt in progress is one of the host's. */
  #exchanging = false
  #badCommands = 0
  #clientId: readonly string[] = []

  constructor(options: LoginOptions) {
    this.#options = options
    this.#tls = options.tls
    this.#dialogue = {
      capabilities: () => this.capabilities,
      serverId: options.serverId ?? [],
      offers: (mechanism) => MECHANISMS.has(mechanism) || this.#hostMechanisms.includes(mechanism),
      passwordsAllowed: () => this.#tls || options.plaintextAllowed === true,
      startTlsAllowed: () => !this.#tls && options.startTls,
      untagged: (text) => {
        this.#out += `* ${text}\r\n`
      },
      tagged: (text) => {
        this.#out += `${this.#tag} ${text}\r\n`
      },
      identify: (pairs) => {
        this.#clientId = pairs
      },
      startTls: () => this.#startTls(),
      authenticate: (mechanism, credentials) => this.#authenticate(mechanism, credentials),
      challenge: (mechanism, initial) => this.#beginSasl(mechanism, initial),
      close: () => this.#close('logout'),
    }
  }

  /** What CAPABILITY says now (RFC 9051 section 6.1.1, RFC 7888 section 5: LITERAL- before login). */
  get capabilities(): string {
    const words = ['IMAP4rev1', 'IMAP4rev2', 'LITERAL-', 'SASL-IR', 'ID', 'ENABLE']
    if (this.#dialogue.startTlsAllowed()) words.push('STARTTLS')
    if (this.#dialogue.passwordsAllowed()) {
      for (const name of [...this.#hostMechanisms, ...MECHANISMS.keys()]) words.push(`AUTH=${name}`)
    } else words.push('LOGINDISABLED')
    return words.join(' ')
  }

  get #hostMechanisms(): readonly string[] {
    return this.#options.hostMechanisms?.() ?? []
  }

  /** False while an action is open: the host should not read the socket, what it reads is only kept. */
  get hungry(): boolean {
    return this.#state === 'command' || this.#state === 'sasl'
  }

  /** What the client said of itself by ID after TLS began, as key, value, key, value. */
  get clientId(): readonly string[] {
    return this.#clientId
  }

  /** The greeting: the first bytes of the connection (RFC 9051 section 7.1.5). */
  greet(): LoginStep {
    this.#out += `* OK [CAPABILITY ${this.capabilities}] ${this.#options.hostName} ready\r\n`
    return this.#step()
  }

  /** @param bytes Kept, not copied: the caller must not reuse them. */
  receive(bytes: Uint8Array): LoginStep {
    if (this.#state === 'closed' || this.#state === 'tls') return this.#step() // clear text behind STARTTLS is dropped
    this.#reader.push(bytes)
    return this.#read()
  }

  /** TLS is up: the client starts anew (RFC 9051 section 6.2.1). */
  tlsStarted(): LoginStep {
    if (this.#state === 'closed') return this.#step()
    assert(this.#state === 'tls', 'TLS was asked for')
    this.#reader.clear()
    this.#tls = true
    this.#clientId = []
    this.#badCommands = 0
    this.#state = 'command'
    return this.#step()
  }

  /** Answers an `exchange` action: the client's response comes as the next one. */
  challenge(bytes: Uint8Array): LoginStep {
    if (!this.#answered()) return this.#step()
    this.#saslStep({
      kind: 'challenge',
      bytes: Buffer.from(bytes),
      next: (message) => ({ kind: 'exchange', message }),
    })
    return this.#read()
  }

  /** @param capabilities Of the session that follows, without the word CAPABILITY. */
  authenticated(capabilities: string): LoginStep {
    if (!this.#answered()) return this.#step()
    this.#state = 'done'
    this.#dialogue.tagged(`OK [CAPABILITY ${capabilities}] Logged in`)
    return this.#step()
  }

  /**
   * Wrong name or password; the host has waited already. One text for every cause.
   * @param last No more attempts: the connection is closed.
   * @param hint What may help whoever uses this mechanism, right or wrong.
   */
  denied(last: boolean, hint = ''): LoginStep {
    if (!this.#answered()) return this.#step()
    this.#dialogue.tagged(`NO [AUTHENTICATIONFAILED] Wrong name or password${hint}`) // RFC 5530 section 3
    if (last) {
      this.#dialogue.untagged('BYE Too many failed logins')
      this.#close('abuse')
      return this.#step()
    }
    return this.#read()
  }

  /** The directory or the mailbox cannot be reached: the client should try again (RFC 5530 section 3). */
  unavailable(message: string): LoginStep {
    if (!this.#answered()) return this.#step()
    this.#dialogue.tagged(`NO [UNAVAILABLE] ${printable(message)}`)
    return this.#read()
  }

  /** Refused for a reason that the user may know: `CONTACTADMIN`, `LIMIT`, `ALERT` (RFC 5530 section 3). */
  refused(responseCode: string, message: string): LoginStep {
    if (!this.#answered()) return this.#step()
    this.#dialogue.tagged(`NO [${printable(responseCode)}] ${printable(message)}`)
    return this.#read()
  }

  /** The host ends the connection: draining, idle for too long. */
  bye(message: string): LoginStep {
    if (this.#state === 'closed') return this.#step()
    this.#dialogue.untagged(`BYE ${printable(message)}`)
    this.#close('host')
    return this.#step()
  }

  /** After `authenticated()`: what the client sent behind its login, for the session. */
  rest(): Buffer {
    assert(this.#state === 'done', 'the client has logged in')
    return this.#reader.rest()
  }

  /** Closes the open action; false if the connection was closed while the host worked on it. */
  #answered(): boolean {
    if (this.#state === 'closed') return false
    assert(this.#state === 'waiting', 'an action is open')
    this.#state = 'command'
    return true
  }

  #step(): LoginStep {
    const step = { bytes: Buffer.from(this.#out, 'latin1'), action: this.#action }
    this.#out = ''
    this.#action = null
    return step
  }

  #read(): LoginStep {
    while (this.#state === 'command' || this.#state === 'sasl') {
      const more = this.#state === 'sasl' ? this.#readResponse() : this.#readCommand()
      if (!more) break
    }
    return this.#step()
  }

  #readCommand(): boolean {
    const event = this.#reader.next()
    if (event === null) return false
    switch (event.kind) {
      case 'command':
        this.#run(event.command)
        return true
      case 'literal':
        this.#out += '+ Ready for literal data\r\n'
        return true
      case 'refused':
        this.#tag = event.tag ?? '*'
        this.#bad(event.text)
        return true
      case 'fatal':
        this.#dialogue.untagged(`BYE ${event.text}`)
        this.#close('abuse')
        return false
      default:
        return event satisfies never
    }
  }

  #run(command: RawCommand): void {
    this.#tag = command.tag
    const spec = LOGIN_COMMANDS.get(command.name)
    if (spec === undefined) {
      this.#bad(`${command.name} is unknown, or needs a login first`)
      return
    }
    try {
      spec(new Tokens(command.parts), this.#dialogue)
    } catch (error) {
      if (!(error instanceof ImapSyntaxError)) throw error
      this.#bad(error.message)
    }
  }

  #bad(text: string): void {
    this.#dialogue.tagged(`BAD ${text}`)
    if (++this.#badCommands < LOGIN_BAD_COMMANDS_MAX) return
    this.#dialogue.untagged('BYE Too many bad commands')
    this.#close('abuse')
  }

  #startTls(): void {
    this.#dialogue.tagged('OK Begin TLS negotiation')
    this.#reader.clear()
    this.#state = 'tls'
    this.#action = { kind: 'start-tls' }
  }

  #beginSasl(mechanism: string, initial: Buffer | null): void {
    this.#mechanism = mechanism
    this.#exchanging = false
    this.#saslStep((MECHANISMS.get(mechanism) ?? hostMechanism)(initial))
  }

  #readResponse(): boolean {
    const line = this.#reader.nextLine(SASL_LINE_BYTES_MAX)
    if (line === null) return false
    if (line.kind === 'too-long') {
      this.#dialogue.untagged('BYE Response is too long')
      this.#close('abuse')
      return false
    }
    const next = known(this.#challenge, 'a challenge is open')
    this.#challenge = null
    this.#state = 'command'
    if (line.kind === 'refused') this.#bad(line.text)
    else if (line.text === '*')
      this.#bad('Authentication cancelled') // RFC 9051 section 6.2.2
    else {
      const response = decodeBase64(line.text)
      if (response === null) this.#bad('Response is not base64')
      else this.#saslStep(next(response))
    }
    return true
  }

  #saslStep(step: SaslStep): void {
    switch (step.kind) {
      case 'challenge':
        this.#out += `+ ${step.bytes.toString('base64')}\r\n`
        this.#challenge = step.next
        this.#state = 'sasl'
        return
      case 'done':
        this.#authenticate(this.#mechanism, step.credentials)
        return
      case 'exchange':
        this.#exchange(step.message)
        return
      case 'malformed':
        this.#bad(step.text)
        return
      default:
        step satisfies never
    }
  }

  #authenticate(mechanism: string, credentials: Credentials): void {
    this.#attempts++
    this.#state = 'waiting'
    this.#action = { kind: 'authenticate', mechanism, credentials, attempt: this.#attempts }
  }

  #exchange(message: Buffer): void {
    const first = !this.#exchanging
    if (first) this.#attempts++
    this.#exchanging = true
    this.#state = 'waiting'
    this.#action = { kind: 'exchange', mechanism: this.#mechanism, message, first, attempt: this.#attempts }
  }

  #close(reason: 'logout' | 'abuse' | 'host'): void {
    this.#reader.clear()
    this.#state = 'closed'
    this.#action = { kind: 'close', reason }
  }
}

/** One line of text for the client, whatever a message holds. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, ' ')
}
