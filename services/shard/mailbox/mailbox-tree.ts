/** Decisions about the tree of mailboxes of an account: own, create, rename, delete, subscribe. Pure but for ids and UIDVALIDITY. */
import { isForeign } from '#lib/imap/sharing/names.ts'
import type { MailboxInfo, SpecialUse } from '#lib/imap/store.ts'
import { type MailboxId, toMailboxId, toUid } from '#lib/mail/types.ts'
import { randomId } from '#lib/ports/random.ts'
import { StoreError } from '../errors.ts'
import {
  type MailboxCreate,
  type MailboxRename,
  type MessagesMove,
  type NewMailbox,
  RecordType,
  type ShardRecord,
} from '../records/types.ts'
import type { AccountState } from './account-state.ts'
import { MAILBOX_ID_LENGTH } from './limits.ts'
import type { MailboxState } from './mailbox-state.ts'
import { moveSteps } from './message-copies.ts'
import { canonicalName, checkName, INBOX, isBelow, parentNames } from './names.ts'
import type { Decision, StoreCore } from './store-core.ts'

/** What a new account has. English in every locale: clients show their own words for special uses, and match on these names without. */
const FIRST_MAILBOXES: readonly (readonly [string, SpecialUse | null])[] = [
  [INBOX, null],
  ['Drafts', 'drafts'],
  ['Sent', 'sent'],
  ['Junk', 'junk'],
  ['Trash', 'trash'],
  ['Archive', 'archive'],
]

/** @param uidValidity Gives the next one: no two mailboxes of an account ever have the same, so that no name can change its meaning under one UIDVALIDITY. */
export function firstMailboxes(core: StoreCore, uidValidity: () => number): NewMailbox[] {
  return FIRST_MAILBOXES.map(([name, specialUse]) => ({
    id: newMailboxId(core),
    name,
    uidValidity: uidValidity(),
    specialUse,
    subscribed: true,
  }))
}

/** RFC 9051 section 6.3.4. */
export function decideCreate(
  core: StoreCore,
  account: AccountState,
  given: string,
  specialUse: SpecialUse | null,
): Decision<MailboxInfo> {
  const name = canonicalName(given)
  checkName(name, core.limits)
  if (account.find(name) !== undefined) throw exists(name)
  const holder = specialUse === null ? undefined : account.withSpecialUse(specialUse)
  if (holder !== undefined) {
    // RFC 6154 section 3: NO [USEATTR] if the use cannot be given.
    throw new StoreError('STORE_SPECIAL_USE', `Cannot create ${name} for ${specialUse}: ${holder.row.name} is`)
  }
  const mailboxes = [...missingParents(core, account, name), newMailbox(core, account, name, specialUse)]
  checkCount(core, account, mailboxes.length)
  const record: MailboxCreate = {
    type: RecordType.mailboxCreate,
    account: account.id,
    mailboxes,
    modSeq: account.takeModSeq(),
  }
  return { steps: [[record]], answer: () => account.info(required(account, name)) }
}

/** RFC 9051 section 6.3.6. */
export function decideRename(core: StoreCore, account: AccountState, from: string, to: string): Decision<void> {
  const oldName = canonicalName(from)
  const newName = canonicalName(to)
  const mailbox = required(account, oldName)
  checkName(newName, core.limits)
  if (account.find(newName) !== undefined) throw exists(newName)
  if (oldName === INBOX) return decideRenameInbox(core, account, mailbox, newName)
  if (isBelow(newName, oldName)) {
    throw new StoreError('STORE_CANNOT', `Cannot rename ${oldName} to ${newName}: it would be inside itself`)
  }
  const created = missingParents(core, account, newName)
  checkCount(core, account, created.length)
  const names = [{ id: mailbox.id, name: newName }]
  for (const child of account.all()) {
    if (!isBelow(child.row.name, oldName)) continue
    const name = newName + child.row.name.slice(oldName.length)
    checkName(name, core.limits)
    if (account.find(name) !== undefined) throw exists(name)
    names.push({ id: child.id, name })
  }
  const record: MailboxRename = {
    type: RecordType.mailboxRename,
    account: account.id,
    names,
    created,
    modSeq: account.takeModSeq(),
  }
  return { steps: [[record]], answer: () => undefined }
}

