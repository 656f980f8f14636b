/**
 * Binary form of the facts in `types.ts`: the `meta` of a log record. First byte: version of the encoding (1), then the
 * fields in the order of the interfaces; lists of UIDs as ranges (`uid-ranges.ts`), dates zigzag, ids as text.
 *
 * Decoding is strict: what it accepts is exactly what some `encodeRecord` wrote, everything else is a BytesError. A type
 * that this binary does not know is an error too, never skipped: an index without it would be wrong.
 */
import { ByteReader, BytesError } from '#lib/bytes/reader.ts'
import { ByteWriter } from '#lib/bytes/writer.ts'
import { toLsn, ValueError } from '#lib/mail/types.ts'
import { isMoveType, readMoveFields, writeMoveFields } from './move-codec.ts'
import {
  account,
  bool,
  DELIVERY_ID_BYTES,
  date,
  mailbox,
  malformed,
  modSeq,
  optional,
  readBodyReference,
  readFlags,
  readNewMailbox,
  readNewMessage,
  readQueuedRecipient,
  word,
  writeFlags,
  writeNewMailbox,
  writeNewMessage,
  writeQueuedRecipient,
  zigzag,
} from './parts.ts'
import { type Body, type QueueKind, type QueueOutcome, RecordType, type ShardRecord } from './types.ts'
import { readUids, writeUids } from './uid-ranges.ts'

export const RECORD_ENCODING_VERSION = 1
const SHA256_BYTES = 32
const QUEUE_KINDS: readonly QueueKind[] = ['submission', 'notification', 'transit']
const QUEUE_OUTCOMES: readonly QueueOutcome[] = ['delivered', 'failed', 'expired', 'dropped', 'moved']
const RETURNS = ['FULL', 'HDRS'] as const

/** The meta bytes of `record`. Its `type` is not in them: it is the type of the log record. */
export function encodeRecord(record: ShardRecord): Buffer {
  const to = new ByteWriter(128)
  to.u8(RECORD_ENCODING_VERSION)
  writeFields(to, record)
  return to.finish()
}

/** Header blocks are views into `meta`. @throws {BytesError} if `meta` is not exactly one fact of this type */
export function decodeRecord(type: number, meta: Uint8Array): ShardRecord | Body {
  const from = new ByteReader(meta)
  try {
    const version = from.u8()
    if (version !== RECORD_ENCODING_VERSION) throw malformed(`a record of encoding version ${version}`)
    const record = readFields(from, type)
    from.end()
    return record
  } catch (error) {
    if (error instanceof ValueError) throw new BytesError('BYTES_MALFORMED', error.message, { cause: error })
    throw error
  }
}

/** Meta of `body` and `bodyChunk` records: they carry bytes and no fact. */
export const BODY_META: Uint8Array = Uint8Array.of(RECORD_ENCODING_VERSION)

/** What the last chunk says about the whole letter. */
export interface BodyEnd {
  readonly sizeBytes: number
  /** SHA-256 of all bytes of the letter. */
  readonly sha256: Buffer
}

export function encodeBodyEnd(end: BodyEnd): Buffer {
  return new ByteWriter(48).u8(RECORD_ENCODING_VERSION).varint(end.sizeBytes).raw(end.sha256).finish()
}

/** @throws {BytesError} */
export function decodeBodyEnd(meta: Uint8Array): BodyEnd {
  const from = new ByteReader(meta)
  if (from.u8() !== RECORD_ENCODING_VERSION) throw malformed('a body end of this version')
  const end = { sizeBytes: from.varint(), sha256: from.raw(SHA256_BYTES) }
  from.end()
  return end
}

