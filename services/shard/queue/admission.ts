/** Whether a letter is taken into the queue, and the record that puts it there. Pure but for the questions to the index. */
import type { QueueRequest } from '#lib/frames/queue.ts'
import type { AccountId } from '#lib/mail/types.ts'
import type { ShardIndex } from '../index/port.ts'
import { type BodyReference, type QueueAdd, RecordType } from '../records/types.ts'
import { DAY, HOUR, type QueueLimits } from './limits.ts'
import { expiryMs } from './schedule.ts'

/** The domain in lower case: what letters are grouped by. An address literal keeps its brackets. */
export function destinationOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1).toLowerCase()
}

/** Whether so many recipients more are beyond what the account may write to (rules.md, Limits and abuse). */
export function overSendingLimit(
  index: Pick<ShardIndex, 'queue'>,
  account: AccountId,
  recipients: number,
  nowMs: number,
  limits: QueueLimits,
): boolean {
  const within = (ms: number, max: number) => index.queue.sentSince(account, nowMs - ms) + recipients <= max
  return !within(HOUR, limits.recipientsPerHourMax) || !within(DAY, limits.recipientsPerDayMax)
}

export function submissionFact(
  request: QueueRequest,
  letter: { readonly reversePath: string; readonly traceId: string },
  body: BodyReference,
  nowMs: number,
): QueueAdd {
  return {
    type: RecordType.queueAdd,
    account: request.account,
    kind: 'submission',
    reversePath: letter.reversePath,
    traceId: letter.traceId,
    addedMs: nowMs,
    dueMs: nowMs,
    expiresMs: expiryMs('submission', nowMs),
    deliveryId: request.deliveryId,
    eightBit: request.eightBit,
    smtpUtf8: request.smtpUtf8,
    ret: request.ret,
    envid: request.envid,
    headerBlock: request.headerBlock,
    body,
    recipients: request.recipients.map(({ address, notify, orcpt }) => ({
      address,
      destination: destinationOf(address),
      notify,
      orcpt,
    })),
  }
}