/** RFC 9051 section 6.3.6: the messages move to the new mailbox, INBOX stays, and so do its children. */
function decideRenameInbox(
  core: StoreCore,
  account: AccountState,
  inbox: MailboxState,
  newName: string,
): Decision<void> {
  const target = newMailbox(core, account, newName, null)
  const mailboxes = [...missingParents(core, account, newName), target]
  checkCount(core, account, mailboxes.length)
  const create: MailboxCreate = {
    type: RecordType.mailboxCreate,
    account: account.id,
    mailboxes,
    modSeq: account.takeModSeq(),
  }
  const uids = Array.from(inbox.load(core.index).uids.subarray(0, inbox.row.messages), toUid)
  if (inbox.listeners.size === 0) core.closedMailboxes.closed(inbox)
  let uidNext = 1
  const order = { account, source: inbox, target: target.id, uids, takeUid: () => uidNext++ }
  return {
    steps: renameInboxSteps(create, moveSteps(core, order, { source: [], target: [] })),
    answer: () => undefined,
  }
}

/** The new mailbox comes with the first messages: for all but huge ones the whole is one step. */
function* renameInboxSteps(
  create: MailboxCreate,
  moves: Iterable<readonly [MessagesMove]>,
): Generator<readonly ShardRecord[]> {
  let first: readonly ShardRecord[] = [create]
  for (const move of moves) {
    yield [...first, ...move]
    first = []
  }
  if (first.length > 0) yield first
}

/** RFC 9051 section 6.3.5. Refused while there are children: nothing of ours is \Noselect. */
export function decideDelete(account: AccountState, given: string): Decision<void> {
  const name = canonicalName(given)
  if (name === INBOX) throw new StoreError('STORE_CANNOT', 'Cannot delete INBOX')
  const mailbox = required(account, name)
  for (const other of account.all()) {
    if (isBelow(other.row.name, name)) {
      throw new StoreError('STORE_HAS_CHILDREN', `Cannot delete ${name}: it has children, delete them first`)
    }
  }
  const modSeq = account.takeModSeq()
  return {
    steps: [[{ type: RecordType.mailboxDelete, account: account.id, mailbox: mailbox.id, modSeq }]],
    answer: () => undefined,
  }
}

/** RFC 9051 sections 6.3.7 and 6.3.8: also names that no mailbox has. */
export function decideSubscribe(core: StoreCore, account: AccountState, given: string, on: boolean): Decision<void> {
  const name = canonicalName(given)
  const subscriptions = account.subscriptions()
  if (subscriptions.has(name) === on) return { steps: [], answer: () => undefined }
  if (on) {
    // Of a mailbox of another user all but the # is a name like others.
    checkName(isForeign(name) ? name.slice(1) : name, core.limits)
    if (subscriptions.size >= core.limits.subscriptionsPerAccountMax) {
      throw new StoreError('STORE_LIMIT', `Cannot subscribe to more than ${subscriptions.size} names`)
    }
  }
  return {
    steps: [[{ type: RecordType.mailboxSubscribe, account: account.id, name, on }]],
    answer: () => undefined,
  }
}

/** @param name Canonical. @throws {StoreError} STORE_NO_MAILBOX */
function required(account: AccountState, name: string): MailboxState {
  const mailbox = account.find(name)
  if (mailbox !== undefined) return mailbox
  throw new StoreError('STORE_NO_MAILBOX', `Cannot find mailbox ${JSON.stringify(name.slice(0, 80))}`)
}

function missingParents(core: StoreCore, account: AccountState, name: string): NewMailbox[] {
  return parentNames(name)
    .filter((parent) => account.find(parent) === undefined)
    .map((parent) => newMailbox(core, account, parent, null))
}

function newMailbox(core: StoreCore, account: AccountState, name: string, specialUse: SpecialUse | null): NewMailbox {
  const uidValidity = account.takeUidValidity(core.clock.nowMs())
  return { id: newMailboxId(core), name, uidValidity, specialUse, subscribed: false }
}

function newMailboxId(core: StoreCore): MailboxId {
  return toMailboxId(randomId(core.random, MAILBOX_ID_LENGTH))
}

function checkCount(core: StoreCore, account: AccountState, more: number): void {
  if (account.mailboxCount + more <= core.limits.mailboxesPerAccountMax) return
  throw new StoreError('STORE_LIMIT', `Cannot have more than ${core.limits.mailboxesPerAccountMax} mailboxes`)
}

function exists(name: string): StoreError {
  return new StoreError('STORE_MAILBOX_EXISTS', `Cannot use the name ${name}: a mailbox has it already`)
}
