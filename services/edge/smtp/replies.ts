/**
 * Every reply of our own that an SMTP or LMTP client can get, in one table: code, enhanced status code (RFC 3463), text.
 * rules.md ("Delivery") says which decision has which code.
 */
import type { DeliveryOutcome, RecipientVerdict } from '#lib/frames/shard-protocol.ts'
import type { LineEndFault } from '#lib/letter/mod.ts'
import { type Reply, reply } from '#lib/smtp/mod.ts'

export const REPLIES = {
  tooManyConnections: reply(421, '4.7.0 Too many connections, try again later'),
  tooManyBadRecipients: reply(421, '4.7.0 Too many refused recipients, closing'),
  earlyTalker: reply(554, '5.5.1 You spoke before the greeting'),
  idle: reply(421, '4.4.2 Idle for too long, closing'),
  stopping: reply(421, '4.3.2 Server is shutting down'),

  senderNeedsUtf8: reply(553, '5.6.7 Addresses beyond ASCII are not supported'), // RFC 6531 section 3.5
  authorNotOwned: reply(550, '5.7.1 The address in From belongs to somebody else here'),
  senderNotOwned: reply(553, '5.7.1 This sender address does not belong to your account'),

  unknownAddress: reply(550, '5.1.1 No such address here'),
  relayDenied: reply(550, '5.7.1 Relaying denied: the domain is not served here'),
  addressLiteral: reply(550, '5.1.2 Mail for an address in brackets is not sent on'),
  recipientSyntax: reply(553, '5.1.3 This recipient address cannot be used'),
  oneForNullSender: reply(452, '4.5.3 The null sender may have one recipient in a transaction'),
  oneShardOnly: reply(452, '4.5.3 Send this recipient in another transaction'), // RFC 5321 section 4.5.3.1.10
  groupNotAllowed: reply(550, '5.7.2 You may not write to this group'), // RFC 3463 section 3.8
  groupTooLarge: reply(550, '5.2.4 This group has more members than a letter may have'), // RFC 3463 section 3.3
  groupLater: reply(452, '4.5.3 Send this group in another transaction'),
  groupEmpty: reply(550, '5.2.4 This group has nobody who can get mail'),
  directoryAway: reply(451, '4.4.3 The directory cannot be reached, try again later'),
  shardAway: reply(451, '4.3.0 The mailbox cannot be reached, try again later'),
  noPostmaster: reply(451, '4.3.5 No mailbox is set up for this address yet'),
  accountSuspended: reply(550, '5.2.1 This account is suspended'),
  overQuota: reply(452, '4.2.2 The mailbox is full'),
  tooLargeForAccount: reply(552, '5.2.3 The letter is larger than this mailbox takes'),

  sendingLimit: reply(452, '4.7.1 Your account has reached its limit of recipients outside, try again later'),
  tooLarge: reply(552, '5.3.4 The letter is too large'),
  noRoom: reply(452, '4.3.1 No room for more letters now, try again later'),
  loop: reply(554, '5.4.6 Too many hops: this letter goes round in circles'),
  fromMissing: reply(550, '5.6.0 The letter has no From field'),
  undelivered: reply(451, '4.3.0 The letter could not be stored, try again later'),

  loginFailed: reply(535, '5.7.8 Login failed'),
  loginSuspended: reply(535, '5.7.13 This account is suspended'), // RFC 5248 section 2.4
  loginAway: reply(454, '4.7.0 Cannot check the login now, try again later'), // RFC 4954 section 6
  tooManyLogins: reply(421, '4.7.0 Too many failed logins, closing'),
} as const satisfies Record<string, Reply>

const FAULTS: Record<LineEndFault, Reply> = {
  'bare-cr': reply(550, '5.6.0 The letter holds a CR without LF'),
  'bare-lf': reply(550, '5.6.0 The letter holds a LF without CR'),
  nul: reply(550, '5.6.0 The letter holds a NUL byte'),
}

export function faultReply(fault: LineEndFault): Reply {
  return FAULTS[fault]
}

export function accepted(traceId: string): Reply {
  return reply(250, `2.0.0 Accepted as ${traceId}`)
}

/** What RCPT is answered for a shard's verdict; null: accepted. `moved` must have been followed before. */
export function recipientReply(kind: RecipientVerdict['kind']): Reply | null {
  switch (kind) {
    case 'ok':
      return null
    case 'unknown':
      return REPLIES.unknownAddress
    case 'suspended':
      return REPLIES.accountSuspended
    case 'over-quota':
      return REPLIES.overQuota
    case 'too-large':
      return REPLIES.tooLargeForAccount
    case 'moved':
    case 'unavailable':
      return REPLIES.shardAway
    default:
      return kind satisfies never
  }
}

/** What one recipient's outcome means at the end of DATA; null: stored. */
export function outcomeReply(kind: DeliveryOutcome['kind']): Reply | null {
  switch (kind) {
    case 'stored':
    case 'queued':
      return null
    case 'rate-limited':
      return REPLIES.sendingLimit
    case 'unknown':
      return REPLIES.unknownAddress
    case 'suspended':
      return REPLIES.accountSuspended
    case 'no-room':
      return REPLIES.noRoom
    case 'over-quota':
      return REPLIES.overQuota
    case 'moved':
    case 'unavailable':
      return REPLIES.undelivered
    default:
      return kind satisfies never
  }
}

/**
 * One reply for all recipients of a transaction (SMTP has no other): null if all are stored, the common refusal if all
 * are refused in the same way, else 451. The client then repeats the letter; those who have it are known by delivery id,
 * and those who cannot get it are refused at RCPT, so that nobody is bounced who got the letter.
 */
export function transactionReply(outcomes: readonly DeliveryOutcome[]): Reply | null {
  const replies = outcomes.map((outcome) => outcomeReply(outcome.kind))
  const first = replies[0] ?? null
  return replies.every((other) => other === first) ? first : REPLIES.undelivered
}
