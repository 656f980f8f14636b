/**
 * The mail store of a shard: everything that edge, provisioning and sessions ask of it comes in here.
 *
 * Invariants: a fact is decided once, when it is appended; it is shown, and its operation answered, only after commit and
 * apply; after a failure of log or index nothing more is taken and nothing that waits was promised.
 * Read next: store-core.ts (locks, pipeline, memory), delivery.ts, open-mailbox.ts.
 */

import type { ExplainReport } from '#lib/frames/explain.ts'
import type {
  AccountCommand,
  AccountResult,
  DeliveryOutcome,
  RecipientQuery,
  RecipientVerdict,
  SessionProtocol,
} from '#lib/frames/shard-protocol.ts'
import type { Identity } from '#lib/imap/sharing/neighbours.ts'
import { SharedView } from '#lib/imap/sharing/shared-view.ts'
import type { ImapAccount } from '#lib/imap/store.ts'
import type { AccountId } from '#lib/mail/types.ts'
import type { Maildrop } from '#lib/pop3/store.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import { StoreError } from '../errors.ts'
import type { ShardIndex } from '../index/port.ts'
import { Learner, type Teacher } from '../learning/learner.ts'
import type { ShardLog } from '../log/types.ts'
import { Moves, type MovesOptions } from '../move/moves.ts'
import { explain } from '../quarantine/explain.ts'
import { Quarantine } from '../quarantine/quarantine.ts'
import { OutgoingQueue } from '../queue/outgoing-queue.ts'
import type { TextIndex } from '../text/port.ts'
import { AccountCommands } from './account-commands.ts'
import type { CommitSource } from './commit-pipeline.ts'
import { type DeliveriesPending, Delivery, type DeliveryRequest, type DeliveryStream } from './delivery.ts'
import { elsewhere } from './elsewhere.ts'
import { ImapAccountState } from './imap-account.ts'
import { MAILBOX_LIMITS, type MailboxLimits, QUARANTINE_MS, SWEEP_INTERVAL_MS, SWEEP_ROWS } from './limits.ts'
import { MaildropState } from './maildrop.ts'
import { ShardNeighbours } from './neighbours.ts'
import type { EndSession } from './session-registry.ts'
import { StoreCore } from './store-core.ts'
import type { WriteKind } from './write-kind.ts'

export interface MailStoreOptions {
  readonly log: ShardLog
  /** Caught up with the log (`openIndex`). */
  readonly index: ShardIndex
  /** Default: none; searches look at every letter. */
  readonly text?: TextIndex
  /** Default: what is durable in `log` is committed. */
  readonly commits?: CommitSource
  readonly clock: Clock
  readonly random: Random
  readonly limits?: Partial<MailboxLimits>
  /** Name under which notifications about letters are sent. */
  readonly hostname?: string
  /** Who is told what users call junk. Default: nobody. */
  readonly teacher?: Teacher
  /** How long a letter stays in quarantine. Default: 30 days. */
  readonly quarantineMs?: number
  /** Whether people hear each day what was kept back from them. Default: they do not. */
  readonly quarantineDigests?: boolean
  /** Called once when the log or the index failed: all is refused from then on, the process should end itself. */
  readonly onFailure?: (error: Error) => void
  /** Why a user's operation is not taken now (replication.md rules 12, 13, 16), or null. Default: all are taken. */
  readonly refusal?: (kind: WriteKind) => StoreError | null
  /** With it accounts can be moved to other shards and come from there. */
  readonly moves?: MovesOptions
  /** As what a user's operation is answered although it is stored, because it rests on fewer disks than it must (rule 12), or null. */
  readonly doubt?: (kind: WriteKind) => StoreError | null
}

export interface StoreCounts {
  readonly sessions: number
  readonly accountsInMemory: number
  readonly openMailboxes: number
  /** Operations appended and not yet committed. */
  readonly pending: number
}

export class MailStore {
  readonly #core: StoreCore
  readonly #commands: AccountCommands
  readonly #learner: Learner | null
  readonly #deliveries: DeliveriesPending = new Map()
  readonly #maildrops = new Set<AccountId>()
  /** Accounts that leave and come; null: the shard does not take part in moves. */
  readonly moves: Moves | null
  /** What leaves the shard. */
  readonly queue: OutgoingQueue
  /** What waits for an administrator. */
  readonly quarantine: Quarantine
  #cancelSweep: () => void

