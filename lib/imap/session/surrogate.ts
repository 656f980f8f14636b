/**
 * What a client that does not speak UTF-8 gets of a letter with international addresses (RFC 6858): the same letter with another header.
 * An address that it could not use becomes one that nobody has, with the real one shown as its name; texts are encoded; fields that
 * cannot be are left out. RFC822.SIZE stays that of the letter. Everything else is the letter, and so is what is searched and sorted.
 */
import { isAscii } from 'node:buffer'
import { encodedWords } from '#lib/letter/mod.ts'
import {
  ADDRESS_FIELDS,
  decodeWords,
  findHeaderEnd,
  type HeaderField,
  type Headers,
  hasInternationalAddress,
  parseAddressList,
} from '#lib/mime/mod.ts'
import { HEADER_READ_BYTES } from '../limits.ts'
import type { MessageBytes } from '../store.ts'
import type { Dialect } from './dialect.ts'
import type { SessionHost } from './host.ts'
import { MessageReader } from './message-reader.ts'

/** RFC 6858 section 2: of a domain in which there is none. */
const NOBODY = '<invalid@internationalized-address.invalid>'
const TEXT_FIELDS: ReadonlySet<string> = new Set(['subject', 'comments', 'content-description'])
/** Left in their form: the structure of the letter hangs on them. */
const STRUCTURE_FIELDS: ReadonlySet<string> = new Set(['content-type', 'content-disposition'])

interface Reading {
  readonly host: SessionHost
  readonly dialect: Dialect
}

/** The letter as this client may see it. @param key Of the caches; a surrogate has one of its own */
export async function readerFor({ host, dialect }: Reading, bytes: MessageBytes, key: string): Promise<MessageReader> {
  const reader = new MessageReader(bytes, key, host)
  if (dialect.utf8) return reader
  const known = host.headers.get(key)?.headers
  if (known === undefined ? await beginsInAscii(bytes) : known.ascii) return reader
  const { headers } = await reader.header()
  if (!hasInternationalAddress(headers)) return reader
  return new MessageReader(new SurrogateBytes(surrogateHeader(headers), headers.bytes.length, bytes), `${key}~`, host)
}

/** True: the header has no byte above 127. False: it has, or is too long to be seen at once. */
async function beginsInAscii(bytes: MessageBytes): Promise<boolean> {
  const begin = await bytes.read(0, Math.min(HEADER_READ_BYTES, bytes.sizeBytes))
  const whole = begin.byteLength === bytes.sizeBytes
  if (isAscii(begin)) return whole || findHeaderEnd(begin, whole) !== null
  const end = findHeaderEnd(begin, whole)
  return end !== null && isAscii(begin.subarray(0, end))
}

class SurrogateBytes implements MessageBytes {
  readonly sizeBytes: number
  readonly #header: Buffer
  readonly #replaced: number
  readonly #bytes: MessageBytes

  /** @param replaced Bytes of the letter in whose place `header` stands. */
  constructor(header: Buffer, replaced: number, bytes: MessageBytes) {
    this.#header = header
    this.#replaced = replaced
    this.#bytes = bytes
    this.sizeBytes = bytes.sizeBytes - replaced + header.length
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (offset < this.#header.length) return this.#header.subarray(offset, offset + length)
    return this.#bytes.read(offset - this.#header.length + this.#replaced, length)
  }
}

export function surrogateHeader(headers: Headers): Buffer {
  const fields = headers.fields.map((field) => surrogateField(headers, field))
  const end = headers.fields.at(-1)?.end ?? 0
  return Buffer.concat([...fields, headers.bytes.subarray(end)])
}

function surrogateField(headers: Headers, field: HeaderField): Buffer {
  const raw = headers.raw(field)
  if (isAscii(raw)) return raw
  if (STRUCTURE_FIELDS.has(field.key)) return Buffer.from(raw.toString('utf8').replace(/[^\x00-\x7f]/g, '?'))
  const value = headers.value(field)
  if (TEXT_FIELDS.has(field.key)) return line(field, encodedWords(decodeWords(value)))
  return ADDRESS_FIELDS.has(field.key) ? line(field, addressList(value)) : Buffer.alloc(0)
}

function line({ name }: HeaderField, value: string): Buffer {
  return value === '' ? Buffer.alloc(0) : Buffer.from(`${name}: ${value}\r\n`)
}

/** Groups are left out, their members stay. */
function addressList(value: string): string {
  const shown = parseAddressList(value).flatMap(({ name, mailbox, host }) => {
    if (mailbox === null || host === null) return []
    const address = `${mailbox}@${host}`
    const person = name === null ? '' : decodeWords(name)
    if (!isAscii(Buffer.from(address)))
      return [`${encodedWords(person === '' ? address : `${person} ${address}`)} ${NOBODY}`]
    return [person === '' ? `<${address}>` : `${phrase(person)} <${address}>`]
  })
  return shown.join(',\r\n\t')
}

function phrase(text: string): string {
  return /^[\x20-\x7e]*$/.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : encodedWords(text)
}
