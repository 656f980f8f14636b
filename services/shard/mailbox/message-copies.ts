/** Decisions of COPY and MOVE: new facts that refer to the same bodies. No letter is copied, only its header block. */
import { known } from '#lib/errors/assert.ts'
import { type MailboxId, type ModSeq, toUid, type Uid } from '#lib/mail/types.ts'
import type { MessageRow } from '../index/port.ts'
import { type MessagesAdd, type MessagesMove, type NewMessage, RecordType } from '../records/types.ts'
import type { AccountState } from './account-state.ts'
import { HEADER_BYTES_PER_RECORD_MAX, MESSAGES_PER_RECORD_MAX } from './limits.ts'
import type { MailboxState } from './mailbox-state.ts'
import { rowsOf } from './message-rows.ts'
import type { StoreCore } from './store-core.ts'

/** What became of which: `source[i]` became `target[i]`. */
export interface Copies<Fact> {
  readonly facts: readonly Fact[]
  readonly source: readonly Uid[]
  readonly target: readonly Uid[]
  readonly sizeBytes: number
}

interface Copied {
  readonly row: MessageRow
  readonly message: NewMessage
}

/** @param uids Of the source mailbox, ascending; those that are gone are left out. @param takeUid Gives the next UID of the target. */
export function copyMessages(
  core: StoreCore,
  account: AccountState,
  source: MailboxState,
  target: MailboxId,
  uids: readonly number[],
  takeUid: () => number,
): Copies<MessagesAdd> {
  return inRecords(copied(core, account, source, uids, takeUid), (copies) => ({
    type: RecordType.messagesAdd,
    account: account.id,
    mailbox: target,
    messages: copies.map(({ message }) => message),
    deliveryId: null,
    traceId: '',
  }))
}

/** Like `copyMessages`, and the source loses them in the same step. */
export function moveMessages(
  core: StoreCore,
  account: AccountState,
  source: MailboxState,
  target: MailboxId,
  uids: readonly number[],
  takeUid: () => number,
): Copies<MessagesMove> {
  return inRecords(copied(core, account, source, uids, takeUid), (copies, modSeq) => ({
    type: RecordType.messagesMove,
    account: account.id,
    source: source.id,
    sourceUids: copies.map(({ row }) => row.uid),
    target,
    messages: copies.map(({ message }) => message),
    modSeq,
  }))
}

function copied(
  core: StoreCore,
  account: AccountState,
  source: MailboxState,
  uids: readonly number[],
  takeUid: () => number,
): Copied[] {
  const { index } = core
  const rows = rowsOf(index, source.row.key, source.load(index), uids.map(toUid))
  if (rows.length === 0) return []
  const modSeq = account.takeModSeq()
  const saveDateMs = core.clock.nowMs()
  return rows.map((row) => {
    const { headerBlock, body } = known(index.source(source.row.key, row.uid), 'bytes of a message')
    const { flags, internalDateMs, emailId } = row
    // RFC 8514 section 3: the save date is that of the copy; the internal date stays (RFC 9051 section 6.4.7).
    const message = { uid: toUid(takeUid()), modSeq, flags, internalDateMs, saveDateMs, emailId, headerBlock, body }
    return { row, message }
  })
}

/** Cuts into records of bounded size; all are appended in one step. */
function inRecords<Fact>(
  copies: readonly Copied[],
  fact: (copies: readonly Copied[], modSeq: ModSeq) => Fact,
): Copies<Fact> {
  const facts: Fact[] = []
  let part: Copied[] = []
  let headerBytes = 0
  const close = () => {
    const [first] = part
    if (first !== undefined) facts.push(fact(part, first.message.modSeq))
    part = []
    headerBytes = 0
  }
  for (const copy of copies) {
    part.push(copy)
    headerBytes += copy.message.headerBlock.byteLength
    if (part.length >= MESSAGES_PER_RECORD_MAX || headerBytes >= HEADER_BYTES_PER_RECORD_MAX) close()
  }
  close()
  return {
    facts,
    source: copies.map(({ row }) => row.uid),
    target: copies.map(({ message }) => message.uid),
    sizeBytes: copies.reduce((sum, { row }) => sum + row.sizeBytes, 0),
  }
}
