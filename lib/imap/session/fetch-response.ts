/**
 * One FETCH response. What it says is worked out before its first byte is written, so that a failure leaves no half
 * response; only bodies longer than a chunk are read while they are written.
 */
import { type ByteRange, envelope, Headers } from '#lib/mime/mod.ts'
import { FETCH_CHUNK_BYTES } from '../limits.ts'
import { formatBody } from '../response/body-structure.ts'
import { formatEnvelope } from '../response/envelope.ts'
import type { MessageFacts } from '../store.ts'
import { formatDateTime } from '../syntax/dates.ts'
import type { FetchItem } from '../syntax/fetch-items.ts'
import type { Partial } from '../syntax/section.ts'
import type { KnownHeader } from './header-cache.ts'
import type { MessageReader } from './message-reader.ts'
import type { Output } from './output.ts'
import type { SelectedMailbox } from './selected-mailbox.ts'

export type SectionItem = Extract<FetchItem, { kind: 'section' }>

/** Items that facts alone answer. */
export function isFact(item: FetchItem): boolean {
  return item.kind === 'flags' || item.kind === 'uid' || item.kind === 'internal-date' || item.kind === 'size'
}

/** Items that a parsed header answers. */
export function isOfHeader(item: FetchItem): boolean {
  return item.kind === 'envelope'
}

function envelopeText(known: KnownHeader): string {
  known.envelope ??= formatEnvelope(envelope(known.headers))
  return `ENVELOPE ${known.envelope}`
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
    default:
      return ''
  }
}

/** A body that follows a text: all of it in `bytes`, or beginning with it. */
interface Body {
  readonly bytes: Buffer
  /** What of the message comes after `bytes`; null if that is all. */
  readonly more: ByteRange | null
}

type Piece = string | Body

/** Writes `* n FETCH (...)` for items that facts, and a header that is at hand, answer. */
export function writeFacts(
  out: Output,
  mailbox: SelectedMailbox,
  sequence: number,
  facts: MessageFacts,
  items: readonly FetchItem[],
  header: KnownHeader | null,
): void {
  let text = `* ${sequence} FETCH (`
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
  sequence: number,
  facts: MessageFacts,
  items: readonly FetchItem[],
  message: MessageReader,
): Promise<void> {
  const pieces: Piece[] = []
  for (const item of items) pieces.push(...(await itemPieces(item, facts, mailbox, message)))
  out.write(`* ${sequence} FETCH (`)
  let separator = ''
  for (const piece of pieces) {
    if (typeof piece === 'string') {
      out.write(separator + piece)
      separator = ' '
    } else await writeBody(out, piece, message)
  }
  out.write(')\r\n')
}

async function writeBody(out: Output, body: Body, message: MessageReader): Promise<void> {
  const rest = body.more === null ? 0 : body.more.end - body.more.start
  out.write(' ')
  out.beginLiteral(body.bytes.length + rest)
  out.bytes(body.bytes)
  if (body.more !== null) {
    for await (const chunk of message.chunks(body.more)) {
      await out.ready()
      if (out.abandoned) return
      out.bytes(chunk)
    }
  }
  out.endLiteral()
  await out.ready()
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
    case 'body':
      return [`BODY ${formatBody((await message.structure()).root, false)}`]
    case 'body-structure':
      return [`BODYSTRUCTURE ${formatBody((await message.structure()).root, true)}`]
    case 'section':
      return sectionPieces(item, message)
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
    const headers = new Headers(await message.block(range))
    const bytes = part.kind === 'fields' ? headers.pick(part.names) : headers.omit(part.names)
    return [label, { bytes: cut(bytes, item.partial), more: null }]
  }
  const { start, end } = narrow(range, item.partial)
  const first = Math.min(end, start + FETCH_CHUNK_BYTES)
  const bytes = await message.read(start, first - start)
  return [label, { bytes, more: first < end ? { start: first, end } : null }]
}

/** RFC 9051 section 6.4.5: a partial that begins behind the end is empty, one that ends there is cut. */
function narrow(range: ByteRange, partial: Partial | null): ByteRange {
  if (partial === null) return range
  const start = Math.min(range.end, range.start + partial.offset)
  return { start, end: Math.min(range.end, start + partial.length) }
}

function cut(bytes: Buffer, partial: Partial | null): Buffer {
  return partial === null ? bytes : bytes.subarray(partial.offset, partial.offset + partial.length)
}
