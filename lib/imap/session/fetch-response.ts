/**
 * One FETCH response. What it says is worked out before its first byte is written, so that a failure leaves no half
 * response; only bodies longer than a chunk are read while they are written.
 */
import { type ByteRange, envelope, Headers } from '#lib/mime/mod.ts'
import { FETCH_CHUNK_BYTES } from '../limits.ts'
import { formatBody } from '../response/body-structure.ts'
import { formatEnvelope } from '../response/envelope.ts'
import { binaryString, quoteOrLiteral } from '../response/strings.ts'
import type { MessageFacts } from '../store.ts'
import { formatDateTime } from '../syntax/dates.ts'
import type { FetchItem } from '../syntax/fetch-items.ts'
import type { Partial, SectionPart } from '../syntax/section.ts'
import { BinaryPart } from './binary.ts'
import type { KnownHeader } from './header-cache.ts'
import type { MessageReader } from './message-reader.ts'
import type { Output } from './output.ts'
import { preview } from './preview.ts'
import type { SelectedMailbox } from './selected-mailbox.ts'
import { threadId } from './thread/thread-id.ts'

export type SectionItem = Extract<FetchItem, { kind: 'section' }>
type FieldsPart = Extract<SectionPart, { kind: 'fields' | 'fields-not' }>
type BinaryItem = Extract<FetchItem, { kind: 'binary' }>

const FACTS: ReadonlySet<FetchItem['kind']> = new Set([
  'flags',
  'uid',
  'internal-date',
  'size',
  'mod-seq',
  'email-id',
  'save-date',
])

/** Items that facts alone answer. */
export function isFact(item: FetchItem): boolean {
  return FACTS.has(item.kind)
}

/** Items that a parsed header answers. */
export function isOfHeader(item: FetchItem): boolean {
  return item.kind === 'envelope' || item.kind === 'thread-id'
}

function envelopeText(known: KnownHeader): string {
  known.envelope ??= formatEnvelope(envelope(known.headers))
  return `ENVELOPE ${known.envelope}`
}

function threadIdText(known: KnownHeader, { emailId }: MessageFacts): string {
  known.threadId ??= threadId(known.headers, emailId)
  return `THREADID (${known.threadId})`
}

/** `name value` of an item that needs no bytes. @param header Null: no item is of the header. */
function factText(item: FetchItem, facts: MessageFacts, mailbox: SelectedMailbox, header: KnownHeader | null): string {
  switch (item.kind) {
    case 'envelope':
      return header === null ? '' : envelopeText(header)
    case 'flags':
      return `FLAGS (${mailbox.flagText(facts)})`
    case 'uid':
      return `UID ${facts.uid}`
    case 'internal-date':
      return `INTERNALDATE ${formatDateTime(facts.internalDateMs)}`
    case 'size':
      return `RFC822.SIZE ${facts.sizeBytes}`
    case 'email-id':
      return `EMAILID (${facts.emailId})`
    case 'thread-id':
      return header === null ? '' : threadIdText(header, facts)
    case 'save-date':
      return `SAVEDATE ${formatDateTime(facts.saveDateMs)}`
    case 'mod-seq':
      return `MODSEQ (${facts.modSeq})`
    default:
      return ''
  }
}

/** A body that follows a text. */
interface Body {
  readonly sizeBytes: number
  /** Its beginning, which is read before anything is written, or all of it. */
  readonly first: Buffer
  /** What comes after `first`. */
  readonly rest: AsyncIterable<Buffer> | null
  /** It may hold NUL. */
  readonly binary: boolean
}

type Piece = string | Body

/** Writes `* n FETCH (...)` for items that facts, and a header that is at hand, answer. */
export function writeFacts(
  out: Output,
  mailbox: SelectedMailbox,
  facts: MessageFacts,
  items: readonly FetchItem[],
  header: KnownHeader | null,
): void {
  let text = mailbox.fetchHead(facts.uid)
  let separator = ''
  for (const item of items) {
    text += separator + factText(item, facts, mailbox, header)
    separator = ' '
  }
  out.write(`${text})\r\n`)
}

