/**
 * A simple model of what a mail store must be, and a driver that runs random operations on store and model: operations
 * overlap, commit comes late and in parts, the process crashes and comes back with an index of any age.
 *
 * The model learns of an operation when the store answers it. Conflicting operations of one account are answered in the order
 * in which they happened, so at rest both must be equal; after a crash the store may show, beyond what it answered, the
 * effect of operations that were under way, and nothing else.
 */
import assert from 'node:assert/strict'
import type { MailboxView, OpenMailbox } from '#lib/imap/store.ts'
import { contains } from '#lib/imap/syntax/sequence-set.ts'
import { changeFlags, Flag, type FlagChange, type Flags } from '#lib/mail/flags.ts'
import { type AccountId, toLsn, toUid, type Uid } from '#lib/mail/types.ts'
import { StoreError } from '../../errors.ts'
import { catchUp, rebuildIndex } from '../../index/open.ts'
import { SqliteIndex } from '../../index/sqlite-index.ts'
import type { DeliveryRequest } from '../delivery.ts'
import type { MailboxLimits } from '../limits.ts'
import { canonicalName, isBelow, parentNames } from '../names.ts'
import { MemoryLog } from './memory-log.ts'
import { ANNA, BERT, makeWorld, openByName, recipient, textOf, turn, type World, worldWith } from './world.ts'

export interface ModelMessage {
  readonly text: string
  flags: Flags
}

type Mailboxes = Map<string, Map<number, ModelMessage>>

/** One step of a history; numbers pick among what is there. */
export type Step =
  | {
      readonly kind: 'deliver'
      readonly mailbox: string
      readonly both: boolean
      readonly large: boolean
      /** The edge asks again while the first try is under way. */
      readonly again: boolean
    }
  | { readonly kind: 'append'; readonly mailbox: string; readonly flags: Flags }
  | {
      readonly kind: 'store'
      readonly mailbox: string
      readonly pick: number
      readonly change: FlagChange
      readonly flags: Flags
    }
  | { readonly kind: 'expunge' | 'recent' | 'look'; readonly mailbox: string }
  | { readonly kind: 'copy' | 'move'; readonly mailbox: string; readonly pick: number; readonly target: string }
  | { readonly kind: 'create' | 'delete'; readonly mailbox: string }
  | { readonly kind: 'rename'; readonly mailbox: string; readonly target: string }
  | { readonly kind: 'commit'; readonly part: number }
  | { readonly kind: 'rest' }
  | { readonly kind: 'crash'; readonly tail: number; readonly indexAge: number }

interface UnderWay {
  /** May take messages away if it turns out to have happened. */
  readonly destructive: boolean
  readonly retry?: DeliveryRequest
  readonly body?: Buffer
}

const FIRST = ['Archive', 'Drafts', 'INBOX', 'Junk', 'Sent', 'Trash']

export class ModelRun {
  #world: World
  readonly #limits: Partial<MailboxLimits>
  readonly #model = new Map<AccountId, Mailboxes>()
  #underWay = new Set<UnderWay>()
  #open = new Map<string, { mailbox: OpenMailbox; view: MailboxView }>()
  /** What a UID of a mailbox ever was: it may never be anything else. */
  readonly #meaning = new Map<string, string>()
  /** What was shown last, per mailbox id. */
  readonly #shown = new Map<string, { uidNext: number; modSeq: number; flags: ReadonlyMap<number, string> }>()
  #letters = 0
  /** How often each kind of step did something, for tests that must not pass by doing nothing. */
  readonly done: Record<string, number> = {}

  private constructor(world: World, limits: Partial<MailboxLimits>) {
    this.#world = world
    this.#limits = limits
    for (const account of [ANNA, BERT]) this.#model.set(account, new Map(FIRST.map((name) => [name, new Map()])))
  }

  /** @param messagesPerStepMax Small: orders are cut into steps, between which the process may die. */
  static async start(messagesPerStepMax: number): Promise<ModelRun> {
    const limits = { messagesPerStepMax }
    return new ModelRun(await worldWith({ log: new MemoryLog('by-hand'), limits }, ANNA, BERT), limits)
  }

