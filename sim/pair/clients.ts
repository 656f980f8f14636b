/**
 * The people outside: several clients that deliver, append, flag, expunge, move, copy, make and remove mailboxes and look, each one
 * operation after another, and tell the model what they asked and what they were answered.
 */
import { AssertionFailure } from '#lib/errors/assert.ts'
import { errorCode } from '#lib/errors/coded-error.ts'
import type { ImapAccount, MailboxInfo, OpenMailbox } from '#lib/imap/store.ts'
import { Flag, type Flags, flagNames, NO_FLAGS } from '#lib/mail/flags.ts'
import { type AccountId, toAccountId, toUid, type Uid } from '#lib/mail/types.ts'
import type { MailStore } from '#shard/mailbox/mod.ts'
import type { OperationKind } from '#shard/roles/admission.ts'
import { SimRandom } from '../random.ts'
import { Model, type Text } from './check-model.ts'
import type { PairWorld } from './pair-world.ts'
import type { Process } from './process.ts'

export const ACCOUNTS = ['anna234567anna23', 'bert234567bert23'].map(toAccountId)
const CLIENTS = 4
/** A client that hears nothing for so long gives up. */
const PATIENCE_MS = 10_000
const DELIVERY_TRIES = 40
const READS_PER_LOOK = 2
/** A second altogether: no client waits longer for a planned switchover. */
const HANDOVER_TRIES = 10
const HANDOVER_RETRY_MS = 100
const ROTTEN_TRIES = 20
const ROTTEN_RETRY_MS = 300
const HEADER_BLOCK = Buffer.from('Delivered-To: somebody@example.test\r\n')
const FILLER = new SimRandom(7).bytes(16 * 1024)
/** Refusals after which the operation may have happened all the same. */
const UNKNOWN_AFTER = new Set(['STORE_NOT_PRIMARY', 'STORE_UNAVAILABLE', 'STORE_BUSY', 'STORE_CLOSED', 'LOG_STOPPED'])

type Answer<T> =
  | { readonly kind: 'done'; readonly value: T; readonly epoch: number; readonly askedMs: number }
  | { readonly kind: 'refused' | 'unknown'; readonly why: string }

interface Session {
  readonly process: Process
  readonly store: MailStore
  readonly account: AccountId
  readonly mailbox: OpenMailbox
  readonly release: () => void
  view: OpenMailbox['view']
}

export class Clients {
  readonly model = new Model()
  operations = 0
  acknowledged = 0
  readonly #world: PairWorld
  readonly #random: SimRandom
  readonly #inbox = new Map<AccountId, number>()
  /** Why the last operation came to nothing; for the words of a failure. */
  #why = ''
  #texts = 0
  #names = 0
  #stopped = false
  #running = 0

  constructor(world: PairWorld) {
    this.#world = world
    this.#random = world.world.random.fork()
  }

  get idle(): boolean {
    return this.#running === 0
  }

  /** Makes the accounts; to be called while all is well. */
  async begin(): Promise<void> {
    for (const account of ACCOUNTS) {
      for (;;) {
        const own = await this.#ask('user', (store) =>
          store.runAccountCommand({ kind: 'own', account, generation: 1, quotaBytes: null, locale: 'en' }),
        )
        if (own.kind === 'done') break
        await this.#pass(200)
      }
      for (;;) {
        const inbox = await this.#ask('user', async (store) => store.openImapAccount(account).find('INBOX'), true)
        if (inbox.kind === 'done' && inbox.value !== null) {
          this.#inbox.set(account, inbox.value.uidValidity)
          this.model.mailbox(account, inbox.value.uidValidity, this.#world.nowMs)
          break
        }
        await this.#pass(200)
      }
    }
  }

  /** @param thinkMs Mean pause between two operations of one client */
  run(thinkMs: number): void {
    this.#stopped = false
    for (let i = 0; i < CLIENTS; i++) {
      this.#running++
      this.#client(thinkMs)
        .catch((error: unknown) => this.#world.watch.broken(error))
        .finally(() => {
          this.#running--
        })
    }
  }

  stop(): void {
    this.#stopped = true
  }

  /** One of each kind, which must succeed: all faults are over. */
  async demand(): Promise<void> {
    for (const account of ACCOUNTS) {
      const work = [() => this.#deliver(account, 1), () => this.#append(account), () => this.#flag(account)]
      for (const one of work) await this.#must(one, `work in ${account}`)
      await this.lookAtAll(account)
    }
  }

  /** Shows every mailbox of an account. */
  async lookAtAll(account: AccountId): Promise<void> {
    let listed: readonly MailboxInfo[] = []
    await this.#must(async () => {
      const answer = await this.#list(account)
      listed = answer ?? []
      return answer !== null
    }, `list the mailboxes of ${account}`)
    for (const { name } of listed) await this.#must(() => this.#look(account, name), `look at ${name}`)
  }

