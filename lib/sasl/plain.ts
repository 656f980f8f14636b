/** Decoding of SASL PLAIN (RFC 4616) and of the two answers of LOGIN. The caller undoes base64 (or gets bytes from a literal). */
import { SASL_MESSAGE_BYTES_MAX, SECRET_BYTES_MAX } from './limits.ts'

export interface PlainCredentials {
  /** Identity to act as; empty when the client gave none (RFC 4616 section 2). */
  readonly authzid: string
  readonly authcid: string
  readonly password: string
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function text(bytes: Uint8Array, bytesMax: number): string | null {
  if (bytes.byteLength > bytesMax) return null
  try {
    return utf8.decode(bytes)
  } catch {
    return null // not UTF-8
  }
}

/** `[authzid] NUL authcid NUL passwd`. @returns null when it is malformed, as for an empty name or password. */
export function decodePlain(message: Uint8Array): PlainCredentials | null {
  const [authzid, authcid, password, ...more] = text(message, SASL_MESSAGE_BYTES_MAX)?.split('\0') ?? []
  if (authzid === undefined || !authcid || !password || more.length > 0) return null
  return { authzid, authcid, password }
}

/** One answer of LOGIN: a user name or a password. @returns null when it is empty, too long, or holds NUL. */
export function decodeLogin(answer: Uint8Array): string | null {
  const word = text(answer, SECRET_BYTES_MAX)
  return word === null || word === '' || word.includes('\0') ? null : word
}

/** Strict base64 of a line (RFC 4648 section 4; `=` alone is an empty answer, RFC 4954 section 4). @returns null if it is none. */
export function decodeBase64Line(line: string): Buffer | null {
  if (line === '=' || line === '') return Buffer.alloc(0)
  if (line.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(line)) return null
  return Buffer.from(line, 'base64')
}
