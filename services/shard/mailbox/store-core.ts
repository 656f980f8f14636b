/**
 * What all operations of the store share: the pipeline, the accounts in memory, the sessions, and the one place where a
 * committed batch reaches index, memory and listeners, in that order.
 */
import { AssertionFailure } from '#lib/errors/assert.ts'
import type { AccountId } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import { StoreError } from '../errors.ts'
import type { CommittedRecord, ShardIndex } from '../index/port.ts'
import { type Lesson, lessonsOf } from '../learning/lesson.ts'
import type { NewRecord, ShardLog } from '../log/types.ts'
import {
  type MessagesAdd,
  type MessagesFlags,
  type MessagesMove,
  RecordType,
  type ShardRecord,
} from '../records/types.ts'
import type { TextIndex } from '../text/port.ts'
import type { AccountState } from './account-state.ts'
import { AccountTable } from './account-table.ts'
import { AccountWatchers } from './account-watchers.ts'
import { BodyCache } from './body-cache.ts'
import { ClosedMailboxes } from './closed-mailboxes.ts'
import { CommitPipeline, type CommitSource } from './commit-pipeline.ts'
import { elsewhere } from './elsewhere.ts'
import { isGrantEntry } from './grants.ts'
import type { MailboxLimits } from './limits.ts'
import type { MailboxListener, MailboxState } from './mailbox-state.ts'
import { SessionRegistry } from './session-registry.ts'
import type { WriteKind } from './write-kind.ts'

export interface StorePorts {
  readonly log: ShardLog
  readonly index: ShardIndex
  /** Null: none; searches look at every letter. */
  readonly text: TextIndex | null
  readonly commits: CommitSource
  readonly clock: Clock
  readonly random: Random
  readonly limits: MailboxLimits
  readonly onFailure: (error: Error) => void
  readonly refusal: (kind: WriteKind) => StoreError | null
  readonly doubt: (kind: WriteKind) => StoreError | null
}

/** What an exclusive operation decided. */
export interface Decision<T> {
  /** The facts to write, in steps: each is decided (if the iterable is lazy) when the one before is applied. None: nothing to do. */
  readonly steps: Iterable<readonly ShardRecord[]>
  /** Body records that are written with the first step. */
  readonly bodies?: readonly NewRecord[]
  /** Called when all is applied. */
  readonly answer: () => T
}

/** With which words the sessions of an account end that is served elsewhere from now on. */
const MOVED = 'The account has moved to another server, please connect again'

export class StoreCore {
  readonly log: ShardLog
  readonly index: ShardIndex
  readonly text: TextIndex | null
  readonly clock: Clock
  readonly random: Random
  readonly limits: MailboxLimits
  readonly accounts: AccountTable
  readonly bodies: BodyCache
  readonly sessions: SessionRegistry
  readonly pipeline: CommitPipeline
  readonly closedMailboxes: ClosedMailboxes
  readonly watchers = new AccountWatchers()
  /** Open mailboxes, counting each session. */
  openMailboxes = 0
  /** The queue follows what is applied: whom a record concerns can be read in the index when this is called. */
  onApplied: (records: readonly CommittedRecord[]) => void = () => undefined
  /** A user has sorted letters: filters may learn from it. */
  onSorted: (lesson: Lesson) => void = () => undefined
  #closing: string | null = null

  constructor(ports: StorePorts) {
    this.log = ports.log
    this.index = ports.index
    this.text = ports.text
    this.clock = ports.clock
    this.random = ports.random
    this.limits = ports.limits
    this.bodies = new BodyCache(ports.log, ports.limits.bodyCacheBytes)
    this.accounts = new AccountTable(ports.index, ports.limits.accountsInMemoryMax)
    this.closedMailboxes = new ClosedMailboxes(ports.limits.closedMailboxUidsMax)
    this.sessions = new SessionRegistry(ports.limits.sessionsPerAccountMax)
    this.pipeline = new CommitPipeline({
      log: ports.log,
      commits: ports.commits,
      refusal: ports.refusal,
      doubt: ports.doubt,
      apply: (records, upTo) => this.#apply(records, upTo),
      onFailure: (error) => {
        this.sessions.endAll('The server has a problem with its disk, try again in a moment')
        ports.onFailure(error)
      },
    })
  }

  get serving(): boolean {
    return this.#closing === null && this.pipeline.failure === null
  }

