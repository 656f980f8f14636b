/**
 * The login engines of IMAP and POP3 behind one face, so that what a front does with sockets, directory and shards is
 * written once. The engines speak the protocol; this file only translates.
 */

import { pop3ClientFacts, type SessionProtocol } from '#lib/frames/shard-protocol.ts'
import { LoginEngine } from '#lib/imap/mod.ts'
import { Pop3Login } from '#lib/pop3/login/engine.ts'
import { IMAP_IDLE_MS, LOGIN_FAILURES_MAX, POP3_IDLE_MS } from '../limits.ts'

export type DialogueAction =
  | { readonly kind: 'start-tls' }
  | { readonly kind: 'authenticate'; readonly login: string; readonly password: string; readonly mechanism: string }
  | {
      readonly kind: 'exchange'
      readonly mechanism: string
      readonly message: Buffer
      /** Begins a new attempt. */
      readonly first: boolean
    }
  | { readonly kind: 'close' }

export interface DialogueStep {
  readonly bytes: Buffer
  readonly action: DialogueAction | null
}

export type LoginFailure =
  | 'denied'
  | 'suspended'
  /** Directory or shard cannot answer now. */
  | 'unavailable'
  /** The account has too many sessions. */
  | 'limit'
  /** The maildrop is open in another session. */
  | 'in-use'
  /** The account has logged in just before. */
  | 'too-soon'

export interface LoginDialogue {
  greet(): DialogueStep
  receive(chunk: Buffer): DialogueStep
  tlsStarted(): DialogueStep
  /** Answers an `exchange` action. */
  challenge(bytes: Buffer): DialogueStep
  accepted(capabilities: string): DialogueStep
  failed(reason: LoginFailure): DialogueStep
  /** The edge ends the connection. */
  bye(text: string): Buffer
  /** After `accepted`: what the client sent behind its login. */
  rest(): Buffer
  /** What the client said of itself before login, as `SessionOpen` has it. */
  readonly clientId: readonly string[]
}

export interface FrontProtocol {
  readonly protocol: Extract<SessionProtocol, 'imap' | 'pop3'>
  readonly idleMs: number
  /** Said to a client whose session is lost or ended, where the protocol has a word for it. */
  readonly farewell: ((text: string) => Buffer) | null
  /** @param mechanisms Of SASL, carried out by `exchange` actions, that this connection can offer now. */
  dialogue(tls: boolean, mechanisms: () => readonly string[]): LoginDialogue
}

export function imapProtocol(hostname: string): FrontProtocol {
  return {
    protocol: 'imap',
    idleMs: IMAP_IDLE_MS,
    farewell: (text) => Buffer.from(`* BYE ${text}\r\n`), // RFC 9051 section 7.1.5
    dialogue: (tls, hostMechanisms) =>
      imapDialogue(
        new LoginEngine({ tls, startTls: !tls, hostName: hostname, serverId: ['name', 'Twinpost'], hostMechanisms }),
      ),
  }
}

/** @param loginDelaySeconds 0: none. */
export function pop3Protocol(loginDelaySeconds: number): FrontProtocol {
  return {
    protocol: 'pop3',
    idleMs: POP3_IDLE_MS,
    farewell: null, // RFC 1939 section 3: the server closes without a word
    dialogue: (tls, hostMechanisms) =>
      pop3Dialogue(
        new Pop3Login({
          implementation: 'Twinpost',
          loginDelaySeconds,
          tls,
          tlsRequired: true,
          startTls: !tls,
          hostMechanisms,
        }),
        loginDelaySeconds,
      ),
  }
}

/** App passwords have no SCRAM keys, and programs take SCRAM where it is offered: their users must be told. */
function hintOf(mechanism: string): string {
  return mechanism.startsWith('SCRAM') ? '; an app password needs PLAIN or LOGIN' : ''
}

/** An engine's action without what only the engine needs. */
function dialogueAction(action: NonNullable<ReturnType<(LoginEngine | Pop3Login)['greet']>['action']>): DialogueAction {
  switch (action.kind) {
    case 'authenticate': {
      const { login, password } = action.credentials
      return { kind: 'authenticate', login, password, mechanism: action.mechanism }
    }
    case 'exchange': {
      const { mechanism, message, first } = action
      return { kind: 'exchange', mechanism, message, first }
    }
    case 'start-tls':
    case 'close':
      return { kind: action.kind }
    default:
      return action satisfies never
  }
}

function imapDialogue(engine: LoginEngine): LoginDialogue {
  let attempts = 0
  let mechanism = ''
  const step = ({ bytes, action }: ReturnType<LoginEngine['greet']>): DialogueStep => {
    if (action?.kind === 'authenticate' || action?.kind === 'exchange') ({ attempt: attempts, mechanism } = action)
    return { bytes, action: action === null ? null : dialogueAction(action) }
  }
  return {
    greet: () => step(engine.greet()),
    receive: (chunk) => step(engine.receive(chunk)),
    tlsStarted: () => step(engine.tlsStarted()),
    challenge: (bytes) => step(engine.challenge(bytes)),
    accepted: (capabilities) => step(engine.authenticated(capabilities)),
    failed(reason) {
      switch (reason) {
        case 'denied':
          return step(engine.denied(attempts >= LOGIN_FAILURES_MAX, hintOf(mechanism)))
        case 'suspended':
          return step(engine.refused('CONTACTADMIN', 'This account is suspended')) // RFC 5530 section 3
        case 'limit':
          return step(engine.refused('LIMIT', 'Too many sessions of this account'))
        case 'in-use':
          return step(engine.refused('INUSE', 'The account is in use'))
        case 'unavailable':
        case 'too-soon': // not of IMAP
          return step(engine.unavailable('The mail store cannot be reached, try again later'))
        default:
          return reason satisfies never
      }
    },
    bye: (text) => engine.bye(text).bytes,
    rest: () => engine.rest(),
    get clientId() {
      return engine.clientId
    },
  }
}

function pop3Dialogue(engine: Pop3Login, loginDelaySeconds: number): LoginDialogue {
  let attempts = 0
  let mechanism = ''
  const step = ({ bytes, action }: ReturnType<Pop3Login['greet']>): DialogueStep => {
    if (action?.kind === 'authenticate' || action?.kind === 'exchange') ({ attempt: attempts, mechanism } = action)
    return { bytes, action: action === null ? null : dialogueAction(action) }
  }
  return {
    greet: () => step(engine.greet()),
    receive: (chunk) => step(engine.receive(chunk)),
    tlsStarted: () => step(engine.tlsStarted()),
    challenge: (bytes) => step(engine.challenge(bytes)),
    accepted: () => step(engine.authenticated()),
    failed(reason) {
      switch (reason) {
        case 'denied':
          return step(engine.denied(attempts >= LOGIN_FAILURES_MAX, hintOf(mechanism)))
        case 'limit':
          return step(engine.unavailable('Too many sessions of this account'))
        case 'unavailable':
          return step(engine.unavailable('The mail store cannot be reached, try again later'))
        case 'suspended':
        case 'in-use':
        case 'too-soon':
          return step(engine.refused(reason))
        default:
          return reason satisfies never
      }
    },
    bye: () => engine.bye().bytes,
    rest: () => engine.rest(),
    get clientId() {
      return pop3ClientFacts({ utf8: engine.utf8, loginDelaySeconds })
    },
  }
}
