/** The commands that a client may give before login (RFC 9051 sections 6.1 and 6.2), as a table. */
import { parseClientId, serverIdText } from '../syntax/id.ts'
import { syntaxError } from '../syntax/syntax-error.ts'
import type { Tokens } from '../syntax/tokens.ts'
import type { Credentials } from './actions.ts'
import { decodeBase64 } from './mechanisms.ts'

/** What a command may do; the engine is behind it. */
export interface LoginDialogue {
  readonly serverId: readonly string[]
  capabilities(): string
  offers(mechanism: string): boolean
  /** Whether a password may be said on this connection. */
  passwordsAllowed(): boolean
  startTlsAllowed(): boolean
  untagged(text: string): void
  tagged(text: string): void
  identify(pairs: readonly string[]): void
  startTls(): void
  authenticate(mechanism: string, credentials: Credentials): void
  challenge(mechanism: string, initial: Buffer | null): void
  close(): void
}

/** Parses its arguments, throwing `ImapSyntaxError`, and acts. */
export type LoginCommand = (args: Tokens, dialogue: LoginDialogue) => void

const PRIVACY_REQUIRED = 'NO [PRIVACYREQUIRED] Begin TLS first' // RFC 5530 section 3

function utf8(text: string): string {
  const bytes = Buffer.from(text, 'latin1')
  const decoded = bytes.toString('utf8')
  if (!Buffer.from(decoded, 'utf8').equals(bytes)) throw syntaxError('Name and password must be UTF-8')
  return decoded
}

const login: LoginCommand = (args, dialogue) => {
  args.space()
  const name = args.astring()
  args.space()
  const password = args.astring()
  args.end()
  if (!dialogue.passwordsAllowed()) dialogue.tagged(PRIVACY_REQUIRED)
  else if (name === '') throw syntaxError('Name is empty')
  else dialogue.authenticate('LOGIN', { kind: 'password', login: utf8(name), password: utf8(password) })
}

const authenticate: LoginCommand = (args, dialogue) => {
  args.space()
  const mechanism = args.atom().toUpperCase()
  let initial: Buffer | null = null
  if (args.trySpace()) {
    const text = args.base64()
    // RFC 4959 section 3: "=" is an initial response that is there but empty.
    initial = text === '=' ? Buffer.alloc(0) : decodeBase64(text)
    if (initial === null) throw syntaxError('Initial response is not base64')
  }
  args.end()
  if (!dialogue.offers(mechanism)) dialogue.tagged('NO [CANNOT] Mechanism is not offered')
  else if (!dialogue.passwordsAllowed()) dialogue.tagged(PRIVACY_REQUIRED)
  else dialogue.challenge(mechanism, initial)
}

export const LOGIN_COMMANDS: ReadonlyMap<string, LoginCommand> = new Map<string, LoginCommand>([
  [
    'CAPABILITY',
    (args, dialogue) => {
      args.end()
      dialogue.untagged(`CAPABILITY ${dialogue.capabilities()}`)
      dialogue.tagged('OK Done')
    },
  ],
  [
    'NOOP',
    (args, dialogue) => {
      args.end()
      dialogue.tagged('OK Done')
    },
  ],
  [
    'ID',
    (args, dialogue) => {
      const pairs = parseClientId(args)
      dialogue.identify(pairs)
      dialogue.untagged(serverIdText(dialogue.serverId))
      dialogue.tagged('OK Done')
    },
  ],
  [
    'LOGOUT',
    (args, dialogue) => {
      args.end()
      dialogue.untagged('BYE Goodbye')
      dialogue.tagged('OK Done')
      dialogue.close()
    },
  ],
  [
    'STARTTLS',
    (args, dialogue) => {
      args.end()
      if (dialogue.startTlsAllowed()) dialogue.startTls()
      else throw syntaxError('TLS is active or not offered') // RFC 9051 section 6.2.1
    },
  ],
  ['LOGIN', login],
  ['AUTHENTICATE', authenticate],
])
