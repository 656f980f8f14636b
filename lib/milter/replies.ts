/** What a filter says: verdicts, changes to the message, signs of life; as packets and back. */
import { unreachable } from '#lib/errors/assert.ts'
import { MilterError, type Packet, packet, TextReader, texts, u32 } from './packets.ts'
import { ACTION } from './protocol.ts'

export type Verdict =
  | { readonly kind: 'continue' }
  /** No more of this message, or of this connection before MAIL, is to be shown. */
  | { readonly kind: 'accept' }
  /** `text`: the SMTP reply to give, without its code; null: the server's own words. */
  | { readonly kind: 'reject' | 'tempfail'; readonly reply: FilterReply | null }
  /** Accepted towards the sender and thrown away. */
  | { readonly kind: 'discard' }
  /** No more of the body is to be shown; the end of the message is. */
  | { readonly kind: 'skip' }

export interface FilterReply {
  /** 400 to 599. */
  readonly code: number
  /** Lines of the reply, each with its enhanced code if it has one. */
  readonly lines: readonly string[]
}

export type Edit =
  | { readonly kind: 'add-header'; readonly name: string; readonly value: string }
  /** `index`: 0 is before all others. */
  | { readonly kind: 'insert-header'; readonly index: number; readonly name: string; readonly value: string }
  /** `index`: the n-th header of this name, from 1. An empty value deletes it. */
  | { readonly kind: 'change-header'; readonly index: number; readonly name: string; readonly value: string }
  | { readonly kind: 'change-sender'; readonly path: string; readonly parameters: string | null }
  | { readonly kind: 'add-recipient'; readonly path: string; readonly parameters: string | null }
  | { readonly kind: 'delete-recipient'; readonly path: string }
  /** The next piece of a new body: the pieces together replace the old one. */
  | { readonly kind: 'replace-body'; readonly piece: Buffer }
  | { readonly kind: 'quarantine'; readonly reason: string }

export type FilterMessage =
  | { readonly kind: 'negotiate'; readonly data: Buffer }
  | { readonly kind: 'verdict'; readonly verdict: Verdict }
  | { readonly kind: 'edit'; readonly edit: Edit }
  /** Still at work. */
  | { readonly kind: 'progress' }
  /** The connection of the client is to be closed with 421. */
  | { readonly kind: 'shutdown' }

/** The action that has to be agreed for an edit. */
export function actionFor(edit: Edit): number {
  switch (edit.kind) {
    case 'add-header':
      return ACTION.addHeader
    case 'insert-header':
      return ACTION.addHeader
    case 'change-header':
      return ACTION.changeHeader
    case 'change-sender':
      return ACTION.changeSender
    case 'add-recipient':
      return edit.parameters === null ? ACTION.addRecipient : ACTION.addRecipientWithParameters
    case 'delete-recipient':
      return ACTION.deleteRecipient
    case 'replace-body':
      return ACTION.replaceBody
    case 'quarantine':
      return ACTION.quarantine
    default:
      return unreachable(edit)
  }
}

/** Bytes that the host has to keep for an edit. */
export function editBytes(edit: Edit): number {
  switch (edit.kind) {
    case 'add-header':
    case 'insert-header':
    case 'change-header':
      return edit.name.length + edit.value.length
    case 'change-sender':
    case 'add-recipient':
      return edit.path.length + (edit.parameters?.length ?? 0)
    case 'delete-recipient':
      return edit.path.length
    case 'replace-body':
      return edit.piece.length
    case 'quarantine':
      return edit.reason.length
    default:
      return unreachable(edit)
  }
}

export const PROGRESS = packet('p')

export function encodeVerdict(verdict: Verdict): Buffer {
  switch (verdict.kind) {
    case 'continue':
      return packet('c')
    case 'accept':
      return packet('a')
    case 'discard':
      return packet('d')
    case 'skip':
      return packet('s')
    case 'reject':
    case 'tempfail':
      if (verdict.reply === null) return packet(verdict.kind === 'reject' ? 'r' : 't')
      return packet('y', texts(replyText(verdict.reply)))
    default:
      return unreachable(verdict)
  }
}