  constructor(options: MailStoreOptions) {
    const { log, index, clock, random } = options
    this.#core = new StoreCore({
      log,
      index,
      text: options.text ?? null,
      clock,
      random,
      commits: options.commits ?? { onCommit: (listener) => log.onDurable(listener) },
      limits: { ...MAILBOX_LIMITS, ...options.limits },
      onFailure: options.onFailure ?? (() => undefined),
      refusal: options.refusal ?? (() => null),
      doubt: options.doubt ?? (() => null),
    })
    this.#commands = new AccountCommands(this.#core)
    const learner = options.teacher === undefined ? null : new Learner(this.#core, options.teacher)
    this.#learner = learner
    if (learner !== null) this.#core.onSorted = (lesson) => learner.take(lesson)
    const hostname = options.hostname ?? 'localhost'
    this.quarantine = new Quarantine(this.#core, this.#commands, {
      keepMs: options.quarantineMs ?? QUARANTINE_MS,
      digests:
        options.quarantineDigests === true
          ? {
              hostname,
              isStored: (deliveryId) => index.delivery(deliveryId) !== null,
              deliver: (to, letter) => this.deliver({ traceId: '', reversePath: '', recipients: [to] }, [letter]),
            }
          : null,
    })
    this.queue = new OutgoingQueue(this.#core, hostname)
    this.moves = options.moves === undefined ? null : new Moves(this.#core, options.moves, this.queue)
    this.#cancelSweep = clock.after(SWEEP_INTERVAL_MS, () => this.#sweep())
  }

  /** Largest letter, header block not counted: EHLO SIZE, APPENDLIMIT. */
  get bodyBytesMax(): number {
    return this.#core.limits.bodyBytesMax
  }

  /** Says for each recipient whether a letter of this size would be stored now; changes nothing. */
  checkRecipients(queries: readonly RecipientQuery[]): RecipientVerdict[] {
    return queries.map(({ account: id, sizeBytes }): RecipientVerdict => {
      if (!this.#core.serving) return { kind: 'unavailable' }
      if (sizeBytes > this.#core.limits.bodyBytesMax) return { kind: 'too-large' }
      const account = this.#core.accounts.get(id)
      if (account === null) return absenceVerdict(this.#core, id)
      if (account.suspended) return { kind: 'suspended' }
      // Without SIZE the smallest letter is asked for: a full account refuses at RCPT.
      return { kind: account.fits(Math.max(1, sizeBytes)) ? 'ok' : 'over-quota' }
    })
  }

  /**
   * Stores a letter that is there as a whole; outcomes in the order of the recipients, after commit and apply.
   * @param body Not copied: do not reuse the buffers.
   * @throws {StoreError} STORE_BODY_TOO_LARGE, STORE_LIMIT, STORE_UNAVAILABLE: then nothing was stored
   */
  async deliver(request: DeliveryRequest, body: readonly Uint8Array[]): Promise<DeliveryOutcome[]> {
    const delivery = this.beginDelivery(request)
    for (const piece of body) {
      const wait = delivery.write(piece)
      if (wait !== undefined) await wait
    }
    return delivery.finish()
  }

  /** Takes a letter in pieces; more than 1 MiB of it goes into the log as it comes. @throws {StoreError} STORE_LIMIT, STORE_UNAVAILABLE */
  beginDelivery(request: DeliveryRequest): DeliveryStream {
    return new Delivery(this.#core, this.#deliveries, request, this.quarantine)
  }

  /** @throws {StoreError} STORE_UNKNOWN_ACCOUNT, STORE_GENERATION, STORE_UNAVAILABLE */
  runAccountCommand(command: AccountCommand): Promise<AccountResult> {
    return this.#commands.run(command)
  }

  /** Whether an administrator may open this session: provisioning has admitted it, and it was not opened before. */
  redeemTicket(account: AccountId, ticket: string): boolean {
    return this.#commands.admissions.redeem(account, ticket)
  }

  accountState(id: AccountId): 'active' | 'suspended' | 'unknown' {
    const account = this.#core.accounts.get(id)
    if (account === null) return 'unknown'
    return account.suspended ? 'suspended' : 'active'
  }

  /** Why no session of the account can begin here: it is elsewhere, unknown, or suspended; null: it can. */
  whyNotServed(id: AccountId, by: SessionUser = 'user'): StoreError | null {
    const account = this.#core.accounts.get(id)
    if (account === null) return this.#core.absence(id)
    return account.suspended && by === 'user' ? suspended(id) : null
  }

  /**
   * Counts a session in. Every session registers before it opens anything.
   * @param end Called at most once, when the session must end: suspension, deletion, shutdown, failure, `endSessions`.
   * @returns The release, to be called when the session is over.
   * @throws {StoreError} STORE_UNKNOWN_ACCOUNT, STORE_SUSPENDED, STORE_LIMIT, STORE_UNAVAILABLE
   */
  registerSession(
    account: AccountId,
    protocol: SessionProtocol,
    end: EndSession,
    by: SessionUser = 'user',
  ): () => void {
    this.#core.check()
    if (this.#core.account(account).suspended && by === 'user') throw suspended(account)
    return this.#core.sessions.register(account, protocol, end)
  }

  /** Notes under which addresses others may share with the account. @throws {StoreError} when nothing can be written now */
  async introduce(id: AccountId, { addresses }: Identity): Promise<void> {
    await new ImapAccountState(this.#core, id).setAddresses(addresses)
  }

  /**
   * @param identity Under which addresses others have shared mailboxes with the account; absent: mailboxes are not shared.
   * @throws {StoreError} STORE_UNKNOWN_ACCOUNT, STORE_SUSPENDED, STORE_UNAVAILABLE
   */
  openImapAccount(id: AccountId, identity?: Identity, by: SessionUser = 'user'): ImapAccount {
    this.#core.check()
    if (this.#core.account(id).suspended && by === 'user') throw suspended(id)
    const own = new ImapAccountState(this.#core, id)
    return identity === undefined ? own : new SharedView(own, identity, new ShardNeighbours(this.#core))
  }

  /** @throws {StoreError} STORE_IN_USE, STORE_UNKNOWN_ACCOUNT, STORE_SUSPENDED, STORE_UNAVAILABLE */
  async openMaildrop(id: AccountId): Promise<Maildrop> {
    this.#core.check()
    const account = this.#core.account(id)
    if (account.suspended) throw suspended(id)
    return new MaildropState(this.#core, account, this.#maildrops)
  }

  /** What was decided about letters of that name: `quarantine/explain.ts`. */
  explain(account: AccountId | null, name: string): Promise<ExplainReport> {
    return explain(this.#core, account, name)
  }

  /** Ends all registered sessions of the account. @returns How many */
  endSessions(account: AccountId, reason: string): number {
    return this.#core.sessions.end(account, reason)
  }

  /** Ends every session; the store goes on serving new ones. */
  endAllSessions(reason: string): void {
    this.#core.sessions.endAll(reason)
  }

  counts(): StoreCounts {
    return {
      sessions: this.#core.sessions.count,
      accountsInMemory: this.#core.accounts.size,
      openMailboxes: this.#core.openMailboxes,
      pending: this.#core.pipeline.pendingCount,
    }
  }

  /** This replica is no longer primary: everything that waits is refused, all sessions end, the store is of no more use. */
  depose(reason: string): void {
    this.#cancelSweep()
    this.#learner?.stop()
    this.queue.stop()
    this.moves?.stop()
    this.#core.pipeline.stop(new StoreError('STORE_NOT_PRIMARY', `Cannot write: ${reason}`))
    this.#core.sessions.endAll(reason)
  }

  /** Takes nothing new, ends all sessions, and resolves when what was appended is settled. Index and log stay open: close them next. */
  async close(reason: string): Promise<void> {
    this.#cancelSweep()
    this.#learner?.stop()
    this.queue.stop()
    this.moves?.stop()
    this.#core.stopTaking(reason)
    this.#core.sessions.endAll(reason)
    await this.#core.pipeline.drained()
  }

  /** Forgets delivery ids that are too old to come again. */
  #sweep(): void {
    if (!this.#core.serving) return
    this.#core.index.sweepDeliveries(this.#core.clock.nowMs() - this.#core.limits.deliveryMemoryMs, SWEEP_ROWS)
    // A primary that is deposed meanwhile, or a full disk: the next one goes on.
    this.quarantine.sweep().catch(unlessRefused)
    this.#cancelSweep = this.#core.clock.after(SWEEP_INTERVAL_MS, () => this.#sweep())
  }
}

function unlessRefused(error: unknown): void {
  if (error instanceof StoreError) return
  queueMicrotask(() => {
    throw error // a bug
  })
}

function absenceVerdict({ index }: StoreCore, id: AccountId): RecipientVerdict {
  const place = elsewhere(index, id)
  if (place.kind === 'moved') return place
  return { kind: place.kind === 'handed-over' ? 'unavailable' : 'unknown' }
}

/** Whose session it is: an administrator, admitted by provisioning, also sees what is suspended. */
export type SessionUser = 'user' | 'administrator'

function suspended(account: AccountId): StoreError {
  return new StoreError('STORE_SUSPENDED', `Cannot open account ${account}: it is suspended`)
}
