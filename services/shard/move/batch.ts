/**
 * One piece of a copy as it travels: records as they will stand in the target's log, but with the source's names of bodies. Encoding:
 * account, move, whether the source begins anew, then each record with its type, its LSN at the source, meta and body.
 */
import { ByteReader } from '#lib/bytes/reader.ts'
import { ByteWriter } from '#lib/bytes/writer.ts'
import { type AccountId, type Lsn, type ShardName, toAccountId, toLsn, toShardName } from '#lib/mail/types.ts'

export interface BatchRecord {
  readonly type: number
  /** In the source's log; 0 for facts that are made for the copy. */
  readonly lsn: Lsn
  readonly meta: Uint8Array
  readonly body: Uint8Array
}

export interface Batch {
  readonly account: AccountId
  readonly move: string
  readonly source: ShardName
  /** The source remembers no body that it has sent: names of before mean nothing any more. */
  readonly anew: boolean
  readonly records: readonly BatchRecord[]
}

export function encodeBatch({ account, move, source, anew, records }: Batch): Uint8Array[] {
  const head = new ByteWriter(128).string(account).string(move).string(source).bool(anew).varint(records.length)
  const pieces: Uint8Array[] = [head.finish()]
  for (const { type, lsn, meta, body } of records) {
    pieces.push(new ByteWriter(32).varint(type).varint(lsn).varint(meta.byteLength).varint(body.byteLength).finish())
    pieces.push(meta, body)
  }
  return pieces.filter(({ byteLength }) => byteLength > 0)
}

/** Records are views into `bytes`. @throws {BytesError, ValueError} for anything but what `encodeBatch` makes */
export function decodeBatch(bytes: Uint8Array): Batch {
  const from = new ByteReader(bytes)
  const account = toAccountId(from.string())
  const move = from.string()
  const source = toShardName(from.string())
  const anew = from.bool()
  const records = from.list((): BatchRecord => {
    const type = from.varint()
    const lsn = toLsn(from.varint())
    const metaBytes = from.varint()
    const bodyBytes = from.varint()
    return { type, lsn, meta: from.raw(metaBytes), body: from.raw(bodyBytes) }
  })
  from.end()
  return { account, move, source, anew, records }
}
