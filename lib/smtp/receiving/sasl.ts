/** The dialogue of AUTH (RFC 4954): PLAIN, LOGIN, and mechanisms of the host, with and without an initial response. */
import { decodeBase64Line, decodeLogin, decodePlain } from '#lib/sasl/plain.ts'
import type { Credentials, Mechanism } from './actions.ts'

export type SaslStep =
  /** Send the challenge (base64, perhaps empty) and give the next line to `answer`. */
  | { readonly kind: 'challenge'; readonly text: string }
  | { readonly kind: 'credentials'; readonly credentials: Credentials }
  /** The host takes the message; the dialogue goes on if it answers with a challenge. */
  | { readonly kind: 'exchange'; readonly mechanism: string; readonly message: Buffer; readonly first: boolean }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'cancelled' }

const NAME_CHALLENGE: SaslStep = { kind: 'challenge', text: Buffer.from('Username:').toString('base64') }
const PASSWORD_CHALLENGE: SaslStep = { kind: 'challenge', text: Buffer.from('Password:').toString('base64') }
const EMPTY_CHALLENGE: SaslStep = { kind: 'challenge', text: '' }
const MALFORMED: SaslStep = { kind: 'malformed' }
const CANCELLED: SaslStep = { kind: 'cancelled' }

export const MECHANISMS: readonly Mechanism[] = ['PLAIN', 'LOGIN']

export class SaslDialogue {
  readonly #mechanism: string
  #login: string | null = null
  #passedOn = false

  /** @param mechanism In upper case: one of `MECHANISMS` or of the host's. */
  constructor(mechanism: string) {
    this.#mechanism = mechanism
  }

  /** @param initial The initial response as sent, `=` for an empty one; null: none. */
  begin(initial: string | null): SaslStep {
    if (initial !== null) return this.answer(initial)
    return this.#mechanism === 'LOGIN' ? NAME_CHALLENGE : EMPTY_CHALLENGE
  }

  /** One line of the client. */
  answer(line: string): SaslStep {
    if (line === '*') return CANCELLED // RFC 4954 section 4
    const bytes = decodeBase64Line(line)
    if (bytes === null) return MALFORMED
    switch (this.#mechanism) {
      case 'PLAIN':
        return plain(bytes)
      case 'LOGIN':
        return this.#word(bytes)
      default: {
        const first = !this.#passedOn
        this.#passedOn = true
        return { kind: 'exchange', mechanism: this.#mechanism, message: bytes, first }
      }
    }
  }

  #word(bytes: Buffer): SaslStep {
    const word = decodeLogin(bytes)
    if (word === null) return MALFORMED
    if (this.#login === null) {
      this.#login = word
      return PASSWORD_CHALLENGE
    }
    const credentials: Credentials = { mechanism: 'LOGIN', authzid: '', login: this.#login, password: word }
    return { kind: 'credentials', credentials }
  }
}

function plain(bytes: Buffer): SaslStep {
  const said = decodePlain(bytes)
  if (said === null) return MALFORMED
  const { authzid, authcid, password } = said
  return { kind: 'credentials', credentials: { mechanism: 'PLAIN', authzid, login: authcid, password } }
}