function writeFields(to: ByteWriter, record: ShardRecord): void {
  switch (record.type) {
    case RecordType.epochStart:
      to.string(record.replica).string(record.bootId)
      return
    case RecordType.recoveryJump:
      to.varint(record.uids).varint(record.modSeqs).varint(record.uidValidity)
      return
    case RecordType.accountOwn:
      to.string(record.account).varint(record.generation)
      to.optional(record.quotaBytes, (bytes) => to.varint(bytes))
      to.list(record.mailboxes, (mailbox) => writeNewMailbox(to, mailbox))
      to.varint(record.modSeq)
      return
    case RecordType.accountUpdate:
      to.string(record.account)
      to.optional(record.quotaBytes, (bytes) => to.varint(bytes))
      to.bool(record.suspended)
      return
    case RecordType.accountDelete:
      to.string(record.account)
      return
    case RecordType.mailboxCreate:
      to.string(record.account)
      to.list(record.mailboxes, (mailbox) => writeNewMailbox(to, mailbox))
      to.varint(record.modSeq)
      return
    case RecordType.mailboxRename:
      to.string(record.account)
      to.list(record.names, ({ id, name }) => to.string(id).string(name))
      to.list(record.created, (mailbox) => writeNewMailbox(to, mailbox))
      to.varint(record.modSeq)
      return
    case RecordType.mailboxDelete:
      to.string(record.account).string(record.mailbox).varint(record.modSeq)
      return
    case RecordType.mailboxSubscribe:
      to.string(record.account).string(record.name).bool(record.on)
      return
    case RecordType.mailboxRecent:
      to.string(record.account).string(record.mailbox).varint(record.upTo)
      return
    case RecordType.mailboxMetadata:
      to.string(record.account)
      to.optional(record.mailbox, (id) => to.string(id))
      to.list(record.entries, ({ name, value }) => {
        to.string(name)
        to.optional(value, (bytes) => to.bytes(bytes))
      })
      return
    case RecordType.messagesAdd:
      to.string(record.account).string(record.mailbox)
      to.list(record.messages, (message) => writeNewMessage(to, message))
      to.optional(record.deliveryId, (id) => to.raw(id))
      to.string(record.traceId)
      return
    case RecordType.messagesFlags:
      to.string(record.account).string(record.mailbox).varint(record.modSeq)
      to.list(record.changes, ({ uids, flags }) => {
        writeUids(to, uids)
        writeFlags(to, flags)
      })
      return
    case RecordType.messagesExpunge:
      to.string(record.account).string(record.mailbox).varint(record.modSeq)
      writeUids(to, record.uids)
      return
    case RecordType.messagesMove:
      to.string(record.account).string(record.source)
      writeUids(to, record.sourceUids)
      to.string(record.target)
      to.list(record.messages, (message) => writeNewMessage(to, message))
      to.varint(record.modSeq)
      return
    case RecordType.queueAdd:
      to.optional(record.account, (id) => to.string(id))
      to.u8(QUEUE_KINDS.indexOf(record.kind))
      to.string(record.reversePath).string(record.traceId)
      to.varint(zigzag(record.addedMs)).varint(zigzag(record.dueMs)).varint(zigzag(record.expiresMs))
      to.optional(record.deliveryId, (id) => to.raw(id))
      to.bool(record.eightBit).bool(record.smtpUtf8)
      to.optional(record.ret, (ret) => to.u8(RETURNS.indexOf(ret)))
      to.optional(record.envid, (envid) => to.string(envid))
      to.bytes(record.headerBlock)
      to.list(record.body.lsns, (lsn) => to.varint(lsn)).varint(record.body.sizeBytes)
      to.list(record.recipients, (recipient) => writeQueuedRecipient(to, recipient))
      return
    case RecordType.queueAttempt:
      to.varint(record.entry).varint(zigzag(record.atMs))
      to.list(record.places, (place) => to.varint(place))
      return
    case RecordType.queueDefer:
      to.varint(record.entry)
      to.list(record.recipients, ({ place, attempts, dueMs, held, warned, reply, remote }) =>
        to.varint(place).varint(attempts).varint(zigzag(dueMs)).bool(held).bool(warned).string(reply).string(remote),
      )
      return
    case RecordType.queueDone:
      to.varint(record.entry).varint(zigzag(record.atMs))
      to.list(record.recipients, ({ place, outcome, reply }) =>
        to.varint(place).u8(QUEUE_OUTCOMES.indexOf(outcome)).string(reply),
      )
      return
    default:
      writeMoveFields(to, record)
  }
}

