/**
 * What SORT and THREAD want to know of a letter (RFC 5256 section 2), out of its header: small enough to keep for many more letters than
 * parsed headers could be kept.
 */
import { type Address, decodeWords, type Headers, parseAddressList, parseDate } from '#lib/mime/mod.ts'
import { REFERENCES_MAX } from '../../limits.ts'
import { type LetterCache, LruLetterCache } from '../letter-cache.ts'
import { fold } from '../search/fold.ts'
import { ancestors, messageId } from '../thread/message-ids.ts'
import { baseSubject } from './base-subject.ts'

/** Texts are folded: as they are compared. */
export interface SortFields {
  /** Null: the sender gave no date that can be read; INTERNALDATE stands for it (RFC 5256 section 2.2). */
  readonly sentMs: number | null
  /** The base subject. */
  readonly subject: string
  readonly reply: boolean
  /** Local part of the first address, or the name of the first group. */
  readonly from: string
  readonly to: string
  readonly cc: string
  /** What a person sees of the first address (RFC 5957 section 3). */
  readonly displayFrom: string
  readonly displayTo: string
  /** Without angle brackets; empty if there is no proper one. */
  readonly messageId: string
  /** Ancestors, the oldest first: References, or else the first of In-Reply-To. */
  readonly references: readonly string[]
}

/** Of a letter whose bytes are gone. */
export const NO_FIELDS: SortFields = {
  sentMs: null,
  subject: '',
  reply: false,
  from: '',
  to: '',
  cc: '',
  displayFrom: '',
  displayTo: '',
  messageId: '',
  references: [],
}

export type SortFieldsCache = LetterCache<SortFields>

/** Of the object and its entry, beside what its texts have. */
const ENTRY_BYTES = 200

export class LruSortFieldsCache extends LruLetterCache<SortFields> {
  /** @param bytesMax About how much memory all of it takes. */
  constructor(bytesMax: number) {
    super({ weightMax: bytesMax, weigh: fieldBytes, heaviestPart: 64 })
  }
}

function fieldBytes(fields: SortFields, key: string): number {
  const texts = [fields.subject, fields.from, fields.to, fields.cc, fields.displayFrom, fields.displayTo]
  const chars = [...texts, fields.messageId, ...fields.references].reduce((sum, text) => sum + text.length + 16, 0)
  return ENTRY_BYTES + key.length + chars
}

export function sortFields(headers: Headers): SortFields {
  const [from] = parseAddressList(headers.first('from') ?? '')
  const [to] = parseAddressList(headers.first('to') ?? '')
  const [cc] = parseAddressList(headers.first('cc') ?? '')
  const { text, reply } = baseSubject(decodeWords(headers.first('subject') ?? ''))
  return {
    sentMs: parseDate(headers.first('date') ?? '')?.ms ?? null,
    subject: fold(text),
    reply,
    from: fold(from?.mailbox ?? ''),
    to: fold(to?.mailbox ?? ''),
    cc: fold(cc?.mailbox ?? ''),
    displayFrom: display(from),
    displayTo: display(to),
    messageId: messageId(headers),
    references: ancestors(headers).slice(-REFERENCES_MAX),
  }
}

function display(address: Address | undefined): string {
  if (address === undefined) return ''
  const { name, mailbox, host } = address
  const shown = name === null ? '' : decodeWords(name).trim()
  if (shown !== '') return fold(shown)
  const plain = decodeWords(mailbox ?? '')
  return fold(host === null || host === '' ? plain : `${plain}@${host}`)
}
