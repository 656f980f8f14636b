/**
 * What edge, provision and the command line say to a shard, and what it answers. One connection begins with `hello`;
 * its purpose decides the rest:
 *
 * - `rpc`: frames both ways, many requests at once, matched by request id.
 * - `session`: one `sessionOpen`, one `sessionOpened` or `refused`; after `sessionOpened` both directions are the raw bytes
 *   of the client's IMAP, POP3 or ManageSieve session.
 * - `replica`: from the other member only; one `replicaOpen`, one `done`, then the frames of replication.
 *
 * The shard is the only one who knows whether it may answer: every request can end in `refused` with `moved` (another shard
 * owns the account), `not-primary` or `unavailable`. No caller treats a cached route as the truth.
 */
import { ByteReader, BytesError } from '#lib/bytes/reader.ts'
import { ByteWriter } from '#lib/bytes/writer.ts'
import { type AccountId, type ShardName, toAccountId, toShardName } from '#lib/mail/types.ts'
import type { ChannelKind } from '#lib/ports/network.ts'

export type { AccountCommand, AccountResult } from './account-command.ts'

export const FrameType = {
  hello: 1,
  refused: 2,
  recipientsCheck: 10,
  recipientsVerdict: 11,
  deliverBegin: 12,
  deliverData: 13,
  deliverEnd: 14,
  deliverResult: 15,
  /** A `deliverBegin` with something for the queue before it; goes on and is answered like one, with one outcome more. */
  queueBegin: 16,
  /** `deliverBegin` and `deliverEnd` of a letter of which something goes to quarantine: a shard without one refuses them. */
  quarantineBegin: 17,
  quarantineEnd: 18,
  accountCommand: 20,
  accountResult: 21,
  statusQuery: 22,
  statusReport: 23,
  sessionsEnd: 24,
  done: 25,
  roleCommand: 26,
  roleResult: 27,
  sessionOpen: 30,
  sessionOpened: 31,
  replicaOpen: 40,
  queueTake: 50,
  queueItems: 51,
  queueRead: 52,
  queueBytes: 53,
  queueConfirm: 54,
  queueResult: 55,
  queueHolding: 56,
  queueOrder: 57,
  queueReport: 58,
  quarantineOrder: 80,
  quarantineReport: 81,
  explainQuery: 82,
  explainReport: 83,
  moveOrder: 60,
  moveReport: 61,
  moveAsk: 62,
  moveAnswer: 63,
  /** Bytes of a copy; the last of them come with `moveEnd`, which is answered. */
  moveData: 64,
  moveEnd: 65,
} as const
export type FrameType = (typeof FrameType)[keyof typeof FrameType]

export type Purpose = 'rpc' | 'session' | 'replica'

export interface Hello {
  readonly purpose: Purpose
  /** The shard that the caller means; a process that serves another one refuses. */
  readonly shard: ShardName
  /** Process that calls, for logs: `edge n1-0`. Authority comes from the certificate or the socket's folder, never from here. */
  readonly caller: string
}

export type RefusalReason =
  /** Another shard owns the account: `target` names it if known. */
  | 'moved'
  /** This replica is not the primary: `target` is the address of the one that is, if known. */
  | 'not-primary'
  /** Try again later: starting, draining, disk full, too many sessions. */
  | 'unavailable'
  | 'unknown-account'
  | 'suspended'
  | 'forbidden'
  | 'malformed'
  /** Another POP3 session holds the maildrop (RFC 2449 [IN-USE]). */
  | 'in-use'
  /** The account or the process has too many sessions. */
  | 'limit'

export interface Refusal {
  readonly reason: RefusalReason
  readonly message: string
  readonly target: string | null
}

export interface RecipientQuery {
  readonly account: AccountId
  /** RFC 1870 SIZE, 0 if not given. */
  readonly sizeBytes: number
}

/** `over-quota` is 452 4.2.2, `too-large` 552 5.2.3, `suspended` 550 5.2.1, `moved` asks again at the target, `unavailable` is 451. */
export type RecipientVerdict =
  | { readonly kind: 'ok' | 'unknown' | 'suspended' | 'over-quota' | 'too-large' | 'unavailable' }
  | { readonly kind: 'moved'; readonly target: string }