function readFields(from: ByteReader, type: number): ShardRecord | Body {
  switch (type) {
    case RecordType.epochStart:
      return { type, replica: from.string(), bootId: from.string() }
    case RecordType.recoveryJump:
      return { type, uids: from.varint(), modSeqs: from.varint(), uidValidity: from.varint() }
    case RecordType.body:
    case RecordType.bodyChunk:
      return { type }
    case RecordType.bodyEnd:
      from.varint()
      from.raw(SHA256_BYTES)
      return { type }
    case RecordType.accountOwn:
      return {
        type,
        account: account(from),
        generation: from.varint(),
        quotaBytes: optional(from, () => from.varint()),
        mailboxes: from.list(() => readNewMailbox(from)),
        modSeq: modSeq(from),
      }
    case RecordType.accountUpdate:
      return {
        type,
        account: account(from),
        quotaBytes: optional(from, () => from.varint()),
        suspended: bool(from),
      }
    case RecordType.accountDelete:
      return { type, account: account(from) }
    case RecordType.mailboxCreate:
      return {
        type,
        account: account(from),
        mailboxes: from.list(() => readNewMailbox(from)),
        modSeq: modSeq(from),
      }
    case RecordType.mailboxRename:
      return {
        type,
        account: account(from),
        names: from.list(() => ({ id: mailbox(from), name: from.string() })),
        created: from.list(() => readNewMailbox(from)),
        modSeq: modSeq(from),
      }
    case RecordType.mailboxDelete:
      return { type, account: account(from), mailbox: mailbox(from), modSeq: modSeq(from) }
    case RecordType.mailboxSubscribe:
      return { type, account: account(from), name: from.string(), on: bool(from) }
    case RecordType.mailboxRecent:
      return { type, account: account(from), mailbox: mailbox(from), upTo: from.varint() }
    case RecordType.mailboxMetadata:
      return {
        type,
        account: account(from),
        mailbox: optional(from, () => mailbox(from)),
        entries: from.list(() => ({ name: from.string(), value: optional(from, () => from.bytes()) })),
      }
    case RecordType.messagesAdd:
      return {
        type,
        account: account(from),
        mailbox: mailbox(from),
        messages: from.list(() => readNewMessage(from)),
        deliveryId: optional(from, () => from.raw(DELIVERY_ID_BYTES)),
        traceId: from.string(),
      }
    case RecordType.messagesFlags:
      return {
        type,
        account: account(from),
        mailbox: mailbox(from),
        modSeq: modSeq(from),
        changes: from.list(() => ({ uids: readUids(from), flags: readFlags(from) })),
      }
    case RecordType.messagesExpunge:
      return { type, account: account(from), mailbox: mailbox(from), modSeq: modSeq(from), uids: readUids(from) }
    case RecordType.messagesMove: {
      const record = {
        type,
        account: account(from),
        source: mailbox(from),
        sourceUids: readUids(from),
        target: mailbox(from),
        messages: from.list(() => readNewMessage(from)),
        modSeq: modSeq(from),
      }
      if (record.sourceUids.length !== record.messages.length) throw malformed('a move with unequal lists')
      return record
    }
    case RecordType.queueAdd:
      return {
        type,
        account: optional(from, () => account(from)),
        kind: word(from, QUEUE_KINDS),
        reversePath: from.string(),
        traceId: from.string(),
        addedMs: date(from),
        dueMs: date(from),
        expiresMs: date(from),
        deliveryId: optional(from, () => from.raw(DELIVERY_ID_BYTES)),
        eightBit: bool(from),
        smtpUtf8: bool(from),
        ret: optional(from, () => word(from, RETURNS)),
        envid: optional(from, () => from.string()),
        headerBlock: from.bytes(),
        body: readBodyReference(from),
        recipients: from.list(() => readQueuedRecipient(from)),
      }
    case RecordType.queueAttempt:
      return { type, entry: toLsn(from.varint()), atMs: date(from), places: from.list(() => from.varint()) }
    case RecordType.queueDefer:
      return {
        type,
        entry: toLsn(from.varint()),
        recipients: from.list(() => ({
          place: from.varint(),
          attempts: from.varint(),
          dueMs: date(from),
          held: bool(from),
          warned: bool(from),
          reply: from.string(),
          remote: from.string(),
        })),
      }
    case RecordType.queueDone:
      return {
        type,
        entry: toLsn(from.varint()),
        atMs: date(from),
        recipients: from.list(() => ({
          place: from.varint(),
          outcome: word(from, QUEUE_OUTCOMES),
          reply: from.string(),
        })),
      }
    default:
      if (isMoveType(type)) return readMoveFields(from, type)
      throw malformed(`a record of type ${type}`)
  }
}