  /**
   * All is well: at most a letter is still rotten, which was not read for long, and the peer repairs it now; or a shard is just handed
   * over, because a sync that began before the last fault was over showed a slow disk.
   */
  async #must(work: () => Promise<boolean>, what: string): Promise<void> {
    for (let tries = 0; !(await work()); tries++) {
      if (this.#why === 'LOG_ROTTEN_RECORD' && tries < ROTTEN_TRIES) await this.#pass(ROTTEN_RETRY_MS)
      else if (this.#why === 'not-primary' && tries < HANDOVER_TRIES) await this.#pass(HANDOVER_RETRY_MS)
      else throw new AssertionFailure(`Cannot ${what} although all is well: ${this.#why}`)
    }
  }

  async #client(thinkMs: number): Promise<void> {
    let session: Session | null = null
    while (!this.#stopped) {
      await this.#pass(this.#random.fraction() * 2 * thinkMs)
      if (this.#stopped) return
      const account = this.#random.pick(ACCOUNTS)
      const dice = this.#random.fraction()
      if (dice < 0.3) await this.#deliver(account, DELIVERY_TRIES)
      else if (dice < 0.4) await this.#append(account)
      else if (dice < 0.5) await this.#flag(account)
      else if (dice < 0.58) await this.#expunge(account)
      else if (dice < 0.65) await this.#move(account)
      else if (dice < 0.69) await this.#copy(account)
      else if (dice < 0.72) await this.#create(account)
      else if (dice < 0.735) await this.#rename(account)
      else if (dice < 0.75) await this.#delete(account)
      else if (dice < 0.85) {
        if (session !== null) session = await this.#noop(session)
        else session = await this.#select(account)
      } else await this.#look(account, null)
    }
  }

  #text(once: boolean): Text {
    const name = `text-${++this.#texts}`
    const length = this.#random.chance(0.1) ? this.#random.int(3_000, 16_000) : this.#random.int(0, 900)
    const body = Buffer.concat([Buffer.from(`X-Text: ${name}\r\n\r\n`), FILLER.subarray(0, length)])
    const text = { name, bytes: once ? Buffer.concat([HEADER_BLOCK, body]) : body, once }
    this.model.sends(text)
    return text
  }

