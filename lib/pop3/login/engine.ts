/**
 * AUTHORIZATION (RFC 1939 section 4): the dialogue from greeting to login, without a socket and without a directory.
 * The host feeds bytes and gets a step: bytes to send, and at most one action to carry out. While an action waits for its
 * answer the engine reads no further command, so that pipelined ones keep their order; the host stops reading meanwhile.
 *
 * Invariants: no credential is taken before TLS where the host demands TLS; nothing said in clear text, buffered bytes
 * included, survives STLS (RFC 2595 section 4); after `authenticated` the engine is done and `rest()` is the session's first input.
 * Read next: ../session/engine.ts (what follows), lib/sasl/plain.ts (PLAIN and LOGIN).
 */
import { AssertionFailure, assert } from '#lib/errors/assert.ts'
import type { MechanismMessage, PasswordAttempt, PasswordCredentials } from '#lib/sasl/attempt.ts'
import { decodeBase64Line, decodeLogin, decodePlain } from '#lib/sasl/plain.ts'
import { capabilitiesBeforeLogin, MECHANISMS, type Mechanism } from '../capabilities.ts'
import { type Command, parseCommand, words } from '../command.ts'
import { languageReply } from '../language.ts'
import { AUTH_LINE_BYTES_MAX, COMMAND_ERRORS_MAX, COMMAND_LINE_BYTES_MAX, PIPELINED_BYTES_MAX } from '../limits.ts'
import { LineSplitter } from '../line-splitter.ts'
import { err, multiLine, ok, type ResponseCode } from '../reply.ts'

export interface LoginOptions {
  /** Name and version for IMPLEMENTATION, without spaces. */
  readonly implementation: string
  /** How long the host makes an account wait between two logins; 0: not at all. */
  readonly loginDelaySeconds: number
  /** Mechanisms that the host carries out, by `exchange` actions; asked at each announcement. */
  readonly hostMechanisms?: () => readonly string[]
  /** The connection began with TLS. */
  readonly tls: boolean
  /** USER, PASS and AUTH are refused until TLS is up. */
  readonly tlsRequired: boolean
  /** STLS is offered: a certificate is at hand. */
  readonly startTls: boolean
}

export type CloseReason = 'quit' | 'too-many-errors' | 'too-many-logins' | 'too-much-input' | 'host'

export type LoginAction =
  /** Answer with exactly one of `authenticated`, `denied`, `refused`, `unavailable`. */
  | PasswordAttempt<'USER' | Mechanism>
  /** Answer with `challenge` or with what ends an attempt. */
  | MechanismMessage
  /** Send the step's bytes in clear text, shake hands, answer with `tlsStarted`. */
  | { readonly kind: 'start-tls' }
  /** Send the step's bytes and end the connection. */
  | { readonly kind: 'close'; readonly reason: CloseReason }

export interface LoginStep {
  /** May be empty. */
  readonly bytes: Buffer
  readonly action: LoginAction | null
}

/** Why a login with the right password is not accepted; `denied` and `unavailable` are methods of their own. */
export type LoginRefusal =
  | 'suspended'
  /** The maildrop is open in another session (RFC 1939 section 4, RFC 2449 section 8.1.2). */
  | 'in-use'
  /** Logged in again too soon (RFC 2449 section 8.1.1). */
  | 'too-soon'
  /** Somebody has to repair something first. */
  | 'broken'

const REFUSALS: Record<LoginRefusal, readonly [code: ResponseCode, text: string]> = {
  suspended: ['AUTH', 'This account is suspended'],
  'in-use': ['IN-USE', 'The maildrop is open in another session'],
  'too-soon': ['LOGIN-DELAY', 'Wait before you log in again'],
  broken: ['SYS/PERM', 'The maildrop cannot be opened, please ask your administrator'],
}

type State =
  | { readonly kind: 'command' }
  | { readonly kind: 'password'; readonly login: string }
  | { readonly kind: 'plain-response' }
  | { readonly kind: 'login-name' }
  | { readonly kind: 'login-password'; readonly login: string }
  /** `first`: nothing was passed to the host yet. */
  | { readonly kind: 'exchange-response'; readonly mechanism: string; readonly first: boolean }
  | { readonly kind: 'waiting'; readonly for: 'verdict' | 'tls' }
  | { readonly kind: 'done' }
  | { readonly kind: 'closed' }

