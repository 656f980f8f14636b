/**
 * SCRAM-SHA-256 and -PLUS (RFC 5802, RFC 7677): stored keys in the text form of RFC 5803 and the server's side of the exchange,
 * without I/O: client-first -> challenge -> client-final -> server-final. The keys prove a password but do not hold it; with -PLUS the proof
 * also covers the TLS connection, so that nobody in between can pass it on.
 * An unknown user gets the same dialogue with keys that nobody can match and a salt that is the same at every try.
 */
import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto'
import type { Random } from '#lib/ports/random.ts'
import { SASL_MESSAGE_BYTES_MAX, SCRAM_ITERATIONS_MAX, SCRAM_ITERATIONS_MIN } from './limits.ts'
import { passwordBytes, SaslError } from './password.ts'

export interface ScramKeys {
  readonly iterations: number
  readonly salt: Buffer
  readonly storedKey: Buffer
  readonly serverKey: Buffer
}

/** RFC 7677 section 4 asks for at least 4096; 15000 is what RFC 7804 section 7 suggests. Clients pay it too, on small devices. */
export const SCRAM_ITERATIONS = 15_000
const SALT_BYTES = 16
const KEY_BYTES = 32

const hmac = (key: Uint8Array, text: string) => createHmac('sha256', key).update(text).digest()
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()

/** RFC 5802 section 3: StoredKey = H(HMAC(SaltedPassword, "Client Key")). @throws {SaslError} SASL_SECRET */
export async function deriveScramKeys(password: string, salt: Uint8Array, iterations: number): Promise<ScramKeys> {
  const bytes = passwordBytes(password)
  if (bytes === null)
    throw new SaslError('SASL_SECRET', 'Cannot use this password: it is empty, too long, or has control characters')
  const salted = await new Promise<Buffer>((resolve, reject) =>
    pbkdf2(bytes, salt, iterations, KEY_BYTES, 'sha256', (error, key) => (error ? reject(error) : resolve(key))),
  )
  return {
    iterations,
    salt: Buffer.from(salt),
    storedKey: sha256(hmac(salted, 'Client Key')),
    serverKey: hmac(salted, 'Server Key'),
  }
}

export function newScramKeys(password: string, random: Random): Promise<ScramKeys> {
  return deriveScramKeys(password, random.bytes(SALT_BYTES), SCRAM_ITERATIONS)
}

/** RFC 5803 section 2: `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, all in base64. */
export function formatScramKeys(keys: ScramKeys): string {
  const [salt, stored, server] = [keys.salt, keys.storedKey, keys.serverKey].map((bytes) => bytes.toString('base64'))
  return `SCRAM-SHA-256$${keys.iterations}:${salt}$${stored}:${server}`
}

const STORED = /^SCRAM-SHA-256\$([1-9]\d{3,7}):([A-Za-z0-9+/]{8,172}={0,2})\$([A-Za-z0-9+/]{43}=):([A-Za-z0-9+/]{43}=)$/

/** @returns null for text that is not a set of stored keys. */
export function parseScramKeys(text: string): ScramKeys | null {
  const match = STORED.exec(text)
  if (!match) return null
  const iterations = Number(match[1])
  if (iterations < SCRAM_ITERATIONS_MIN || iterations > SCRAM_ITERATIONS_MAX) return null
  const bytes = (index: number) => Buffer.from(match[index] ?? '', 'base64')
  return { iterations, salt: bytes(2), storedKey: bytes(3), serverKey: bytes(4) }
}

/** Keys for a name that does not exist. @param secret Key of the process or cluster: equal secrets give equal salts. */
export function fakeScramKeys(user: string, secret: Uint8Array): ScramKeys {
  return {
    iterations: SCRAM_ITERATIONS,
    salt: hmac(secret, `salt:${user}`).subarray(0, SALT_BYTES),
    storedKey: hmac(secret, `stored:${user}`),
    serverKey: hmac(secret, `server:${user}`),
  }
}

export interface ClientFirst {
  readonly user: string
  /** Identity to act as; null when the client gave none. */
  readonly authzid: string | null
  readonly nonce: string
  /** Type of channel binding that the client uses (`tls-exporter`), null: none. */
  readonly binding: string | null
  /** `n,,`, `y,,` or `p=tls-exporter,,` with the authzid: comes back in the client's final message. */
  readonly gs2Header: string
  readonly bare: string
}

