/**
 * The parts of APPEND CATENATE (RFC 4469) as bytes: text that the client sends, and parts of messages that are here already. What
 * they are together is no larger than a letter may be, and is known before it is read.
 */
import { toUid } from '#lib/mail/types.ts'
import type { ImapAccount, MessageBytes } from '../store.ts'
import type { Literal } from '../syntax/command-reader.ts'
import { type MessageUrl, messageUrl } from '../syntax/imap-url.ts'
import type { SessionContext } from './context.ts'
import { chosenFields } from './fetch-response.ts'
import { MessageReader } from './message-reader.ts'
import { no, type Outcome } from './outcome.ts'

export type CatenatePart =
  | { readonly kind: 'text'; readonly literal: Literal }
  | { readonly kind: 'url'; readonly url: string }

/** The pieces of the letter, or why there is none. */
export async function catenated(session: SessionContext, parts: readonly CatenatePart[]): Promise<Buffer[] | Outcome> {
  const { appendLimitBytes } = session.account
  const pieces: Buffer[] = []
  let sizeBytes = 0
  for (const part of parts) {
    const more =
      part.kind === 'text' ? part.literal.pieces : await named(session, part.url, appendLimitBytes - sizeBytes)
    if (more === null) return badUrl(part.kind === 'url' ? part.url : '')
    for (const piece of more) {
      sizeBytes += piece.length
      pieces.push(piece)
    }
    if (sizeBytes > appendLimitBytes) return no('TOOBIG', `Message is larger than ${appendLimitBytes} bytes`)
  }
  return pieces
}

/** RFC 4469 section 4. */
function badUrl(url: string): Outcome {
  const shown = /^[\x21-\x5c\x5e-\x7e]{1,500}$/.test(url) ? ` ${url}` : ''
  return no(`BADURL${shown}`, 'The URL names nothing that is here')
}

/** What `text` names. Null: nothing. More than `bytesMax` is not read on: one byte more shows it. */
async function named(session: SessionContext, text: string, bytesMax: number): Promise<readonly Buffer[] | null> {
  const url = messageUrl(text)
  if (url === null) return null
  return withMessage(session, url, async (bytes, emailId) => {
    const reader = new MessageReader(bytes, session.structureKey(emailId), session.host)
    const range = await reader.range(url.section)
    if (range === null) return null
    const { part } = url.section
    const fields =
      part.kind === 'fields' || part.kind === 'fields-not' ? chosenFields(part, await reader.block(range)) : null
    const sizeBytes = fields === null ? range.end - range.start : fields.length
    const start = Math.min(sizeBytes, url.partial?.offset ?? 0)
    const end = Math.min(sizeBytes, start + Math.min(url.partial?.length ?? sizeBytes, bytesMax + 1))
    if (fields !== null) return [fields.subarray(start, end)]
    return Array.fromAsync(reader.chunks({ start: range.start + start, end: range.start + end }))
  })
}

/** Opens the message that `url` names for as long as `use` takes. */
async function withMessage<T>(
  { account, selected }: SessionContext,
  url: MessageUrl,
  use: (bytes: MessageBytes, emailId: string) => Promise<T | null>,
): Promise<T | null> {
  const store = url.mailbox === null ? (selected?.store ?? null) : await openByName(account, url.mailbox)
  if (store === null) return null
  try {
    if (url.uidValidity !== null && url.uidValidity !== store.info.uidValidity) return null
    const uid = toUid(url.uid)
    const [facts] = store.facts([uid])
    const bytes = store.message(uid)
    return facts === undefined || bytes === null ? null : await use(bytes, facts.emailId)
  } finally {
    if (url.mailbox !== null) store.close()
  }
}

async function openByName(account: ImapAccount, name: string) {
  const info = account.find(name)
  return info === null ? null : account.open(info.id, true, () => undefined)
}
