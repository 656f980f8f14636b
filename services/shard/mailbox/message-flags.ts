/** Decision of STORE: the flags of each message after the change, grouped by result (RFC 9051 section 6.4.6, RFC 7162 section 3.1.3). */
import type { StoreRequest, StoreResult } from '#lib/imap/store.ts'
import { changeFlags, type Flags, sameFlags } from '#lib/mail/flags.ts'
import type { Uid } from '#lib/mail/types.ts'
import { StoreError } from '../errors.ts'
import { type MessagesFlags, RecordType } from '../records/types.ts'
import type { AccountState } from './account-state.ts'
import type { MailboxLimits } from './limits.ts'
import type { MailboxState } from './mailbox-state.ts'
import { factsOf, rowsOf } from './message-rows.ts'
import type { Decision, StoreCore } from './store-core.ts'

export function decideStore(
  core: StoreCore,
  account: AccountState,
  mailbox: MailboxState,
  request: StoreRequest,
): Decision<StoreResult> {
  const { index, limits } = core
  const flags = checkKeywords(mailbox.keywords(index), request.flags, limits)
  const modified: Uid[] = []
  return {
    steps: storeSteps(core, account, mailbox, { ...request, flags }, modified),
    answer: () => ({ facts: factsOf(index, mailbox.row.key, mailbox.load(index), request.uids), modified }),
  }
}

function* storeSteps(
  core: StoreCore,
  account: AccountState,
  mailbox: MailboxState,
  request: StoreRequest,
  modified: Uid[],
): Generator<readonly [MessagesFlags]> {
  const { messagesPerStepMax } = core.limits
  for (let next = 0; next < request.uids.length; next += messagesPerStepMax) {
    const uids = request.uids.slice(next, next + messagesPerStepMax)
    const changes = changesOf(core, mailbox, { ...request, uids }, modified)
    // A STORE that changes nothing writes nothing and gives no new MODSEQ.
    if (changes.length === 0) continue
    const modSeq = account.takeModSeq()
    yield [{ type: RecordType.messagesFlags, account: account.id, mailbox: mailbox.id, modSeq, changes }]
  }
}

function changesOf(
  { index, limits }: StoreCore,
  mailbox: MailboxState,
  { uids, change, flags: given, unchangedSince }: StoreRequest,
  modified: Uid[],
): MessagesFlags['changes'] {
  const byResult = new Map<string, { uids: Uid[]; flags: Flags }>()
  for (const { uid, modSeq, flags: before } of rowsOf(index, mailbox.row.key, mailbox.load(index), uids)) {
    if (unchangedSince !== undefined && modSeq > unchangedSince) {
      modified.push(uid)
      continue
    }
    const flags = changeFlags(before, change, given)
    if (sameFlags(before, flags)) continue
    if (flags.keywords.length > limits.keywordsPerMessageMax) {
      throw new StoreError('STORE_LIMIT', `Cannot set more than ${limits.keywordsPerMessageMax} keywords on a message`)
    }
    const key = `${flags.system} ${flags.keywords.join(' ')}`
    const same = byResult.get(key)
    if (same === undefined) byResult.set(key, { uids: [uid], flags })
    else same.uids.push(uid)
  }
  return [...byResult.values()]
}

/** Keywords in the spelling that the mailbox has already: they are compared without case. @throws {StoreError} STORE_LIMIT */
export function checkKeywords(known: ReadonlySet<string>, flags: Flags, limits: MailboxLimits): Flags {
  if (flags.keywords.length === 0) return flags
  const bySpelling = new Map<string, string>()
  for (const keyword of known) bySpelling.set(keyword.toLowerCase(), keyword)
  let fresh = 0
  const keywords = flags.keywords.map((keyword) => {
    const spelled = bySpelling.get(keyword.toLowerCase())
    if (spelled === undefined) fresh++
    return spelled ?? keyword
  })
  if (keywords.some((keyword) => Buffer.byteLength(keyword) > limits.keywordBytesMax)) {
    throw new StoreError('STORE_LIMIT', `Cannot use a keyword of more than ${limits.keywordBytesMax} bytes`)
  }
  if (keywords.length > limits.keywordsPerMessageMax || known.size + fresh > limits.keywordsPerMailboxMax) {
    throw new StoreError('STORE_LIMIT', 'Cannot use more keywords in this mailbox')
  }
  return { system: flags.system, keywords }
}