/** Writes `* n FETCH (...)` for items of any kind. */
export async function writeFetch(
  out: Output,
  mailbox: SelectedMailbox,
  facts: MessageFacts,
  items: readonly FetchItem[],
  message: MessageReader,
): Promise<void> {
  const pieces: Piece[] = []
  for (const item of items) pieces.push(...(await itemPieces(item, facts, mailbox, message)))
  out.write(mailbox.fetchHead(facts.uid))
  let separator = ''
  for (const piece of pieces) {
    if (typeof piece === 'string') {
      out.write(separator + piece)
      separator = ' '
    } else await writeBody(out, piece)
  }
  out.write(')\r\n')
}

async function writeBody(out: Output, body: Body): Promise<void> {
  out.write(' ')
  out.beginLiteral(body.sizeBytes, body.binary)
  out.bytes(body.first)
  if (body.rest !== null) {
    for await (const chunk of body.rest) {
      await out.ready()
      if (out.abandoned) return
      out.bytes(chunk)
    }
  }
  out.endLiteral()
  await out.ready()
}

function bodyOf(bytes: Buffer, binary = false): Body {
  return { sizeBytes: bytes.length, first: bytes, rest: null, binary }
}

async function itemPieces(
  item: FetchItem,
  facts: MessageFacts,
  mailbox: SelectedMailbox,
  message: MessageReader,
): Promise<Piece[]> {
  switch (item.kind) {
    case 'envelope':
      return [envelopeText(await message.header())]
    case 'thread-id':
      return [threadIdText(await message.header(), facts)]
    case 'body':
      return [`BODY ${formatBody((await message.structure()).root, false)}`]
    case 'body-structure':
      return [`BODYSTRUCTURE ${formatBody((await message.structure()).root, true)}`]
    case 'section':
      return sectionPieces(item, message)
    case 'binary':
      return binaryPieces(item, message)
    case 'binary-size':
      return [`${item.label} ${(await BinaryPart.open(message, item.section))?.sizeBytes ?? 0}`]
    case 'preview':
      return [`PREVIEW ${quoteOrLiteral(binaryString(await preview(message)))}`]
    default:
      return [factText(item, facts, mailbox, null)]
  }
}

async function sectionPieces(item: SectionItem, message: MessageReader): Promise<Piece[]> {
  const label = item.partial === null ? item.label : `${item.label}<${item.partial.offset}>`
  const range = await message.range(item.section)
  if (range === null) return [`${label} NIL`]
  const { part } = item.section
  if (part.kind === 'fields' || part.kind === 'fields-not') {
    return [label, bodyOf(cut(chosenFields(part, await message.block(range)), item.partial))]
  }
  const { start, end } = narrow(range, item.partial)
  const first = await message.read(start, Math.min(end - start, FETCH_CHUNK_BYTES))
  const next = start + first.length
  const rest = next < end ? message.chunks({ start: next, end }) : null
  return [label, { sizeBytes: end - start, first, rest, binary: false }]
}

/** What BODY[HEADER.FIELDS (...)] gives of a header block. */
export function chosenFields(part: FieldsPart, block: Buffer): Buffer {
  const headers = new Headers(block)
  return part.kind === 'fields' ? headers.pick(part.names) : headers.omit(part.names)
}

async function binaryPieces(item: BinaryItem, message: MessageReader): Promise<Piece[]> {
  const label = item.partial === null ? item.label : `${item.label}<${item.partial.offset}>`
  const part = await BinaryPart.open(message, item.section)
  if (part === null) return [`${label} NIL`]
  const { start, end } = narrow({ start: 0, end: part.sizeBytes }, item.partial)
  const bytes = part.bytes(start, end)
  const { value } = await bytes.next()
  return [label, { sizeBytes: end - start, first: value ?? EMPTY, rest: bytes, binary: part.hasNul }]
}

const EMPTY = Buffer.alloc(0)

/** RFC 9051 section 6.4.5: a partial that begins behind the end is empty, one that ends there is cut. */
function narrow(range: ByteRange, partial: Partial | null): ByteRange {
  if (partial === null) return range
  const start = Math.min(range.end, range.start + partial.offset)
  return { start, end: Math.min(range.end, start + partial.length) }
}

function cut(bytes: Buffer, partial: Partial | null): Buffer {
  return partial === null ? bytes : bytes.subarray(partial.offset, partial.offset + partial.length)
}