export interface DeliveryRecipient {
  readonly account: AccountId
  /** Made by the edge per transaction and recipient; the same one on every retry (replication.md rule 7). 16 bytes. */
  readonly deliveryId: Uint8Array
  /**
   * Mailbox name, or a special use as `\Junk` (RFC 6154); `INBOX` unless a subaddress or policy says otherwise. A missing one
   * falls back to INBOX.
   */
  readonly mailbox: string
  /** Return-Path, Received, Delivered-To and so on, with CRLF line ends, no empty line. Served before the body. */
  readonly headerBlock: Uint8Array
}

export interface DeliverBegin {
  /** The id by which a letter can be traced through all logs. */
  readonly traceId: string
  readonly reversePath: string
  /** Submitted by a user of ours: durability follows `users`, else `inbound` (replication.md rule 12). */
  readonly fromUser: boolean
  readonly recipients: readonly DeliveryRecipient[]
  /** First bytes of the body; the rest comes in `deliverData`. */
  readonly body: Uint8Array
  /** True when `body` is all of it: no `deliverData`, no `deliverEnd`. */
  readonly complete: boolean
}

/** Per recipient, in the order of the request. `duplicate` means: stored by an earlier try with this delivery id. */
export type DeliveryOutcome =
  | { readonly kind: 'stored'; readonly uid: number; readonly duplicate: boolean }
  /** `no-room`: the disk of a member is nearly full. */
  | { readonly kind: 'unknown' | 'suspended' | 'over-quota' | 'unavailable' | 'no-room' }
  /** Of what is queued: taken, or more than the account may send for now. */
  | { readonly kind: 'queued' | 'rate-limited' }
  | { readonly kind: 'moved'; readonly target: string }

export type SessionProtocol = 'imap' | 'pop3' | 'managesieve'

export interface SessionOpen {
  readonly protocol: SessionProtocol
  readonly account: AccountId
  /** The name the client logged in with, for the log. */
  readonly login: string
  /** Unique per client connection, the same in edge and shard logs. */
  readonly sessionId: string
  readonly clientAddress: string
  readonly clientPort: number
  /** `TLSv1.3 TLS_AES_256_GCM_SHA384`, or null for a connection without TLS. */
  readonly tls: string | null
  /**
   * What the client said of itself before login, as key, value, key, value: RFC 2971 ID parameters of an IMAP client, of a POP3
   * client what `pop3ClientFacts` makes. A shard passes over what it does not know.
   */
  readonly clientId: readonly string[]
  /** Absent: mailboxes are not shared. A shard of before cannot read it: an edge says it only where it is told that mailboxes are shared. */
  readonly identity?: SessionIdentity | undefined
}

/** Under which names others have shared mailboxes with an account. */
export interface SessionIdentity {
  /** The primary address. */
  readonly address: string
  /** All addresses, the primary one too. */
  readonly addresses: readonly string[]
}

/** What a POP3 session must know of its login. */
export interface Pop3ClientFacts {
  /** The client said UTF8 (RFC 6856 section 2.1). */
  readonly utf8: boolean
  /** As the edge announces it (RFC 2449 section 6.5); 0: none. */
  readonly loginDelaySeconds: number
}

const UTF8 = 'utf8'
const LOGIN_DELAY = 'login-delay'

/** As `clientId` carries them. */
export function pop3ClientFacts({ utf8, loginDelaySeconds }: Pop3ClientFacts): string[] {
  return [...(utf8 ? [UTF8, ''] : []), ...(loginDelaySeconds > 0 ? [LOGIN_DELAY, String(loginDelaySeconds)] : [])]
}

/** @param clientId Of a POP3 session. */
export function readPop3ClientFacts(clientId: readonly string[]): Pop3ClientFacts {
  const value = (key: string) => {
    const at = clientId.findIndex((text, i) => i % 2 === 0 && text === key)
    return at < 0 ? null : (clientId[at + 1] ?? null)
  }
  const seconds = Number(value(LOGIN_DELAY) ?? 0)
  return { utf8: value(UTF8) !== null, loginDelaySeconds: Number.isSafeInteger(seconds) ? Math.max(0, seconds) : 0 }
}

export interface SessionOpened {
  /** Capability line of the session after login, without the word CAPABILITY; the edge puts it into its tagged OK. */
  readonly capabilities: string
}

function reading<T>(payload: Uint8Array, read: (from: ByteReader) => T): T {
  const from = new ByteReader(payload)
  const value = read(from)
  from.end()
  return value
}