  async step(step: Step): Promise<void> {
    switch (step.kind) {
      case 'deliver':
        this.#deliver(step.mailbox, step.both, step.large, step.again)
        break
      case 'append':
        this.#append(step.mailbox, step.flags)
        break
      case 'store':
        await this.#withMailbox(step.mailbox, (mailbox, uids) => {
          const picked = pick(uids, step.pick)
          return this.#track(
            false,
            mailbox.store({ uids: picked, change: step.change, flags: step.flags }).then(() => {
              const messages = this.#messages(ANNA, mailbox.info.name)
              for (const uid of picked) {
                const message = messages?.get(uid)
                if (message !== undefined) message.flags = changeFlags(message.flags, step.change, step.flags)
              }
            }),
          )
        })
        break
      case 'expunge':
        await this.#withMailbox(step.mailbox, (mailbox) =>
          this.#track(
            true,
            mailbox.expunge(null).then((gone) => {
              for (const uid of gone) this.#messages(ANNA, mailbox.info.name)?.delete(uid)
            }),
          ),
        )
        break
      case 'copy':
      case 'move': {
        const { kind, target } = step
        await this.#withMailbox(step.mailbox, (mailbox, uids) =>
          this.#track(
            kind === 'move',
            mailbox[kind](pick(uids, step.pick), target).then(({ source, target: copies }) => {
              const from = this.#messages(ANNA, mailbox.info.name)
              const to = this.#messages(ANNA, canonicalName(target))
              const moved = source.map((uid) => from?.get(uid))
              if (kind === 'move') for (const uid of source) from?.delete(uid)
              copies.forEach((uid, i) => {
                const message = moved[i]
                assert.ok(message !== undefined && to !== undefined, 'the store copied what the model has')
                to.set(uid, { ...message })
              })
            }),
          ),
        )
        break
      }
      case 'create':
        this.#track(
          false,
          this.#account()
            .create(step.mailbox, null)
            .then(() => this.#makeWithParents(step.mailbox)),
        )
        break
      case 'delete':
        this.#track(
          true,
          this.#account()
            .delete(step.mailbox)
            .then(() => {
              this.#mailboxes(ANNA).delete(step.mailbox)
            }),
        )
        break
      case 'rename':
        this.#track(
          true,
          this.#account()
            .rename(step.mailbox, step.target)
            .then(() => this.#renamed(step.mailbox, step.target)),
        )
        break
      case 'recent':
        await this.#withMailbox(step.mailbox, (mailbox) => this.#track(false, mailbox.claimRecent()))
        break
      case 'look':
        await this.#withMailbox(step.mailbox, (mailbox) => this.#look(step.mailbox, mailbox))
        break
      case 'commit': {
        const { log } = this.#world
        log.sync(log.durableLsn + Math.ceil((log.lastLsn - log.durableLsn) * step.part))
        await turn()
        break
      }
      case 'rest':
        await this.rest()
        break
      case 'crash':
        await this.#crash(step.tail, step.indexAge)
        break
      default:
        step satisfies never
    }
  }

  /** Commits everything and compares all there is. */
  async rest(): Promise<void> {
    await this.#settle()
    assert.deepEqual(await this.#actual(), this.#expected())
    const { index, log } = this.#world
    assert.deepEqual(index.digest(0), (await rebuildIndex(log, index.appliedLsn)).digest(0))
  }

  async #settle(): Promise<void> {
    for (let round = 0; round < 1_000; round++) {
      await turn()
      this.#world.log.sync()
      if (this.#underWay.size === 0) return
    }
    assert.fail('every operation is answered')
  }

  async #crash(tail: number, indexAge: number): Promise<void> {
    await turn()
    const lost = this.#underWay
    this.#underWay = new Set()
    this.#open = new Map()
    const { log: before, index: old, clock, random } = this.#world
    const log = before.afterCrash(Math.floor((before.lastLsn - before.durableLsn) * tail))
    const index = indexAge === 0 ? old : await rebuildIndex(log, toLsn(Math.floor(old.appliedLsn * (1 - indexAge))))
    assert.ok(index instanceof SqliteIndex)
    await catchUp(log, index, log.durableLsn)
    this.#world = makeWorld({ log, index, clock, random, limits: this.#limits })
    const destructive = [...lost].some((operation) => operation.destructive)
    const actual = await this.#actual()
    for (const [account, mailboxes] of this.#model) {
      for (const [name, messages] of mailboxes) {
        for (const [uid, { text }] of messages) {
          const there = actual.get(account)?.get(name)?.get(uid)
          if (there === undefined)
            assert.ok(destructive && account === ANNA, `${name} ${uid} was acknowledged and is gone`)
          else assert.equal(there.text, text)
        }
      }
    }
    for (const [account, mailboxes] of actual) this.#model.set(account, mailboxes)
    this.#note('crash')
    for (const { retry, body } of lost) if (retry !== undefined && body !== undefined) this.#send(retry, body)
  }

  #deliver(mailbox: string, both: boolean, large: boolean, again: boolean): void {
    const text = `letter ${++this.#letters} `.padEnd(large ? 1_100_000 : 20, 'x')
    const to = [ANNA, ...(both ? [BERT] : [])]
    const recipients = to.map((account) =>
      recipient(account, { mailbox, headerBlock: Buffer.from(`To: ${account}\r\n`) }),
    )
    const request = { traceId: 't', reversePath: '', recipients }
    this.#send(request, Buffer.from(text))
    if (again) this.#send(request, Buffer.from(text))
  }

  #send(request: DeliveryRequest, body: Buffer): void {
    const text = body.toString()
    const delivered = this.#world.store.deliver(request, [body]).then((outcomes) => {
      outcomes.forEach((outcome, i) => {
        const to = request.recipients[i]
        if (to === undefined || outcome.kind !== 'stored') throw new StoreError('STORE_UNAVAILABLE', 'not stored')
        const name = canonicalName(to.mailbox)
        const messages = this.#messages(to.account, name) ?? this.#messages(to.account, 'INBOX')
        assert.ok(messages)
        const whole = `To: ${to.account}\r\n${text}`
        const copies = [...this.#mailboxes(to.account).values()].flatMap((all) => [...all.values()])
        if (outcome.duplicate) {
          this.#note('duplicate')
          return
        }
        assert.ok(!copies.some((message) => message.text === whole), 'a retried letter is stored once')
        messages.set(outcome.uid, { text: whole, flags: { system: 0, keywords: [] } })
      })
      this.#note('deliver')
    })
    this.#track(false, delivered, { retry: request, body })
  }

  #append(mailbox: string, flags: Flags): void {
    const text = `appended ${++this.#letters}`
    const appended = this.#account()
      .append({ mailbox, flags, internalDateMs: null, body: [Buffer.from(text)] })
      .then(({ uid }) => {
        this.#messages(ANNA, canonicalName(mailbox))?.set(uid, { text, flags })
      })
    this.#track(false, appended)
  }

  /** Follows an operation to its answer; a refusal by the rules changes nothing. */
  #track(destructive: boolean, work: Promise<unknown>, more: Omit<UnderWay, 'destructive'> = {}): void {
    const world = this.#world
    const operation: UnderWay = { destructive, ...more }
    this.#underWay.add(operation)
    const over = () => {
      if (world === this.#world) this.#underWay.delete(operation)
    }
    work.then(over, (error: unknown) => {
      over()
      if (!(error instanceof StoreError)) this.#broken ??= error
    })
  }

  #broken: unknown = null

  /** Compares a session's next view with its last one. */
  async #look(name: string, mailbox: OpenMailbox): Promise<void> {
    const session = this.#open.get(name)
    if (session === undefined) return
    const before = session.view
    const delta = mailbox.delta(before)
    const then = shown(before)
    const now = shown(delta.view)
    assert.deepEqual(
      now.slice(0, delta.firstNew),
      then.filter((uid) => !delta.vanished.includes(toUid(uid))),
    )
    assert.ok(now.slice(delta.firstNew).every((uid) => uid >= before.uidNext))
    assert.ok(delta.changed.every(({ uid, modSeq }) => now.includes(uid) && modSeq > before.modSeq))
    assert.equal(mailbox.facts(now.map(toUid)).length, now.length)
    // The same, asked as a client does that comes back (RFC 7162).
    const added = now.slice(delta.firstNew)
    assert.deepEqual([...mailbox.changedSince(before.modSeq)], [...delta.changed.map(({ uid }) => uid), ...added])
    const gone = mailbox.vanishedSince(before.modSeq)
    for (const uid of delta.vanished) assert.ok(contains(gone, uid), `${uid} vanished`)
    for (const uid of now) assert.ok(!contains(gone, uid), `${uid} is there`)
    // What vanished is still readable for those who have not been told yet.
    for (const uid of delta.vanished) assert.ok((await textOf(mailbox.message(uid))).length > 0)
    session.view = delta.view
    this.#note('look')
  }

  async #withMailbox(name: string, work: (mailbox: OpenMailbox, uids: Uid[]) => unknown): Promise<void> {
    let session = this.#open.get(name)
    if (session === undefined || this.#account().find(name)?.id !== session.mailbox.info.id) {
      if (this.#account().find(name) === null) return
      const mailbox = await openByName(this.#account(), name)
      session = { mailbox, view: mailbox.view }
      this.#open.set(name, session)
    }
    await work(session.mailbox, shown(session.view).map(toUid))
  }

  /** Everything the store shows, after checks that need no model. */
  async #actual(): Promise<Map<AccountId, Mailboxes>> {
    if (this.#broken !== null) throw this.#broken
    const accounts = new Map<AccountId, Mailboxes>()
    for (const id of [ANNA, BERT]) {
      const account = this.#world.store.openImapAccount(id)
      const mailboxes: Mailboxes = new Map()
      for (const { id: mailboxId, name } of account.mailboxes()) {
        const mailbox = await openByName(account, name, true)
        const messages = new Map<number, ModelMessage>()
        for (const facts of mailbox.facts(shown(mailbox.view).map(toUid))) {
          const text = await textOf(mailbox.message(facts.uid))
          messages.set(facts.uid, { text, flags: facts.flags })
          const meaning = `${mailboxId} ${facts.uid}`
          assert.equal(this.#meaning.get(meaning) ?? text, text, `UID ${meaning} means two messages`)
          this.#meaning.set(meaning, text)
        }
        const { uidNext, highestModSeq, ...counts } = mailbox.status()
        const all = mailbox.facts(shown(mailbox.view).map(toUid))
        const recentUpTo = await mailbox.claimRecent()
        assert.deepEqual(
          [counts.messages, counts.unseen, counts.deleted, counts.recent, counts.sizeBytes],
          [
            all.length,
            all.filter(({ flags }) => (flags.system & Flag.seen) === 0).length,
            all.filter(({ flags }) => (flags.system & Flag.deleted) !== 0).length,
            all.filter(({ uid }) => uid > recentUpTo).length,
            all.reduce((sum, facts) => sum + facts.sizeBytes, 0),
          ],
          `counters of ${name}`,
        )
        const last = this.#shown.get(mailboxId)
        if (last !== undefined) assert.ok(uidNext >= last.uidNext && highestModSeq >= last.modSeq, 'counters only grow')
        for (const { uid, flags, modSeq } of all) {
          const changed = last !== undefined && last.flags.get(uid) !== JSON.stringify(flags)
          if (changed) assert.ok(modSeq > last.modSeq, `the change of ${name} ${uid} has a MODSEQ above what was shown`)
        }
        const flags = new Map(all.map((facts) => [facts.uid, JSON.stringify(facts.flags)]))
        this.#shown.set(mailboxId, { uidNext, modSeq: highestModSeq, flags })
        mailboxes.set(name, messages)
        mailbox.close()
      }
      accounts.set(id, mailboxes)
    }
    return accounts
  }

  #expected(): Map<AccountId, Mailboxes> {
    const sorted = new Map<AccountId, Mailboxes>()
    for (const [account, mailboxes] of this.#model) {
      const byName = [...mailboxes].sort(([a], [b]) => (a < b ? -1 : 1))
      sorted.set(
        account,
        new Map(byName.map(([name, messages]) => [name, new Map([...messages].sort(([a], [b]) => a - b))])),
      )
    }
    return sorted
  }

  #makeWithParents(name: string): void {
    const mailboxes = this.#mailboxes(ANNA)
    for (const one of [...parentNames(name), name]) if (!mailboxes.has(one)) mailboxes.set(one, new Map())
  }

  #renamed(from: string, to: string): void {
    const mailboxes = this.#mailboxes(ANNA)
    if (from === 'INBOX') {
      this.#makeWithParents(to)
      // New UIDs from 1 in the order of the old ones.
      const old = [...(mailboxes.get('INBOX') ?? [])].sort(([a], [b]) => a - b)
      mailboxes.set(to, new Map(old.map(([, message], i) => [i + 1, message])))
      mailboxes.set('INBOX', new Map())
      return
    }
    for (const [name, messages] of [...mailboxes]) {
      if (name !== from && !isBelow(name, from)) continue
      mailboxes.delete(name)
      mailboxes.set(to + name.slice(from.length), messages)
    }
    this.#makeWithParents(to)
    this.#note('rename')
  }

  #mailboxes(account: AccountId): Mailboxes {
    const mailboxes = this.#model.get(account)
    assert.ok(mailboxes)
    return mailboxes
  }

  #messages(account: AccountId, name: string): Map<number, ModelMessage> | undefined {
    return this.#mailboxes(account).get(name)
  }

  #account() {
    return this.#world.store.openImapAccount(ANNA)
  }

  #note(kind: string): void {
    this.done[kind] = (this.done[kind] ?? 0) + 1
  }
}

function shown(view: MailboxView): number[] {
  return Array.from(view.uids.subarray(0, view.exists))
}

/** Some of `uids`, chosen by the bits of `bits`. */
function pick(uids: readonly Uid[], bits: number): Uid[] {
  return uids.filter((_, i) => (bits >>> (i % 30)) & 1)
}
