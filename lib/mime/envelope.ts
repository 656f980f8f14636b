/** IMAP's ENVELOPE (RFC 9051 section 7.5.2) out of a message's header. */
import { parseAddressList } from './address.ts'
import { Budget } from './budget.ts'
import type { Headers } from './headers.ts'
import type { Address, Envelope } from './types.ts'

/** @param budget Where the addresses are counted. */
export function envelope(headers: Headers, budget = new Budget()): Envelope {
  const one = (name: string) => parseAddressList(headers.first(name) ?? '', budget)
  // RFC 5322 section 4.5: receivers take several destination fields as one
  const every = (name: string): Address[] => headers.all(name).flatMap((value) => parseAddressList(value, budget))
  const from = one('from')
  const sender = one('sender')
  const replyTo = one('reply-to')
  return {
    date: headers.first('date'),
    subject: headers.first('subject'),
    from,
    sender: sender.length > 0 ? sender : from,
    replyTo: replyTo.length > 0 ? replyTo : from,
    to: every('to'),
    cc: every('cc'),
    bcc: every('bcc'),
    inReplyTo: headers.first('in-reply-to'),
    messageId: headers.first('message-id'),
  }
}