  async #deliver(account: AccountId, tries: number): Promise<boolean> {
    const text = this.#text(true)
    const body = text.bytes.subarray(HEADER_BLOCK.length)
    const deliveryId = this.#random.bytes(16)
    const recipient = { account, deliveryId, mailbox: 'INBOX', headerBlock: HEADER_BLOCK }
    const request = { traceId: text.name, reversePath: 'a@example.org', recipients: [recipient], fromUser: false }
    for (let i = 0; i < tries && !(i > 0 && this.#stopped); i++) {
      if (i > 0) await this.#pass(this.#random.int(50, 600))
      const answer = await this.#ask('inbound', async (store) => {
        const [outcome] = await store.deliver(request, [body])
        if (outcome?.kind !== 'stored') throw new NotStored()
        return outcome
      })
      if (answer.kind !== 'done') continue
      const outcome = answer.value
      if (outcome.duplicate) this.#world.coverage.count('delivery known from an earlier try')
      this.model.added(account, this.#inboxOf(account), outcome.uid, text, this.#world.nowMs)
      this.#world.trace.add('client', 'delivered', { text: text.name, uid: outcome.uid, account: account.slice(0, 4) })
      return true
    }
    return false
  }

  async #append(account: AccountId): Promise<boolean> {
    const text = this.#text(false)
    const answer = await this.#ask(
      'user',
      async (store) => {
        const opened = store.openImapAccount(account)
        const target = this.#target(opened)
        return opened.append({ mailbox: target, flags: NO_FLAGS, internalDateMs: null, body: [text.bytes] })
      },
      true,
    )
    if (answer.kind !== 'done') return false
    this.model.added(account, answer.value.uidValidity, answer.value.uid, text, this.#world.nowMs)
    return true
  }

  async #flag(account: AccountId): Promise<boolean> {
    const answer = await this.#inMailbox(account, async (mailbox, uids) => {
      const flags: Flags = this.#random.chance(0.5)
        ? { system: this.#random.pick([Flag.seen, Flag.flagged, Flag.answered]), keywords: [] }
        : { system: 0, keywords: [`k${this.#random.int(1, 20)}`] }
      const { facts } = await mailbox.store({ uids, change: 'add', flags })
      return { facts, wanted: flagNames(flags), uidValidity: mailbox.info.uidValidity }
    })
    if (answer.kind !== 'done') return false
    const { facts, wanted, uidValidity } = answer.value
    for (const { uid, flags } of facts) {
      // One that another session expunged meanwhile is shown as it was.
      const shown = new Set(flagNames(flags))
      for (const name of wanted) {
        if (shown.has(name)) this.model.flagged(account, uidValidity, uid, name, this.#world.nowMs)
      }
    }
    return true
  }

  async #expunge(account: AccountId): Promise<void> {
    let settle: ((gone: readonly number[], nowMs: number) => void) | null = null
    const answer = await this.#inMailbox(account, async (mailbox, uids) => {
      await mailbox.store({ uids, change: 'add', flags: { system: Flag.deleted, keywords: [] } })
      settle = this.model.removes(account, mailbox.info.uidValidity, uids)
      return mailbox.expunge(uids)
    })
    this.#settle(settle, answer, (gone) => gone)
  }

  async #move(account: AccountId): Promise<void> {
    let settle: ((gone: readonly number[], nowMs: number) => void) | null = null
    const answer = await this.#inMailbox(account, async (mailbox, uids, opened) => {
      const target = this.#target(opened)
      const { uidValidity } = mailbox.info
      if (target === mailbox.info.name) return null
      settle = this.model.removes(account, uidValidity, uids)
      return { uidValidity, result: await mailbox.move(uids, target) }
    })
    if (answer.kind === 'done' && answer.value !== null) this.#copied(account, answer.value)
    this.#settle(settle, answer, (moved) => moved?.result.source ?? [])
  }

  async #copy(account: AccountId): Promise<void> {
    const answer = await this.#inMailbox(account, async (mailbox, uids, opened) => {
      const { uidValidity } = mailbox.info
      return { uidValidity, result: await mailbox.copy(uids, this.#target(opened)) }
    })
    if (answer.kind === 'done') this.#copied(account, answer.value)
  }

  #copied(
    account: AccountId,
    { uidValidity, result }: { uidValidity: number; result: Awaited<ReturnType<OpenMailbox['copy']>> },
  ): void {
    for (const [i, source] of result.source.entries()) {
      const target = result.target[i]
      if (target === undefined) throw new AssertionFailure('COPYUID names as many targets as sources')
      const text = this.model.textOf(account, uidValidity, source)
      this.model.added(account, result.uidValidity, target, text, this.#world.nowMs)
    }
  }

  /** Tells the model what a removal came to. What has no answer stays open for ever. */
  #settle<T>(
    settle: ((gone: readonly number[], nowMs: number) => void) | null,
    answer: Answer<T>,
    gone: (value: T) => readonly number[],
  ): void {
    if (answer.kind === 'done') settle?.(gone(answer.value), this.#world.nowMs)
    else if (answer.kind === 'refused') settle?.([], this.#world.nowMs)
  }

  async #create(account: AccountId): Promise<void> {
    const name = `box${++this.#names}`
    const answer = await this.#ask('user', (store) => store.openImapAccount(account).create(name, null), true)
    if (answer.kind === 'done') this.model.mailbox(account, answer.value.uidValidity, this.#world.nowMs)
  }

  async #rename(account: AccountId): Promise<void> {
    const to = `box${++this.#names}`
    await this.#ask(
      'user',
      async (store) => {
        const opened = store.openImapAccount(account)
        const from = this.#ownBox(opened)
        if (from !== null) await opened.rename(from.name, to)
      },
      true,
    )
  }

  async #delete(account: AccountId): Promise<void> {
    const removal: { settle: ((gone: boolean, nowMs: number) => void) | null } = { settle: null }
    const answer = await this.#ask(
      'relief',
      async (store) => {
        const opened = store.openImapAccount(account)
        const box = this.#ownBox(opened)
        if (box === null) return
        // A name is never given twice: whatever happened meanwhile, no other mailbox is meant.
        removal.settle = this.model.removesMailbox(account, box.uidValidity)
        await opened.delete(box.name)
      },
      true,
    )
    if (answer.kind !== 'unknown') removal.settle?.(answer.kind === 'done', this.#world.nowMs)
  }

  async #list(account: AccountId): Promise<readonly MailboxInfo[] | null> {
    const answer = await this.#ask('relief', async (store) => store.openImapAccount(account).mailboxes(), true)
    if (answer.kind !== 'done') return null
    const uidValidities = new Set(answer.value.map(({ uidValidity }) => uidValidity))
    this.model.listed(account, uidValidities, answer.askedMs, this.#world.nowMs)
    return answer.value
  }

  async #look(account: AccountId, name: string | null): Promise<boolean> {
    if (name === null && (await this.#list(account)) === null) return false
    const answer = await this.#ask(
      'relief',
      async (store) => {
        const opened = store.openImapAccount(account)
        const info = name === null ? this.#random.pick(opened.mailboxes().filter(isOurs)) : opened.find(name)
        if (info === null) return null
        const mailbox = await opened.open(info.id, true, () => {})
        try {
          return await this.#read(account, mailbox, mailbox.view)
        } finally {
          mailbox.close()
        }
      },
      true,
    )
    if (answer.kind !== 'done' || answer.value === null) return false
    this.model.shown(answer.value, answer.askedMs, this.#world.nowMs)
    return true
  }

  /** A session that stays: what it shows next must follow from what it showed before. */
  async #select(account: AccountId): Promise<Session | null> {
    const answer = await this.#ask(
      'relief',
      async (store, process) => {
        const opened = store.openImapAccount(account)
        const info = this.#random.pick(opened.mailboxes().filter(isOurs))
        const mailbox = await opened.open(info.id, false, () => {})
        const session = { process, store, account, mailbox, release: () => mailbox.close(), view: mailbox.view }
        const shown = await this.#read(account, mailbox, mailbox.view)
        return { session, shown }
      },
      true,
    )
    if (answer.kind !== 'done') return null
    this.model.shown(answer.value.shown, answer.askedMs, this.#world.nowMs)
    return answer.value.session
  }

  async #noop(session: Session): Promise<Session | null> {
    const { process, store, mailbox, account } = session
    const answer = await this.#ask(
      'relief',
      async (now) => {
        if (now !== store) return null
        const before = session.view
        const { view, vanished, firstNew } = mailbox.delta(before)
        const gone = new Set<number>(vanished)
        const kept = [...before.uids.subarray(0, before.exists)].filter((uid) => !gone.has(uid))
        if (kept.length !== firstNew || kept.some((uid, i) => view.uids[i] !== uid)) {
          throw new AssertionFailure('What a session shows next does not follow from what it showed')
        }
        session.view = view
        return this.#read(account, mailbox, view)
      },
      true,
      process,
    )
    if (answer.kind !== 'done' || answer.value === null || this.#random.chance(0.2)) {
      if (process.term?.store === store) session.release()
      return null
    }
    this.#world.coverage.count('session shown more than once')
    this.model.shown(answer.value, answer.askedMs, this.#world.nowMs)
    return session
  }

  async #read(account: AccountId, mailbox: OpenMailbox, view: OpenMailbox['view']) {
    const uids = [...view.uids.subarray(0, view.exists)].map(toUid)
    const { uidValidity } = mailbox.info
    const facts = mailbox.facts(uids)
    const unknown = uids.filter((uid) => !this.model.known(account, uidValidity, uid))
    const wanted = new Set<Uid>(unknown.slice(-READS_PER_LOOK))
    if (uids.length > 0) wanted.add(this.#random.pick(uids))
    const bytes = new Map<Uid, Buffer>()
    for (const uid of wanted) {
      const message = mailbox.message(uid)
      if (message === null) continue
      bytes.set(uid, Buffer.from(await message.read(0, message.sizeBytes)))
    }
    return {
      account,
      uidValidity,
      uidNext: view.uidNext,
      modSeq: view.modSeq,
      messages: facts.map(({ uid, emailId, flags }) => ({
        uid,
        emailId,
        flags: flagNames(flags),
        bytes: bytes.get(uid) ?? null,
      })),
    }
  }

  /** One command in a mailbox that has messages; refused if it has none. */
  #inMailbox<T>(
    account: AccountId,
    work: (mailbox: OpenMailbox, uids: readonly Uid[], opened: ImapAccount) => Promise<T>,
  ): Promise<Answer<T>> {
    return this.#ask(
      'user',
      async (store) => {
        const opened = store.openImapAccount(account)
        const full = opened.mailboxes().filter((info) => opened.status(info.id).messages > 0)
        if (full.length === 0) throw new NothingToDo()
        const mailbox = await opened.open(this.#random.pick(full).id, false, () => {})
        try {
          const all = [...mailbox.view.uids.subarray(0, mailbox.view.exists)].map(toUid)
          const first = this.#random.int(0, all.length - 1)
          return await work(mailbox, all.slice(first, first + this.#random.int(1, 3)), opened)
        } finally {
          mailbox.close()
        }
      },
      true,
    )
  }

  #target(opened: ImapAccount): string {
    return this.#random.pick(opened.mailboxes().filter(isOurs)).name
  }

  #ownBox(opened: ImapAccount): MailboxInfo | null {
    const own = opened.mailboxes().filter(({ name }) => name.startsWith('box'))
    return own.length === 0 ? null : this.#random.pick(own)
  }

  #inboxOf(account: AccountId): number {
    const uidValidity = this.#inbox.get(account)
    if (uidValidity === undefined) throw new AssertionFailure('the accounts are made first')
    return uidValidity
  }

  /**
   * Sends one operation to whoever says that it is primary. Between the process and the outside stand what the shard's shell
   * checks: admission before, the right to read before and after, the reply rule at the end.
   */
  #ask<T>(
    kind: OperationKind,
    work: (store: MailStore, process: Process) => Promise<T>,
    session = false,
    whom: Process | null = null,
  ): Promise<Answer<T>> {
    this.operations++
    const process = whom ?? this.#primary()
    if (process === null) return Promise.resolve({ kind: 'refused', why: 'nobody is primary' })
    const askedMs = this.#world.nowMs
    return new Promise((resolve) => {
      let over = false
      const end = (answer: Answer<T>) => {
        if (over) return
        over = true
        release()
        cancel()
        if (answer.kind === 'done') this.acknowledged++
        else this.#why = answer.why
        resolve(answer)
      }
      const cancel = this.#world.world.clock.after(PATIENCE_MS, () => end({ kind: 'unknown', why: 'no answer' }))
      let release = () => {}
      release = process.life.atEnd(() => end({ kind: 'unknown', why: 'the process ended' }))
      process.life.gate(() => {
        this.#answer(process, kind, work, session, askedMs).then(end, (error: unknown) => end(this.#failed<T>(error)))
      })
    })
  }

  async #answer<T>(
    process: Process,
    kind: OperationKind,
    work: (store: MailStore, process: Process) => Promise<T>,
    session: boolean,
    askedMs: number,
  ): Promise<Answer<T>> {
    const refusal = await process.admitted(kind)
    if (refusal !== null) return { kind: 'refused', why: refusal }
    const { term } = process
    if (term === null || !process.primary) return { kind: 'refused', why: 'not primary' }
    if (session && !process.mayServe()) return { kind: 'refused', why: 'no right to read' }
    const value = await work(term.store, process)
    if (!process.mayReply(kind)) {
      this.#world.coverage.count('stored on one copy and answered 451')
      return { kind: 'unknown', why: 'stored on one copy' }
    }
    // The session was closed when the right to read was lost.
    if (session && !process.mayServe()) return { kind: 'unknown', why: 'the session was closed' }
    this.#world.watch.answered(term.epoch, askedMs, kind)
    return { kind: 'done', value, epoch: term.epoch, askedMs }
  }

  #failed<T>(error: unknown): Answer<T> {
    if (error instanceof NotStored) return { kind: 'unknown', why: 'not stored' }
    if (error instanceof NothingToDo) return { kind: 'refused', why: 'nothing there' }
    const code = errorCode(error)
    if (code === null || code === undefined) {
      this.#world.watch.broken(error)
      return { kind: 'unknown', why: String(error) }
    }
    if (code === 'LOG_ROTTEN_RECORD') this.#world.coverage.count('rotten letter asked for')
    return { kind: UNKNOWN_AFTER.has(code) || code.startsWith('LOG_') ? 'unknown' : 'refused', why: code }
  }

  #primary(): Process | null {
    const serving = this.#world.members.flatMap(({ process }) => (process?.primary ? [process] : []))
    if (serving.length > 1) this.#world.coverage.count('two that call themselves primary')
    return serving.length === 0 ? null : this.#random.pick(serving)
  }

  #pass(ms: number): Promise<void> {
    return new Promise((resolve) => this.#world.world.clock.after(ms, resolve))
  }
}

class NothingToDo extends Error {}

/** The delivery is put off: the edge tries again. */
class NotStored extends Error {}

/** Where clients of the simulator put letters. */
function isOurs({ name }: MailboxInfo): boolean {
  return name === 'INBOX' || name === 'Archive' || name.startsWith('box')
}
