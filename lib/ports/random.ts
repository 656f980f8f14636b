/** The port through which chance enters: identifiers, nonces, jitter. The simulator gives a seeded one. */
export interface Random {
  /** `length` random bytes, fit for identifiers and secrets in the real adapter. */
  bytes(length: number): Uint8Array
  /** A number in [0, 1), for jitter and sampling only. */
  fraction(): number
}

const ID_ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567' // RFC 4648 section 6, lower case

/** An identifier of `length` characters out of RFC 4648 base32 in lower case: 5 bits of chance each. */
export function randomId(random: Random, length: number): string {
  let id = ''
  for (const byte of random.bytes(length)) id += ID_ALPHABET[byte & 31]
  return id
}
