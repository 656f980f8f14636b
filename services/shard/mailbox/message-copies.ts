/**
 * Decisions of COPY and MOVE: new facts that refer to the same bodies. No letter is copied, only its header block.
 *
 * Many messages go in steps, each one record: a mailbox of 100,000 must not stop the shard for a second. A step is atomic;
 * if the process dies between two, the client has no answer and finds a part done, which RFC 6851 section 3.3 allows for
 * MOVE; for COPY nothing can be promised to a client that got no answer.
 */
import { known } from '#lib/errors/assert.ts'
import type { Flags } from '#lib/mail/flags.ts'
import { type MailboxId, type ModSeq, toUid, type Uid } from '#lib/mail/types.ts'
import { type MessagesAdd, type MessagesMove, type NewMessage, RecordType } from '../records/types.ts'
import type { AccountState } from './account-state.ts'
import { HEADER_BYTES_PER_RECORD_MAX } from './limits.ts'
import type { MailboxState } from './mailbox-state.ts'
import { rowsOf } from './message-rows.ts'
import type { StoreCore } from './store-core.ts'

/** What is copied or moved where. */
export interface CopyOrder {
  /** The one that gets them. */
  readonly account: AccountState
  readonly source: MailboxState
  readonly target: MailboxId
  /** Of the source, ascending; those that are gone are left out. */
  readonly uids: readonly Uid[]
  /** Gives the next UID of the target. */
  readonly takeUid: () => number
  /** What of its flags a copy may have; absent: all. */
  readonly keep?: ((flags: Flags) => Flags) | undefined
}

/** Filled while the steps are taken: `source[i]` became `target[i]`. */
export interface Copied {
  readonly source: Uid[]
  readonly target: Uid[]
}

export function* copySteps(core: StoreCore, order: CopyOrder, copied: Copied): Generator<readonly [MessagesAdd]> {
  for (const { messages } of parts(core, order, copied)) {
    const { account, target } = order
    yield [
      { type: RecordType.messagesAdd, account: account.id, mailbox: target, messages, deliveryId: null, traceId: '' },
    ]
  }
}

/** Like `copySteps`, and the source loses them in the same record. */
export function* moveSteps(core: StoreCore, order: CopyOrder, copied: Copied): Generator<readonly [MessagesMove]> {
  for (const { sourceUids, messages, modSeq } of parts(core, order, copied)) {
    const { account, source, target } = order
    yield [
      { type: RecordType.messagesMove, account: account.id, source: source.id, sourceUids, target, messages, modSeq },
    ]
  }
}

interface Part {
  readonly sourceUids: Uid[]
  readonly messages: NewMessage[]
  readonly modSeq: ModSeq
}

/** Each part is decided only when the one before is applied. */
function* parts(core: StoreCore, order: CopyOrder, copied: Copied): Generator<Part> {
  const { account, source, uids, takeUid, keep = (flags) => flags } = order
  const { index, limits } = core
  let next = 0
  while (next < uids.length) {
    const rows = rowsOf(index, source.row.key, source.load(index), uids.slice(next, next + limits.messagesPerStepMax))
    next += limits.messagesPerStepMax
    let part: Part = { sourceUids: [], messages: [], modSeq: account.takeModSeq() }
    let headerBytes = 0
    const saveDateMs = core.clock.nowMs()
    for (const { uid, flags, internalDateMs, emailId } of rows) {
      const { headerBlock, body } = known(index.source(source.row.key, uid), 'a message in the mailbox has bytes')
      const copy = toUid(takeUid())
      // RFC 8514 section 3: the save date is that of the copy; the internal date stays (RFC 9051 section 6.4.7).
      const { modSeq } = part
      part.messages.push({
        uid: copy,
        modSeq,
        flags: keep(flags),
        internalDateMs,
        saveDateMs,
        emailId,
        headerBlock,
        body,
      })
      part.sourceUids.push(uid)
      copied.source.push(uid)
      copied.target.push(copy)
      headerBytes += headerBlock.byteLength
      if (headerBytes >= HEADER_BYTES_PER_RECORD_MAX) {
        yield part
        part = { sourceUids: [], messages: [], modSeq: account.takeModSeq() }
        headerBytes = 0
      }
    }
    if (part.messages.length > 0) yield part
  }
}
