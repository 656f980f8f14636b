/**
 * What senders need to know of a Domain of ours and nobody else may: keys for DKIM, the way out and its password. It goes from the Domain's
 * Secrets through the directory as text that says nothing to whoever lacks the sealing word, which only senders mount. AES-256-GCM; the name of
 * the domain is bound in, so that what is sealed for one cannot be put at another.
 *
 * A sealing is one or several words: the first seals, all open. To rotate it, a new word is put before the old one, and the old one taken
 * away once everything was sealed anew.
 *
 * Invariant: the same content, domain and word give the same text, so that nothing is written where nothing changed. The nonce is a keyed hash
 * of what is sealed: it serves another text only if 96 bits of two hashes agree.
 */
import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync } from 'node:crypto'
import { z } from 'zod'

const NONCE_BYTES = 12
const TAG_BYTES = 16
const VERSION = 'v1'

const Smarthost = z.object({
  host: z.string(),
  port: z.int(),
  /** From the first byte, after STARTTLS, or where it is offered. But for the last one the certificate must be good for the host. */
  tls: z.enum(['implicit', 'starttls', 'opportunistic']),
  login: z.object({ user: z.string(), password: z.string() }).nullable(),
})
export type Smarthost = z.infer<typeof Smarthost>

const DomainSending = z.object({
  /** Of the newest set that the DNS has; none: letters go unsigned. PEM, PKCS #8. */
  keys: z.array(z.object({ selector: z.string().regex(/^[a-z0-9-]{1,63}$/), pem: z.string() })).max(4),
  /** Takes all that the domain sends; null: MX records say where it goes. */
  smarthost: Smarthost.nullable(),
})
export type DomainSending = z.infer<typeof DomainSending>

interface SealingWord {
  readonly id: string
  readonly key: Buffer
}
/** The first one seals. */
export type Sealing = readonly [SealingWord, ...SealingWord[]]

/** @param text Words with blanks between, the newest first. @returns null: there is none */
export function sealingOf(text: string): Sealing | null {
  const words = text.split(/\s+/).filter((word) => word !== '')
  const [first, ...others] = words.map(sealingWord)
  return first === undefined ? null : [first, ...others]
}

function sealingWord(word: string): SealingWord {
  const key = Buffer.from(hkdfSync('sha256', word, '', 'twinpost domain sending', 32))
  return { id: createHash('sha256').update(key).digest('hex').slice(0, 8), key }
}

export function sealSending(domain: string, sending: DomainSending, [{ id, key }]: Sealing): string {
  const text = Buffer.from(JSON.stringify(sending))
  const nonce = createHmac('sha256', key).update(`${domain}\n`).update(text).digest().subarray(0, NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(Buffer.from(domain))
  const sealed = Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()])
  return `${VERSION}.${id}.${sealed.toString('base64')}`
}

/** @returns null: sealed with a word that is not here, or for another domain, or damaged */
export function openSending(domain: string, text: string, sealing: Sealing): DomainSending | null {
  const [version, id, base64 = ''] = text.split('.')
  const word = sealing.find((one) => one.id === id)
  if (version !== VERSION || word === undefined) return null
  const sealed = Buffer.from(base64, 'base64')
  try {
    const options = { authTagLength: TAG_BYTES }
    const decipher = createDecipheriv('aes-256-gcm', word.key, sealed.subarray(0, NONCE_BYTES), options)
    decipher.setAAD(Buffer.from(domain))
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
    const opened = Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()])
    return DomainSending.parse(JSON.parse(opened.toString('utf8')))
  } catch {
    return null
  }
}