  /** @throws {StoreError} STORE_UNAVAILABLE if nothing new is taken any more */
  check(): void {
    if (this.pipeline.failure !== null) throw this.pipeline.failure
    if (this.#closing !== null) throw new StoreError('STORE_UNAVAILABLE', `Cannot do this now: ${this.#closing}`)
  }

  stopTaking(reason: string): void {
    this.#closing ??= reason
  }

  /** @throws {StoreError} STORE_UNKNOWN_ACCOUNT, STORE_MOVED, STORE_UNAVAILABLE while it is handed over */
  account(id: AccountId): AccountState {
    const account = this.accounts.get(id)
    if (account !== null) return account
    throw this.absence(id)
  }

  /** Why an account is not served here. */
  absence(id: AccountId): StoreError {
    const place = elsewhere(this.index, id)
    switch (place.kind) {
      case 'moved':
        return new StoreError('STORE_MOVED', `Cannot use account ${id} here: it is at ${place.target}`, {
          details: { target: place.target },
        })
      case 'handed-over':
        return new StoreError('STORE_UNAVAILABLE', `Cannot use account ${id} now: it is being moved to this shard`)
      case 'unknown':
        return new StoreError('STORE_UNKNOWN_ACCOUNT', `Cannot find account ${id}: this shard does not own it`)
      default:
        return place satisfies never
    }
  }

  /**
   * Runs one exclusive operation: waits until earlier ones of the account are applied, decides on committed state, writes, and
   * answers after commit and apply.
   */
  async exclusive<T>(id: AccountId, decide: (account: AccountState) => Decision<T>): Promise<T> {
    this.check()
    const account = this.account(id)
    const wait = account.lock.exclusive()
    if (wait !== null) await wait
    try {
      this.check()
      if (account.gone) throw this.absence(id)
      const { steps, bodies, answer } = decide(account)
      let unwritten = bodies ?? []
      for (const facts of steps) {
        await this.pipeline.commit(facts, unwritten)
        unwritten = []
      }
      return answer()
    } finally {
      account.lock.releaseExclusive()
    }
  }

  /** Runs `decide` under the shared lock, which is kept until what it began is settled. */
  async shared<T>(id: AccountId, work: (account: AccountState) => Promise<T>): Promise<T> {
    this.check()
    const account = this.account(id)
    const wait = account.lock.shared()
    if (wait !== null) await wait
    try {
      this.check()
      if (account.gone) throw this.absence(id)
      return await work(account)
    } finally {
      account.lock.releaseShared()
    }
  }

  #apply(records: readonly CommittedRecord[], upTo: CommittedRecord['lsn']): void {
    const rows = this.index.apply(records, upTo)
    this.onApplied(records)
    const touched = new Set<MailboxState>()
    const restructured = new Set<AccountState>()
    const refreshed = (record: { account: AccountId }, id: MailboxState['id']) => {
      const account = this.accounts.peek(record.account)
      const row = rows.get(id)
      const mailbox = account === undefined || row === undefined ? undefined : account.refresh(row)
      if (mailbox !== undefined) touched.add(mailbox)
      return mailbox
    }
    for (const { record } of records) {
      switch (record.type) {
        case RecordType.messagesAdd: {
          const mailbox = refreshed(record, record.mailbox)
          for (const message of record.messages) mailbox?.added(message.uid, message.flags.keywords)
          this.#noteSorting(record)
          break
        }
        case RecordType.messagesFlags: {
          const mailbox = refreshed(record, record.mailbox)
          for (const { uids, flags } of record.changes) mailbox?.flagsChanged(record.modSeq, uids, flags.keywords)
          this.#noteSorting(record)
          break
        }
        case RecordType.messagesExpunge:
          refreshed(record, record.mailbox)?.expunged(record.uids)
          break
        case RecordType.messagesMove: {
          refreshed(record, record.source)?.expunged(record.sourceUids)
          const target = refreshed(record, record.target)
          for (const message of record.messages) target?.added(message.uid, message.flags.keywords)
          this.#noteSorting(record)
          break
        }
        case RecordType.mailboxRecent:
          refreshed(record, record.mailbox)
          break
        case RecordType.mailboxMetadata: {
          // Read from the index when asked for. Whoever has the mailbox open must ask what it may do there now.
          if (record.mailbox === null || !record.entries.some(isGrantEntry)) break
          const mailbox = this.accounts.peek(record.account)?.mailbox(record.mailbox)
          if (mailbox !== undefined) touched.add(mailbox)
          break
        }
        case RecordType.epochStart:
          break
        case RecordType.queueAdd:
        case RecordType.queueAttempt:
        case RecordType.queueDefer:
        case RecordType.queueDone:
          break
        case RecordType.recoveryJump:
          throw new AssertionFailure('a recovery jump is applied before the store is opened')
        default: {
          const account = this.accounts.peek(record.account)
          if (account !== undefined) restructured.add(account)
        }
      }
    }
    const gone: MailboxState[] = []
    for (const account of restructured) {
      const left = this.#reload(account)
      if (account.row.status !== 'moved') gone.push(...left) // its sessions end with other words
    }
    for (const mailbox of touched) for (const listener of mailbox.listeners) call(listener, { kind: 'changed' })
    for (const mailbox of gone) {
      for (const listener of mailbox.listeners) call(listener, { kind: 'closed', reason: 'The mailbox was deleted' })
    }
    this.watchers.tell(records)
    for (const account of restructured) {
      if (account.row.status === 'moved') this.sessions.end(account.id, MOVED)
      else if (account.gone) this.sessions.end(account.id, 'The account was deleted')
      else if (account.suspended) this.sessions.end(account.id, 'The account is suspended')
    }
  }

  #noteSorting(record: MessagesAdd | MessagesMove | MessagesFlags): void {
    const account = this.accounts.peek(record.account)
    if (account === undefined) return
    for (const lesson of lessonsOf(record, (id) => account.mailbox(id)?.row.specialUse ?? null)) this.onSorted(lesson)
  }

  #reload(account: AccountState): MailboxState[] {
    const row = this.index.account(account.id)
    if (row === null) return []
    const gone = account.reload(row, this.index)
    if (account.gone) this.accounts.drop(account.id)
    return gone
  }
}

/** A listener that throws is a bug of a session; the batch and the other sessions must not suffer from it. */
function call(listener: MailboxListener, change: Parameters<MailboxListener>[0]): void {
  try {
    listener(change)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
