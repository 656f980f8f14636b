/**
 * Stored passwords: Argon2id in the PHC string format, `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>` (base64 without
 * padding), so that the parameters travel with each hash and can be raised for new ones. Hashing runs on Node's thread pool.
 */
import { argon2, timingSafeEqual } from 'node:crypto'
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'
import type { Random } from '#lib/ports/random.ts'
import { ARGON2_LANES_MAX, ARGON2_MEMORY_KIB_MAX, ARGON2_PASSES_MAX, SECRET_BYTES_MAX } from './limits.ts'
import { saslPrepare } from './prepare.ts'

export const SASL_ERRORS = {
  SASL_SECRET: { retry: false, meaning: 'A password is empty, too long, or has control characters.' },
  SASL_STORED: {
    retry: false,
    meaning: 'A stored password hash is not what Twinpost writes, or asks for more work than the limits allow.',
  },
} as const satisfies Record<string, ErrorSpec>

export class SaslError extends CodedError<keyof typeof SASL_ERRORS> {
  override readonly name = 'SaslError'
}

export interface Argon2Cost {
  readonly memoryKib: number
  readonly passes: number
  readonly lanes: number
}

/** RFC 9106 names larger ones; these are the least that current guidance for servers accepts, so that a login stays < 50 ms. */
export const ARGON2_COST: Argon2Cost = { memoryKib: 19_456, passes: 2, lanes: 1 }
const SALT_BYTES = 16
const HASH_BYTES = 32
const PHC = /^\$argon2id\$v=19\$m=(\d{1,8}),t=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{16,86})$/

/** The bytes of a password that hashes are made of. @returns null when no password may look like this. */
export function passwordBytes(password: string): Buffer | null {
  if (Buffer.byteLength(password) > SECRET_BYTES_MAX) return null
  const prepared = saslPrepare(password)
  return prepared === null ? null : Buffer.from(prepared)
}

/** @throws {SaslError} SASL_SECRET for a password that cannot be one. */
export async function hashPassword(password: string, random: Random, cost: Argon2Cost = ARGON2_COST): Promise<string> {
  const message = passwordBytes(password)
  if (message === null)
    throw new SaslError('SASL_SECRET', 'Cannot use this password: it is empty, too long, or has control characters')
  const salt = random.bytes(SALT_BYTES)
  const hash = await derive(message, salt, cost, HASH_BYTES)
  return `$argon2id$v=19$m=${cost.memoryKib},t=${cost.passes},p=${cost.lanes}$${unpadded(salt)}$${unpadded(hash)}`
}

/** Compares in constant time. @throws {SaslError} SASL_STORED when the stored string is not one of ours. */
export async function verifyPassword(stored: string, password: string): Promise<boolean> {
  const parsed = parsePhc(stored)
  if (parsed === null)
    throw new SaslError(
      'SASL_STORED',
      'Cannot use the stored password hash: it is not an Argon2id string within limits',
    )
  // An impossible password costs what a wrong one costs.
  const message = passwordBytes(password)
  const hash = await derive(message ?? Buffer.from('-'), parsed.salt, parsed.cost, parsed.hash.length)
  return timingSafeEqual(hash, parsed.hash) && message !== null
}

interface Phc {
  readonly cost: Argon2Cost
  readonly salt: Buffer
  readonly hash: Buffer
}

function parsePhc(stored: string): Phc | null {
  const match = PHC.exec(stored)
  if (!match) return null
  const [, memory, passes, lanes, salt, hash] = match
  const cost = { memoryKib: Number(memory), passes: Number(passes), lanes: Number(lanes) }
  const bounded =
    cost.lanes >= 1 &&
    cost.lanes <= ARGON2_LANES_MAX &&
    cost.passes >= 1 &&
    cost.passes <= ARGON2_PASSES_MAX &&
    cost.memoryKib >= 8 * cost.lanes && // RFC 9106 section 3.1
    cost.memoryKib <= ARGON2_MEMORY_KIB_MAX
  return bounded ? { cost, salt: Buffer.from(salt ?? '', 'base64'), hash: Buffer.from(hash ?? '', 'base64') } : null
}

/** Whether a string can be stored as a password hash. */
export function isPasswordHash(text: string): boolean {
  return parsePhc(text) !== null
}

function derive(message: Buffer, nonce: Uint8Array, cost: Argon2Cost, tagLength: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    argon2(
      'argon2id',
      { message, nonce, parallelism: cost.lanes, tagLength, memory: cost.memoryKib, passes: cost.passes },
      (error, tag) => (error ? reject(error) : resolve(tag)),
    )
  })
}

function unpadded(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64').replaceAll('=', '')
}