function replyText({ code, lines }: FilterReply): string {
  const last = lines.length - 1
  return lines.map((line, i) => `${code}${i < last ? '-' : ' '}${line.replace(/[\r\n]+/g, ' ')}`).join('\r\n')
}

export function encodeEdit(edit: Edit): Buffer {
  switch (edit.kind) {
    case 'add-header':
      return packet('h', texts(edit.name, edit.value))
    case 'insert-header':
      return packet('i', u32(edit.index), texts(edit.name, edit.value))
    case 'change-header':
      return packet('m', u32(edit.index), texts(edit.name, edit.value))
    case 'change-sender':
      return packet('e', texts(edit.path, ...(edit.parameters === null ? [] : [edit.parameters])))
    case 'add-recipient':
      return edit.parameters === null ? packet('+', texts(edit.path)) : packet('2', texts(edit.path, edit.parameters))
    case 'delete-recipient':
      return packet('-', texts(edit.path))
    case 'replace-body':
      return packet('b', edit.piece)
    case 'quarantine':
      return packet('q', texts(edit.reason))
    default:
      return unreachable(edit)
  }
}

const PLAIN_VERDICTS: Readonly<Record<string, Verdict>> = {
  c: { kind: 'continue' },
  a: { kind: 'accept' },
  d: { kind: 'discard' },
  s: { kind: 'skip' },
  r: { kind: 'reject', reply: null },
  t: { kind: 'tempfail', reply: null },
  // libmilter's own word for "cannot go on": the connection fails as with a dead filter.
  f: { kind: 'tempfail', reply: null },
}

/** @throws {MilterError} MILTER_MALFORMED */
export function decodeReply({ letter, data }: Packet): FilterMessage {
  const plain = PLAIN_VERDICTS[letter]
  if (plain !== undefined) return { kind: 'verdict', verdict: plain }
  switch (letter) {
    case 'O':
      return { kind: 'negotiate', data }
    case 'p':
      return { kind: 'progress' }
    case '4':
      return { kind: 'shutdown' }
    case 'y':
      return { kind: 'verdict', verdict: decodeReplyCode(new TextReader(data).text()) }
    default:
      return { kind: 'edit', edit: decodeEdit(letter, data) }
  }
}

/** RFC 5321 section 4.2: the code, a separator, text, on each line. */
const REPLY_LINE = /^([45][0-9]{2})(?:[ -]([\x20-\x7e\t\x80-\xff]*))?$/

function decodeReplyCode(text: string): Verdict {
  let code = ''
  const lines: string[] = []
  for (const line of text.split(/\r?\n/)) {
    const match = REPLY_LINE.exec(line)
    const said = match?.[1] ?? ''
    if (match === null || (code !== '' && said !== code)) {
      throw new MilterError('MILTER_MALFORMED', `Cannot use ${JSON.stringify(line)} as an SMTP reply`)
    }
    code = said
    lines.push(match[2] ?? '')
  }
  return { kind: code.startsWith('4') ? 'tempfail' : 'reject', reply: { code: Number(code), lines } }
}

function decodeEdit(letter: string, data: Buffer): Edit {
  const reader = new TextReader(data)
  switch (letter) {
    case 'h': {
      const name = reader.text()
      return { kind: 'add-header', name, value: reader.text() }
    }
    case 'i':
    case 'm': {
      const index = reader.u32()
      const name = reader.text()
      return { kind: letter === 'i' ? 'insert-header' : 'change-header', index, name, value: reader.text() }
    }
    case 'e':
    case '2': {
      const path = reader.text()
      const parameters = reader.atEnd ? null : reader.text()
      return { kind: letter === 'e' ? 'change-sender' : 'add-recipient', path, parameters }
    }
    case '+':
      return { kind: 'add-recipient', path: reader.text(), parameters: null }
    case '-':
      return { kind: 'delete-recipient', path: reader.text() }
    case 'b':
      return { kind: 'replace-body', piece: data }
    case 'q':
      return { kind: 'quarantine', reason: reader.text() }
    default:
      throw new MilterError('MILTER_MALFORMED', `Cannot understand reply ${JSON.stringify(letter)}`)
  }
}