const PURPOSES: readonly Purpose[] = ['rpc', 'session', 'replica']
const REASONS: readonly RefusalReason[] = [
  'moved',
  'not-primary',
  'unavailable',
  'unknown-account',
  'suspended',
  'forbidden',
  'malformed',
  'in-use',
  'limit',
]
const VERDICTS: readonly RecipientVerdict['kind'][] = [
  'ok',
  'unknown',
  'suspended',
  'over-quota',
  'too-large',
  'unavailable',
  'moved',
]
const OUTCOMES: readonly DeliveryOutcome['kind'][] = [
  'stored',
  'unknown',
  'suspended',
  'over-quota',
  'unavailable',
  'moved',
  'no-room',
  'queued',
  'rate-limited',
]
const PROTOCOLS: readonly SessionProtocol[] = ['imap', 'pop3', 'managesieve']

/** One word of a closed list as its index: the lists only ever grow at the end. */
function writeWord<T extends string>(to: ByteWriter, words: readonly T[], word: T): void {
  to.u8(words.indexOf(word))
}

function readWord<T extends string>(from: ByteReader, words: readonly T[]): T {
  const index = from.u8()
  const word = words[index]
  if (word === undefined) throw new BytesError('BYTES_MALFORMED', `Cannot read word ${index} of ${words.join('|')}`)
  return word
}

export function encodeHello(hello: Hello): Buffer {
  const to = new ByteWriter(64)
  writeWord(to, PURPOSES, hello.purpose)
  return to.string(hello.shard).string(hello.caller).finish()
}

export function decodeHello(payload: Uint8Array): Hello {
  return reading(payload, (from) => ({
    purpose: readWord(from, PURPOSES),
    shard: toShardName(from.string()),
    caller: from.string(),
  }))
}

export function encodeRefusal(refusal: Refusal): Buffer {
  const to = new ByteWriter(64)
  writeWord(to, REASONS, refusal.reason)
  to.string(refusal.message)
  to.optional(refusal.target, (target) => to.string(target))
  return to.finish()
}

export function decodeRefusal(payload: Uint8Array): Refusal {
  return reading(payload, (from) => ({
    reason: readWord(from, REASONS),
    message: from.string(),
    target: from.optional(() => from.string()),
  }))
}

export function encodeRecipientsCheck(queries: readonly RecipientQuery[]): Buffer {
  const to = new ByteWriter(64)
  to.list(queries, (query) => to.string(query.account).varint(query.sizeBytes))
  return to.finish()
}

export function decodeRecipientsCheck(payload: Uint8Array): RecipientQuery[] {
  return reading(payload, (from) =>
    from.list(() => ({ account: toAccountId(from.string()), sizeBytes: from.varint() })),
  )
}

export function encodeRecipientsVerdict(verdicts: readonly RecipientVerdict[]): Buffer {
  const to = new ByteWriter(64)
  to.list(verdicts, (verdict) => {
    writeWord(to, VERDICTS, verdict.kind)
    if (verdict.kind === 'moved') to.string(verdict.target)
  })
  return to.finish()
}

export function decodeRecipientsVerdict(payload: Uint8Array): RecipientVerdict[] {
  return reading(payload, (from) =>
    from.list(() => {
      const kind = readWord(from, VERDICTS)
      return kind === 'moved' ? { kind, target: from.string() } : { kind }
    }),
  )
}

/** Everything of a `deliverBegin` before the body: send it and the body pieces as one frame. */
export function encodeDeliverBegin(begin: Omit<DeliverBegin, 'body'>): Buffer {
  const to = new ByteWriter(512)
  to.string(begin.traceId).string(begin.reversePath).bool(begin.fromUser)
  to.list(begin.recipients, (recipient) =>
    to.string(recipient.account).raw(recipient.deliveryId).string(recipient.mailbox).bytes(recipient.headerBlock),
  )
  return to.bool(begin.complete).finish()
}

export const DELIVERY_ID_BYTES = 16

/** The body is a view into `payload`. */
export function decodeDeliverBegin(payload: Uint8Array): DeliverBegin {
  const from = new ByteReader(payload)
  const traceId = from.string()
  const reversePath = from.string()
  const fromUser = from.bool()
  const recipients = from.list(() => ({
    account: toAccountId(from.string()),
    deliveryId: from.raw(DELIVERY_ID_BYTES),
    mailbox: from.string(),
    headerBlock: from.bytes(),
  }))
  const complete = from.bool()
  return { traceId, reversePath, fromUser, recipients, complete, body: from.raw(from.remaining) }
}