const COMMAND: State = { kind: 'command' }
/** RFC 5034 section 4: a challenge is `+ ` and base64, also when it is empty. */
const EMPTY_CHALLENGE = '+ \r\n'
const NAME_CHALLENGE = `+ ${Buffer.from('Username:').toString('base64')}\r\n`
const PASSWORD_CHALLENGE = `+ ${Buffer.from('Password:').toString('base64')}\r\n`

function takesLines(state: State): boolean {
  return state.kind !== 'waiting' && state.kind !== 'done' && state.kind !== 'closed'
}

export class Pop3Login {
  readonly #options: LoginOptions
  readonly #lines = new LineSplitter(AUTH_LINE_BYTES_MAX)
  #state: State = COMMAND
  #tls: boolean
  #commandErrors = 0
  #attempts = 0
  #utf8 = false
  /** Of the attempt that the host carries out. */
  #mechanism = ''
  #output: string[] = []
  #action: LoginAction | null = null

  constructor(options: LoginOptions) {
    this.#options = options
    this.#tls = options.tls
  }

  /** The client said UTF8 (RFC 6856 section 2.1): the session serves it letters with international addresses. */
  get utf8(): boolean {
    return this.#utf8
  }

  /** The greeting: the first bytes of the connection. No APOP, so no timestamp in it (RFC 1939 section 7). */
  greet(): LoginStep {
    this.#say(ok('POP3 ready'))
    return this.#step()
  }

