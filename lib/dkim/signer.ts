/**
 * DKIM signatures for letters that leave (RFC 6376, RFC 8463 for Ed25519): the bytes of a letter in, fields to put before it out. One pass
 * serves all keys, since all sign with relaxed/relaxed and SHA-256.
 *
 * Invariants
 * - Every instance of a signed field is signed, and fields that change what a reader sees are named once more than they are there, so that
 *   none can be added on the way (RFC 6376 sections 5.4.2 and 8.15).
 * - A letter without From, with a header that is no header or is longer than HEADER_SCAN_BYTES_MAX, gets no signature.
 * - No `l=`: what is appended on the way breaks the signature (RFC 6376 section 8.2).
 */
import { createHash, createPrivateKey, type KeyObject, sign } from 'node:crypto'
import { promisify } from 'node:util'
import { splitLetter } from '#lib/letter/mod.ts'
import { HEADER_BYTES_MAX } from './limits.ts'
import { RelaxedBody } from './relaxed-body.ts'

export interface DkimKey {
  /** Name below `_domainkey`. */
  readonly selector: string
  readonly key: KeyObject
}

/** What is signed of a letter. */
export interface LetterDigest {
  /** Fields with their folds and line ends, latin1, in their order. */
  readonly fields: readonly string[]
  /** Base64 of the hash over the relaxed body. */
  readonly bodyHash: string
}

/** RFC 6376 section 5.4.1, and what decides how a letter is shown. In this order in `h=`. */
const SIGNED_FIELDS = [
  'From',
  'Sender',
  'Reply-To',
  'To',
  'Cc',
  'Subject',
  'Date',
  'Message-ID',
  'In-Reply-To',
  'References',
  'MIME-Version',
  'Content-Type',
  'Content-Transfer-Encoding',
  'List-Id',
  'List-Unsubscribe',
  'List-Unsubscribe-Post',
  'Auto-Submitted',
] as const
/** Not those that a mailing list adds. */
const GUARDED_FIELDS: ReadonlySet<string> = new Set([
  'From',
  'To',
  'Cc',
  'Subject',
  'Date',
  'Message-ID',
  'Reply-To',
  'MIME-Version',
  'Content-Type',
  'Content-Transfer-Encoding',
])
const LINE_CHARACTERS = 72
const END_OF_HEADER = Buffer.from('\r\n\r\n')
const signAside = promisify(
  (algorithm: string | null, data: Buffer, key: KeyObject, done: (error: Error | null, signature?: Buffer) => void) =>
    sign(algorithm, data, key, done),
)

/** Takes a letter in pieces. */
export class LetterDigester {
  readonly #hash = createHash('sha256')
  readonly #body = new RelaxedBody((bytes) => this.#hash.update(bytes))
  /** Until the header has ended. */
  #header: Buffer | null = Buffer.alloc(0)
  #fields: readonly string[] | null = null

  push(piece: Buffer): void {
    if (this.#header === null) {
      if (this.#fields !== null) this.#body.push(piece)
      return
    }
    const from = Math.max(0, this.#header.length - END_OF_HEADER.length + 1)
    this.#header = this.#header.length === 0 ? piece : Buffer.concat([this.#header, piece])
    const end = this.#header.indexOf(END_OF_HEADER, from)
    if (end !== -1 && end <= HEADER_BYTES_MAX) {
      const rest = this.#header.subarray(end + END_OF_HEADER.length)
      this.#headerIs(this.#header.subarray(0, end + 2))
      if (this.#fields !== null && rest.length > 0) this.#body.push(rest)
    } else if (this.#header.length > HEADER_BYTES_MAX) this.#header = null
  }

  /** @returns null: the letter cannot be signed */
  end(): LetterDigest | null {
    // A letter may be a header only.
    if (this.#header !== null) this.#headerIs(this.#header)
    if (this.#fields === null || !this.#fields.some((field) => nameOf(field) === 'from')) return null
    this.#body.end()
    return { fields: this.#fields, bodyHash: this.#hash.digest('base64') }
  }

  #headerIs(header: Buffer): void {
    const text = header.toString('latin1')
    const { fields } = splitLetter(text, [])
    this.#header = null
    if (fields.join('').length === text.length && text.endsWith('\r\n')) this.#fields = fields
  }
}

/** One DKIM-Signature for each key, in order, ready to be put before the letter. */
export async function dkimSignatures(
  digest: LetterDigest,
  domain: string,
  keys: readonly DkimKey[],
  nowMs: number,
): Promise<string> {
  const names: string[] = []
  const signed: string[] = []
  for (const name of SIGNED_FIELDS) {
    const present = digest.fields.filter((field) => nameOf(field) === name.toLowerCase())
    // From the last to the first (RFC 6376 section 5.4.2).
    for (const field of present.reverse()) {
      names.push(name)
      signed.push(`${relaxedField(field)}\r\n`)
    }
    if (GUARDED_FIELDS.has(name)) names.push(name)
  }
  const fields = keys.map(async ({ selector, key }) => {
    const algorithm = key.asymmetricKeyType === 'ed25519' ? 'ed25519-sha256' : 'rsa-sha256'
    const tags = folded([
      `v=1; a=${algorithm}; c=relaxed/relaxed; d=${domain};`,
      `s=${selector}; t=${Math.floor(nowMs / 1_000)};`,
      ...names.map((name, i) => `${i === 0 ? 'h=' : ''}${name}${i === names.length - 1 ? ';' : ':'}`),
      `bh=${digest.bodyHash};`,
    ])
    const unsigned = `DKIM-Signature: ${tags}\r\n\tb=`
    const data = Buffer.from(signed.join('') + relaxedField(unsigned), 'latin1')
    const signature = await signed64(data, key)
    return `${unsigned}${folded(signature.match(/.{1,70}/g) ?? [], '')}\r\n`
  })
  return (await Promise.all(fields)).join('')
}

/** @throws if the text is no private key. */
export function dkimKey(selector: string, pem: string): DkimKey {
  return { selector, key: createPrivateKey(pem) }
}

/** RSA takes most of a millisecond, so it runs beside the event loop. */
async function signed64(data: Buffer, key: KeyObject): Promise<string> {
  const ed25519 = key.asymmetricKeyType === 'ed25519'
  // RFC 8463 section 3: Ed25519 signs the hash, as if it were the message.
  const signature = ed25519
    ? sign(null, createHash('sha256').update(data).digest(), key)
    : await signAside('sha256', data, key)
  return (signature ?? Buffer.alloc(0)).toString('base64')
}

/** RFC 6376 section 3.4.2, without the CRLF. */
function relaxedField(field: string): string {
  const colon = field.indexOf(':')
  const value = field
    .slice(colon + 1)
    .replaceAll('\r\n', '')
    .replaceAll(/[ \t]+/g, ' ')
  return `${field.slice(0, colon).trim().toLowerCase()}:${value.replace(/^ /, '').replace(/ $/, '')}`
}

function nameOf(field: string): string {
  return field.slice(0, field.indexOf(':')).trim().toLowerCase()
}

/** Words on lines that are not too long; names in `h=` stay together without blanks where they fit. */
function folded(words: readonly string[], between = ' '): string {
  let text = ''
  let column = 'DKIM-Signature: '.length
  for (const [i, word] of words.entries()) {
    const gap = i === 0 || words[i - 1]?.endsWith(':') ? '' : between
    if (i > 0 && column + gap.length + word.length > LINE_CHARACTERS) {
      text += `\r\n\t${word}`
      column = 8 + word.length
    } else {
      text += gap + word
      column += gap.length + word.length
    }
  }
  return text
}
