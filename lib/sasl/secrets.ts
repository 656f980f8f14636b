/** What is stored of a password: made once, where the password is typed, so that the password itself never travels. */
import type { Random } from '#lib/ports/random.ts'
import { hashPassword } from './password.ts'
import { formatScramKeys, newScramKeys } from './scram.ts'

export interface StoredSecrets {
  /** Argon2id, PHC string. */
  readonly passwordHash: string
  /** SCRAM-SHA-256 keys, RFC 5803. */
  readonly scramKeys: string
}

/** @throws {SaslError} SASL_SECRET for a password that cannot be one. */
export async function secretsOf(password: string, random: Random): Promise<StoredSecrets> {
  const [passwordHash, keys] = await Promise.all([hashPassword(password, random), newScramKeys(password, random)])
  return { passwordHash, scramKeys: formatScramKeys(keys) }
}