  /** Takes ownership of `bytes`. After `authenticated` use `rest` and do not feed it again. */
  receive(bytes: Uint8Array): LoginStep {
    const state = this.#state
    if (state.kind === 'closed') return this.#step()
    if (state.kind === 'waiting' && state.for === 'tls') return this.#step() // clear text behind STLS
    this.#lines.push(bytes)
    if (state.kind === 'waiting' && this.#lines.pendingBytes > PIPELINED_BYTES_MAX) this.#close('too-much-input')
    return this.#run()
  }

  /** TLS is up: the client begins anew, without another greeting (RFC 2595 section 4). */
  tlsStarted(): LoginStep {
    if (!this.#awaited('tls')) return this.#step()
    this.#tls = true
    this.#lines.rest()
    return this.#step()
  }

  /** Answers an `exchange` action: the client's response comes as the next one. */
  challenge(bytes: Uint8Array): LoginStep {
    if (!this.#awaited('verdict')) return this.#step()
    this.#state = { kind: 'exchange-response', mechanism: this.#mechanism, first: false }
    this.#say(`+ ${Buffer.from(bytes).toString('base64')}\r\n`)
    return this.#run()
  }

  /** The shard has opened the session: the engine says so to the client and is done. */
  authenticated(): LoginStep {
    if (!this.#awaited('verdict')) return this.#step()
    this.#say(ok('Logged in'))
    this.#state = { kind: 'done' }
    return this.#step()
  }

  /**
   * Wrong name or password; the host has waited already. One text for every cause (RFC 3206 section 6).
   * @param last No more attempts: the connection is closed.
   * @param hint What may help whoever uses this mechanism, right or wrong.
   */
  denied(last: boolean, hint = ''): LoginStep {
    return this.#notAccepted(err(`Wrong name or password${hint}`, 'AUTH'), last)
  }

  /** Directory or shard cannot answer now: the client should try again. */
  unavailable(message: string): LoginStep {
    return this.#notAccepted(err(message.replace(/[^\u0020-\u007e]/g, '?'), 'SYS/TEMP'), false)
  }

  refused(refusal: LoginRefusal): LoginStep {
    const [code, text] = REFUSALS[refusal]
    return this.#notAccepted(err(text, code), false)
  }

  /** The host ends the connection. Idle clients get no word, as RFC 1939 section 3 has it. */
  bye(): LoginStep {
    if (this.#state.kind !== 'closed') this.#close('host')
    return this.#step()
  }

  /** After `authenticated`: what the client has already sent behind its login. Ownership passes to the caller. */
  rest(): Buffer {
    return this.#lines.rest()
  }

  #notAccepted(reply: string, last: boolean): LoginStep {
    if (!this.#awaited('verdict')) return this.#step()
    this.#say(reply)
    if (last) this.#close('too-many-logins')
    return this.#run()
  }

  #run(): LoginStep {
    while (takesLines(this.#state)) {
      const line = this.#lines.next()
      if (line === null) break
      const state = this.#state
      this.#state = COMMAND // what a handler does not say otherwise
      this.#say(line.kind === 'too-long' ? this.#mistake('Line too long') : this.#answer(state, line.bytes))
    }
    return this.#step()
  }

  #answer(state: State, line: Buffer): string {
    switch (state.kind) {
      case 'plain-response':
      case 'login-name':
      case 'login-password':
      case 'exchange-response':
        return this.#response(state, line.toString('latin1'))
      case 'command':
      case 'password': {
        const command = parseCommand(line)
        if (command === null) return this.#mistake('Cannot read this command')
        if (line.length + 2 > COMMAND_LINE_BYTES_MAX && command.verb !== 'AUTH') return this.#mistake('Line too long')
        return this.#command(command, state.kind === 'password' ? state.login : null)
      }
      default:
        throw new AssertionFailure(`Assertion failed: no line is taken in state ${state.kind}`)
    }
  }

  /** @param login What USER named in the command before: PASS must follow at once (RFC 1939 section 7, PASS). */
  #command(command: Command, login: string | null): string {
    switch (command.verb) {
      case 'CAPA':
        return multiLine('Capability list follows', this.#capabilities())
      case 'LANG':
        return languageReply(words(command.argument))
      case 'USER':
        return this.#user(command.argument.trim())
      case 'PASS':
        if (login === null) return this.#mistake('Send USER first')
        if (command.argument === '') return this.#mistake('PASS needs a password')
        return this.#authenticate({ kind: 'password', login, password: command.argument }, 'USER')
      case 'AUTH':
        return this.#auth(words(command.argument))
      case 'STLS':
        return this.#stls()
      case 'UTF8':
        if (command.argument !== '') return this.#mistake('UTF8 takes no argument')
        this.#utf8 = true
        return ok('UTF8 is on')
      case 'QUIT':
        this.#close('quit') // RFC 1939 section 4: no UPDATE from here
        return ok('Bye')
      default: // NOOP too: RFC 1939 section 5 has it in TRANSACTION only
        return this.#mistake('Unknown command, or not allowed before login')
    }
  }

  #user(login: string): string {
    if (!this.#loginAllowed) return this.#clearTextRefusal()
    if (login === '') return this.#mistake('USER needs a name')
    this.#state = { kind: 'password', login }
    return ok('Send PASS') // the same for unknown names: RFC 1939 section 13
  }

  #auth([name, initial, ...more]: string[]): string {
    // RFC 1734 had no such form either, but old clients ask so for the list.
    const offered = [...this.#hostMechanisms, ...MECHANISMS]
    if (name === undefined) return multiLine('Mechanisms follow', this.#loginAllowed ? offered : [])
    const mechanism = offered.find((known) => known === name.toUpperCase())
    if (mechanism === undefined) return this.#mistake('Unknown mechanism')
    if (!this.#loginAllowed) return this.#clearTextRefusal()
    if (more.length > 0) return this.#mistake('Too many arguments')
    const state = beginning(mechanism)
    if (initial !== undefined) return this.#response(state, initial) // `=` is an empty one: RFC 5034 section 4
    this.#state = state
    return mechanism === 'LOGIN' ? NAME_CHALLENGE : EMPTY_CHALLENGE
  }

  #response(state: State, line: string): string {
    if (line === '*') return this.#mistake('Login cancelled') // RFC 5034 section 4
    const message = decodeBase64Line(line)
    if (message === null) return this.#mistake('Cannot read this base64')
    if (state.kind === 'exchange-response') return this.#exchange(state.mechanism, message, state.first)
    if (state.kind === 'plain-response') {
      const plain = decodePlain(message)
      // Nobody acts for another account here: another authorization identity is refused like a malformed message.
      if (plain === null || (plain.authzid !== '' && plain.authzid !== plain.authcid)) {
        return this.#mistake('Cannot use this PLAIN message', 'AUTH')
      }
      return this.#authenticate({ kind: 'password', login: plain.authcid, password: plain.password }, 'PLAIN')
    }
    const text = decodeLogin(message)
    if (text === null) return this.#mistake('Name or password missing', 'AUTH')
    if (state.kind === 'login-password') {
      return this.#authenticate({ kind: 'password', login: state.login, password: text }, 'LOGIN')
    }
    this.#state = { kind: 'login-password', login: text }
    return PASSWORD_CHALLENGE
  }

  #stls(): string {
    if (this.#tls) return this.#mistake('TLS is already active') // RFC 2595 section 4
    if (!this.#options.startTls) return this.#mistake('TLS is not available here')
    if (this.#utf8) return this.#mistake('Start TLS before UTF8') // RFC 6856 section 2.1
    this.#lines.rest()
    this.#state = { kind: 'waiting', for: 'tls' }
    this.#action = { kind: 'start-tls' }
    return ok('Begin TLS negotiation')
  }

  /** Says nothing yet: the answer is the host's. */
  #authenticate(credentials: PasswordCredentials, mechanism: 'USER' | Mechanism): string {
    this.#state = { kind: 'waiting', for: 'verdict' }
    this.#action = { kind: 'authenticate', mechanism, credentials, attempt: ++this.#attempts }
    return ''
  }

  #exchange(mechanism: string, message: Buffer, first: boolean): string {
    if (first) this.#attempts++
    this.#mechanism = mechanism
    this.#state = { kind: 'waiting', for: 'verdict' }
    this.#action = { kind: 'exchange', mechanism, message, first, attempt: this.#attempts }
    return ''
  }

  #capabilities(): string[] {
    const startTls = this.#options.startTls && !this.#tls
    const mechanisms = [...this.#hostMechanisms, ...MECHANISMS]
    return capabilitiesBeforeLogin({ loginAllowed: this.#loginAllowed, startTls, mechanisms }, this.#options)
  }

  get #hostMechanisms(): readonly string[] {
    return this.#options.hostMechanisms?.() ?? []
  }

  get #loginAllowed(): boolean {
    return this.#tls || !this.#options.tlsRequired
  }

  /** RFC 3206 section 4: an attempt against policy is [AUTH] too. */
  #clearTextRefusal(): string {
    return this.#mistake('Clear-text login is not allowed: start TLS first', 'AUTH')
  }

  /** The reply to what the client did wrong; the last one it may do ends the connection. */
  #mistake(text: string, code?: ResponseCode): string {
    if (++this.#commandErrors < COMMAND_ERRORS_MAX) return err(text, code)
    this.#close('too-many-errors')
    return err(text, code) + err('Too many errors, closing')
  }

  #close(reason: CloseReason): void {
    this.#state = { kind: 'closed' }
    this.#action = { kind: 'close', reason }
  }

  /** False if the engine has closed meanwhile and the answer comes too late. */
  #awaited(what: 'verdict' | 'tls'): boolean {
    if (this.#state.kind === 'closed') return false
    assert(this.#state.kind === 'waiting' && this.#state.for === what, `the engine waits for ${what}`)
    this.#state = COMMAND
    return true
  }

  #say(text: string): void {
    this.#output.push(text)
  }

  #step(): LoginStep {
    const step = { bytes: Buffer.from(this.#output.join('')), action: this.#action }
    this.#output = []
    this.#action = null
    return step
  }
}

function beginning(mechanism: string): State {
  switch (mechanism) {
    case 'PLAIN':
      return { kind: 'plain-response' }
    case 'LOGIN':
      return { kind: 'login-name' }
    default:
      return { kind: 'exchange-response', mechanism, first: true }
  }
}
