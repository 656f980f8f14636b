/**
 * Letters in the queue whose account has moved go after it. Under the lock of the entry, so that no sender gets it meanwhile: the other shard
 * commits it under an id that it knows again, then this one says that it is done. A letter that is just being tried stays, and goes or
 * ends later.
 */
import { createHash } from 'node:crypto'
import { type AccountId, type Lsn, type ShardName, toLsn } from '#lib/mail/types.ts'
import type { QueueEntryRow, QueueRecipientRow } from '../index/queue-rows.ts'
import type { StoreCore } from '../mailbox/store-core.ts'
import { type QueueAdd, type QueueDefer, RecordType } from '../records/types.ts'
import type { EntryLocks } from './entry-locks.ts'

/** An entry as the other shard takes it in: its name and those of its body are still this shard's. */
export interface HandedOver {
  readonly add: QueueAdd
  /** What is known of its recipients, by their places in `add`. */
  readonly state: QueueDefer
}

const ID_BYTES = 16
const MOVED = 'handed over: its account has moved to another shard'

/** @param send Resolves when the other shard has it. @returns Letters that stay for now */
export async function handOverQueue(
  { core, locks, shard }: { readonly core: StoreCore; readonly locks: EntryLocks; readonly shard: ShardName },
  account: AccountId,
  send: (letter: HandedOver) => Promise<void>,
): Promise<number> {
  const { queue } = core.index
  let busy = 0
  for (const lsn of queue.openOfAccount(account)) {
    await locks.run(lsn, async () => {
      const entry = queue.entry(lsn)
      const rows = entry === null ? [] : queue.recipients(lsn)
      if (entry === null || rows.length === 0) return
      if (rows.some(({ state }) => state === 'attempting')) {
        busy++
        return
      }
      await send(letterOf(entry, rows, transferId(shard, lsn)))
      core.check()
      const recipients = rows.map(({ place }) => ({ place, outcome: 'moved' as const, reply: MOVED }))
      await core.pipeline.commit([{ type: RecordType.queueDone, entry: lsn, atMs: core.clock.nowMs(), recipients }])
    })
  }
  return busy
}

/**
 * The same at each try, and another one for each shard that the letter comes through: one that comes back must not be taken for a
 * repetition. By the id of its author's edge it stays known at the shard that took it in.
 */
function transferId(shard: ShardName, entry: Lsn): Uint8Array {
  return createHash('sha256').update(`${shard}:${entry}`).digest().subarray(0, ID_BYTES)
}

function letterOf(entry: QueueEntryRow, rows: readonly QueueRecipientRow[], deliveryId: Uint8Array): HandedOver {
  const { account, kind, reversePath, traceId, addedMs, expiresMs, eightBit, smtpUtf8, ret, envid, headerBlock, body } =
    entry
  const recipients = rows.map(({ address, destination, notify, orcpt }) => ({ address, destination, notify, orcpt }))
  return {
    add: {
      type: RecordType.queueAdd,
      account,
      kind,
      reversePath,
      traceId,
      addedMs,
      dueMs: Math.min(...rows.map(({ dueMs }) => dueMs)),
      expiresMs,
      deliveryId,
      eightBit,
      smtpUtf8,
      ret,
      envid,
      headerBlock,
      body,
      recipients,
    },
    state: {
      type: RecordType.queueDefer,
      entry: toLsn(entry.entry),
      recipients: rows.map(({ attempts, dueMs, state, warned, reply, remote }, place) => ({
        place,
        attempts,
        dueMs,
        held: state === 'held',
        warned,
        reply,
        remote,
      })),
    },
  }
}