/** What is known of a recipient only when the whole letter has been seen. */
export type DeliveryAmendment = Pick<DeliveryRecipient, 'mailbox' | 'headerBlock'>

export interface DeliverEnd {
  readonly commit: boolean
  /** In the order of the request's recipients, or empty: as it was said at the beginning. */
  readonly amendments: readonly DeliveryAmendment[]
}

export function encodeDeliverEnd({ commit, amendments }: DeliverEnd): Buffer {
  const to = new ByteWriter(64).bool(commit)
  return to.list(amendments, ({ mailbox, headerBlock }) => to.string(mailbox).bytes(headerBlock)).finish()
}

export function decodeDeliverEnd(payload: Uint8Array): DeliverEnd {
  return reading(payload, (from) => ({
    commit: from.bool(),
    amendments: from.list(() => ({ mailbox: from.string(), headerBlock: from.bytes() })),
  }))
}

export function encodeDeliverResult(outcomes: readonly DeliveryOutcome[]): Buffer {
  const to = new ByteWriter(64)
  to.list(outcomes, (outcome) => {
    writeWord(to, OUTCOMES, outcome.kind)
    if (outcome.kind === 'stored') to.varint(outcome.uid).bool(outcome.duplicate)
    else if (outcome.kind === 'moved') to.string(outcome.target)
  })
  return to.finish()
}

export function decodeDeliverResult(payload: Uint8Array): DeliveryOutcome[] {
  return reading(payload, (from) =>
    from.list((): DeliveryOutcome => {
      const kind = readWord(from, OUTCOMES)
      if (kind === 'stored') return { kind, uid: from.varint(), duplicate: from.bool() }
      if (kind === 'moved') return { kind, target: from.string() }
      return { kind }
    }),
  )
}

export function encodeSessionOpen(open: SessionOpen): Buffer {
  const to = new ByteWriter(256)
  writeWord(to, PROTOCOLS, open.protocol)
  to.string(open.account).string(open.login).string(open.sessionId).string(open.clientAddress).varint(open.clientPort)
  to.optional(open.tls, (tls) => to.string(tls))
  to.list(open.clientId, (text) => to.string(text))
  if (open.identity !== undefined) {
    to.string(open.identity.address).list(open.identity.addresses, (text) => to.string(text))
  }
  return to.finish()
}

export function decodeSessionOpen(payload: Uint8Array): SessionOpen {
  return reading(payload, (from) => ({
    protocol: readWord(from, PROTOCOLS),
    account: toAccountId(from.string()),
    login: from.string(),
    sessionId: from.string(),
    clientAddress: from.string(),
    clientPort: from.varint(),
    tls: from.optional(() => from.string()),
    clientId: from.list(() => from.string()),
    ...(from.remaining === 0
      ? {}
      : { identity: { address: from.string(), addresses: from.list(() => from.string()) } }),
  }))
}

export function encodeSessionOpened(opened: SessionOpened): Buffer {
  return new ByteWriter(256).string(opened.capabilities).finish()
}

export function decodeSessionOpened(payload: Uint8Array): SessionOpened {
  return reading(payload, (from) => ({ capabilities: from.string() }))
}

/** `sessionsEnd`: closes every live session of the account (password changed, suspended). */
export function encodeSessionsEnd(account: AccountId, reason: string): Buffer {
  return new ByteWriter(64).string(account).string(reason).finish()
}

export function decodeSessionsEnd(payload: Uint8Array): { account: AccountId; reason: string } {
  return reading(payload, (from) => ({ account: toAccountId(from.string()), reason: from.string() }))
}

const CHANNEL_KINDS: readonly ChannelKind[] = ['data', 'beacon', 'bulk']

export function encodeReplicaOpen(kind: ChannelKind): Buffer {
  const to = new ByteWriter(1)
  writeWord(to, CHANNEL_KINDS, kind)
  return to.finish()
}

export function decodeReplicaOpen(payload: Uint8Array): ChannelKind {
  return reading(payload, (from) => readWord(from, CHANNEL_KINDS))
}
