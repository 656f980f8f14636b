/** A letter of the queue on its way to the shard where its account is now: the records of its body, then those of the entry. */
import { toLsn } from '#lib/mail/types.ts'
import type { HandedOver } from '../queue/hand-over.ts'
import { encodeRecord } from '../records/codec.ts'
import { type BatchRecord, encodeBatch } from './batch.ts'
import { type CopierOptions, CopyStopped } from './copier.ts'
import { BATCH_BYTES } from './limits.ts'

const NO_BYTES = new Uint8Array(0)

/** @throws {CopyStopped} when the target does not take it; whatever the link throws: send it again */
export async function sendLetter(
  { core, move, peer, source }: Omit<CopierOptions, 'pace'>,
  { add, state }: HandedOver,
): Promise<void> {
  let records: BatchRecord[] = []
  let bytes = 0
  let anew = true
  const send = async () => {
    const { account, move: name } = move
    const answer = await peer.copy(encodeBatch({ account, move: name, source, anew, records }))
    if (answer.state !== 'owned') throw new CopyStopped(answer)
    anew = false
    records = []
    bytes = 0
  }
  for (const lsn of add.body.lsns) {
    const { type, meta, body } = await core.log.read(lsn)
    if (bytes + body.byteLength > BATCH_BYTES) await send()
    records.push({ type, lsn, meta, body })
    bytes += body.byteLength
  }
  // The defer names the entry by its LSN here, which the target translates.
  for (const fact of [add, state]) {
    records.push({ type: fact.type, lsn: toLsn(state.entry), meta: encodeRecord(fact), body: NO_BYTES })
  }
  await send()
}
