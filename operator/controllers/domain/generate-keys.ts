/** Makes the private keys of a set. RSA takes a tenth of a second or more, so it runs beside the event loop. */
import { generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import type { DkimKeyPair } from './keys.ts'

/** At least 1024 are demanded, 2048 recommended, and more does not fit into every resolver's answer (RFC 8301 section 3.2). */
const RSA_BITS = 2_048

export async function generateDkimKeys(): Promise<DkimKeyPair> {
  const make = promisify(generateKeyPair)
  const rsa = await make('rsa', { modulusLength: RSA_BITS })
  const ed25519 = await make('ed25519')
  const pem = { type: 'pkcs8', format: 'pem' } as const
  return { rsa: rsa.privateKey.export(pem).toString(), ed25519: ed25519.privateKey.export(pem).toString() }
}