// RFC 5802 section 7: gs2-header, then [reserved-mext ","] username "," nonce ["," extensions]; `m=` must be refused.
const CLIENT_FIRST = /^((n|y|p=([A-Za-z0-9.-]+)),(?:a=([^,]+))?,)(n=([^,]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,.*)?)$/s

/** What a listener offers when the first message comes. */
export interface BindingPolicy {
  /** The mechanism is -PLUS: the client must bind. */
  readonly plus: boolean
  /** -PLUS was announced on this connection. */
  readonly plusOffered: boolean
}

/**
 * Reads the first message.
 * @returns null when it is malformed, binds without -PLUS or does not with it, or shows a downgrade (RFC 5802 section 6, flag `y`: the
 *   client would have bound, had it seen our -PLUS).
 */
export function parseClientFirst(message: Uint8Array, { plus, plusOffered }: BindingPolicy): ClientFirst | null {
  const match = CLIENT_FIRST.exec(decodeUtf8(message) ?? '')
  if (!match) return null
  const [, gs2Header = '', flag, binding = null, authzid, bare = '', name = '', nonce = ''] = match
  const user = saslName(name)
  const actAs = authzid === undefined ? null : saslName(authzid)
  if (user === null || (authzid !== undefined && actAs === null)) return null
  if ((flag === 'y' && plusOffered) || plus !== (binding !== null)) return null
  return { user, authzid: actAs, nonce, binding, gs2Header, bare }
}

/** RFC 5802 section 5.1: `=2C` is a comma, `=3D` an equals sign, any other `=` an error. */
function saslName(text: string): string | null {
  return /=(?!2C|3D)/.test(text) ? null : text.replaceAll('=2C', ',').replaceAll('=3D', '=')
}

export type ScramVerdict =
  | { readonly kind: 'ok'; readonly serverFinal: string }
  /** `message` may be sent as server-final: it says nothing about which part was wrong. */
  | { readonly kind: 'denied'; readonly message: string }

const CLIENT_FINAL = /^(c=([A-Za-z0-9+/=]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,[^,]+)*),p=([A-Za-z0-9+/]{43}=)$/s

/** One exchange: made when the keys are known, used once. */
export class ScramExchange {
  /** server-first-message, to be sent as the challenge. */
  readonly challenge: string
  readonly #first: ClientFirst
  readonly #keys: ScramKeys
  readonly #nonce: string
  readonly #bindingData: Uint8Array

  /**
   * @param serverNonce Printable, without commas, new for each exchange: `randomId(random, 24)`.
   * @param bindingData What the client's channel binding must cover; empty without -PLUS.
   */
  constructor(first: ClientFirst, keys: ScramKeys, serverNonce: string, bindingData: Uint8Array = new Uint8Array()) {
    this.#first = first
    this.#keys = keys
    this.#nonce = first.nonce + serverNonce
    this.#bindingData = bindingData
    this.challenge = `r=${this.#nonce},s=${keys.salt.toString('base64')},i=${keys.iterations}`
  }

  /** Judges client-final-message. */
  finish(message: Uint8Array): ScramVerdict {
    const match = CLIENT_FINAL.exec(decodeUtf8(message) ?? '')
    if (!match) return { kind: 'denied', message: 'e=invalid-encoding' }
    const [, withoutProof, binding = '', nonce, proof = ''] = match
    const covered = Buffer.concat([Buffer.from(this.#first.gs2Header), this.#bindingData])
    if (!Buffer.from(binding, 'base64').equals(covered))
      return { kind: 'denied', message: 'e=channel-bindings-dont-match' }
    if (nonce !== this.#nonce) return { kind: 'denied', message: 'e=other-error' }
    const authMessage = `${this.#first.bare},${this.challenge},${withoutProof}`
    const signature = hmac(this.#keys.storedKey, authMessage)
    const clientKey = Buffer.from(proof, 'base64').map((byte, i) => byte ^ (signature[i] ?? 0))
    if (!timingSafeEqual(sha256(clientKey), this.#keys.storedKey)) return { kind: 'denied', message: 'e=invalid-proof' }
    return { kind: 'ok', serverFinal: `v=${hmac(this.#keys.serverKey, authMessage).toString('base64')}` }
  }
}

function decodeUtf8(message: Uint8Array): string | null {
  if (message.byteLength > SASL_MESSAGE_BYTES_MAX) return null
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(message)
  } catch {
    return null // not UTF-8: malformed, as the caller will say
  }
}
