/** Bytes of the facts of moves (`move-records.ts`); the rules of `codec.ts` hold here too. */
import type { ByteReader } from '#lib/bytes/reader.ts'
import type { ByteWriter } from '#lib/bytes/writer.ts'
import { unreachable } from '#lib/errors/assert.ts'
import { toLsn, toShardName, toUid } from '#lib/mail/types.ts'
import type { CopiedMailbox, CopyMessages, MoveBegin, MoveRecord } from './move-records.ts'
import {
  account,
  bool,
  DELIVERY_ID_BYTES,
  date,
  mailbox,
  malformed,
  modSeq,
  optional,
  readFlags,
  readNewMailbox,
  readNewMessage,
  word,
  writeFlags,
  writeNewMailbox,
  writeNewMessage,
  zigzag,
} from './parts.ts'
import { RecordType } from './types.ts'

const DIRECTIONS: readonly MoveBegin['direction'][] = ['out', 'in']

const MOVE_TYPES: ReadonlySet<number> = new Set([
  RecordType.accountMoved,
  RecordType.moveBegin,
  RecordType.moveReady,
  RecordType.moveCancel,
  RecordType.moveEnd,
  RecordType.copyAccount,
  RecordType.copyMessages,
])

export function isMoveType(type: number): type is MoveRecord['type'] {
  return MOVE_TYPES.has(type)
}

export function writeMoveFields(to: ByteWriter, record: MoveRecord): void {
  to.string(record.account)
  switch (record.type) {
    case RecordType.accountMoved:
      to.string(record.target).varint(record.generation).varint(record.upTo)
      return
    case RecordType.moveBegin:
      to.u8(DIRECTIONS.indexOf(record.direction)).string(record.peer).varint(record.generation)
      to.string(record.move).varint(zigzag(record.atMs))
      return
    case RecordType.moveReady:
      to.varint(record.upTo)
      return
    case RecordType.moveCancel:
      to.string(record.reason)
      return
    case RecordType.moveEnd:
      return
    case RecordType.copyAccount:
      to.varint(record.upTo).optional(record.quotaBytes, (bytes) => to.varint(bytes))
      to.bool(record.suspended).varint(record.modSeq).varint(record.uidValidityMax)
      to.list(record.mailboxes, (copied) => writeMailbox(to, copied))
      to.list(record.subscriptions, (name) => to.string(name))
      to.optional(record.metadata, (metadata) =>
        to.list(metadata, ({ mailbox: id, entries }) => {
          to.optional(id, (known) => to.string(known))
          to.list(entries, ({ name, value }) => to.string(name).bytes(value))
        }),
      )
      return
    case RecordType.copyMessages:
      writeMessages(to, record)
      return
    default:
      unreachable(record)
  }
}

export function readMoveFields(from: ByteReader, type: MoveRecord['type']): MoveRecord {
  const id = account(from)
  switch (type) {
    case RecordType.accountMoved:
      return {
        type,
        account: id,
        target: toShardName(from.string()),
        generation: from.varint(),
        upTo: toLsn(from.varint()),
      }
    case RecordType.moveBegin:
      return {
        type,
        account: id,
        direction: word(from, DIRECTIONS),
        peer: toShardName(from.string()),
        generation: from.varint(),
        move: from.string(),
        atMs: date(from),
      }
    case RecordType.moveReady:
      return { type, account: id, upTo: toLsn(from.varint()) }
    case RecordType.moveCancel:
      return { type, account: id, reason: from.string() }
    case RecordType.moveEnd:
      return { type, account: id }
    case RecordType.copyAccount:
      return {
        type,
        account: id,
        upTo: toLsn(from.varint()),
        quotaBytes: optional(from, () => from.varint()),
        suspended: bool(from),
        modSeq: modSeq(from),
        uidValidityMax: from.varint(),
        mailboxes: from.list(() => readMailbox(from)),
        subscriptions: from.list(() => from.string()),
        metadata: optional(from, () =>
          from.list(() => ({
            mailbox: optional(from, () => mailbox(from)),
            entries: from.list(() => ({ name: from.string(), value: from.bytes() })),
          })),
        ),
      }
    case RecordType.copyMessages:
      return {
        type,
        account: id,
        mailbox: mailbox(from),
        messages: from.list(() => readNewMessage(from)),
        flags: from.list(() => ({ uid: toUid(from.varint()), modSeq: modSeq(from), flags: readFlags(from) })),
        gone: from.list(() => ({ uid: toUid(from.varint()), modSeq: modSeq(from) })),
        deliveries: from.list(() => ({
          id: from.raw(DELIVERY_ID_BYTES),
          uid: toUid(from.varint()),
          atMs: date(from),
        })),
        cursor: {
          modSeq: from.varint(),
          uid: from.varint(),
          goneModSeq: from.varint(),
          goneUid: from.varint(),
          deliveryUid: from.varint(),
        },
      }
    default:
      return unreachable(type)
  }
}

function writeMessages(to: ByteWriter, record: CopyMessages): void {
  const { modSeq: upTo, uid: uidUpTo, goneModSeq, goneUid, deliveryUid } = record.cursor
  to.string(record.mailbox)
  to.list(record.messages, (message) => writeNewMessage(to, message))
  to.list(record.flags, ({ uid, modSeq: changed, flags }) => {
    to.varint(uid).varint(changed)
    writeFlags(to, flags)
  })
  to.list(record.gone, ({ uid, modSeq: changed }) => to.varint(uid).varint(changed))
  to.list(record.deliveries, ({ id, uid, atMs }) => to.raw(id).varint(uid).varint(zigzag(atMs)))
  to.varint(upTo).varint(uidUpTo).varint(goneModSeq).varint(goneUid).varint(deliveryUid)
}

function writeMailbox(to: ByteWriter, copied: CopiedMailbox): void {
  writeNewMailbox(to, { ...copied, subscribed: false })
  to.varint(copied.uidNext).varint(copied.highestModSeq).varint(copied.recentUpTo)
  to.list(copied.keywords, (keyword) => to.string(keyword))
  to.list(copied.gaps, ({ first, last, modSeq: changed }) => to.varint(first).varint(last).varint(changed))
}

function readMailbox(from: ByteReader): CopiedMailbox {
  const { subscribed, ...made } = readNewMailbox(from)
  if (subscribed) throw malformed('a copied mailbox that is subscribed by itself')
  return {
    ...made,
    uidNext: from.varint(),
    highestModSeq: modSeq(from),
    recentUpTo: from.varint(),
    keywords: from.list(() => from.string()),
    gaps: from.list(() => ({ first: toUid(from.varint()), last: toUid(from.varint()), modSeq: modSeq(from) })),
  }
}
