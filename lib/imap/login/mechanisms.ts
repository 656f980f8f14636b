/**
 * SASL mechanisms of the login engine (RFC 4422): each turns client responses into challenges and at last into
 * credentials. A new mechanism is one more entry of `MECHANISMS`.
 */
import type { Credentials } from './actions.ts'

export type SaslStep =
  /** Sent as a challenge; `next` takes the response. */
  | { readonly kind: 'challenge'; readonly bytes: Buffer; readonly next: (response: Buffer) => SaslStep }
  | { readonly kind: 'done'; readonly credentials: Credentials }
  /** The host takes the message and answers. */
  | { readonly kind: 'exchange'; readonly message: Buffer }
  | { readonly kind: 'malformed'; readonly text: string }

/** @param initial RFC 4959 initial response; null if the client gave none. */
export type SaslMechanism = (initial: Buffer | null) => SaslStep

const EMPTY = Buffer.alloc(0)

function utf8(bytes: Buffer): string | null {
  const text = bytes.toString('utf8')
  // Invalid UTF-8 would let two different passwords look the same.
  return Buffer.from(text, 'utf8').equals(bytes) && !text.includes('\0') ? text : null
}

function password(login: string | null, secret: string | null): SaslStep {
  if (login === null || secret === null)
    return { kind: 'malformed', text: 'Name and password must be UTF-8 without NUL' }
  if (login === '') return { kind: 'malformed', text: 'Name is empty' }
  return { kind: 'done', credentials: { kind: 'password', login, password: secret } }
}

/** RFC 4616: [authzid] NUL authcid NUL passwd. */
const plain: SaslMechanism = (initial) => {
  const finish = (response: Buffer): SaslStep => {
    const first = response.indexOf(0)
    const second = first < 0 ? -1 : response.indexOf(0, first + 1)
    if (second < 0) return { kind: 'malformed', text: 'PLAIN needs two NULs' }
    const login = response.subarray(first + 1, second)
    const authorization = response.subarray(0, first)
    // Acting as somebody else is not offered; the same name twice is common.
    if (authorization.length > 0 && !authorization.equals(login)) {
      return { kind: 'malformed', text: 'Authorization identity must be empty or the name itself' }
    }
    return password(utf8(login), utf8(response.subarray(second + 1)))
  }
  return initial === null ? { kind: 'challenge', bytes: EMPTY, next: finish } : finish(initial)
}

/** draft-murchison-sasl-login: asked for by older clients that do not speak PLAIN. */
const login: SaslMechanism = (initial) => {
  const askPassword = (name: Buffer): SaslStep => ({
    kind: 'challenge',
    bytes: Buffer.from('Password:'),
    next: (secret) => password(utf8(name), utf8(secret)),
  })
  return initial === null
    ? { kind: 'challenge', bytes: Buffer.from('Username:'), next: askPassword }
    : askPassword(initial)
}

/** A mechanism of the host's: the client speaks first (RFC 4422 section 3.2: an empty challenge asks it to). */
export const hostMechanism: SaslMechanism = (initial) => {
  const pass = (message: Buffer): SaslStep => ({ kind: 'exchange', message })
  return initial === null ? { kind: 'challenge', bytes: EMPTY, next: pass } : pass(initial)
}

/** By name, in the order in which they are announced. */
export const MECHANISMS: ReadonlyMap<string, SaslMechanism> = new Map([
  ['PLAIN', plain],
  ['LOGIN', login],
])

/** RFC 4648 section 4, strictly: Buffer.from() would skip what it does not know. Null if malformed. */
export function decodeBase64(text: string): Buffer | null {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return null
  return Buffer.from(text, 'base64')
}
