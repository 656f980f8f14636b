/**
 * One history of accounts that move between three shards: the real store of each on a log that its members agree on. Users write, change and
 * delete; administrators move and cancel; primaries die or are deposed, messages between shards are lost, late or come twice.
 *
 * At no moment two shards serve one account. In the end, when nothing breaks any more, each account is served by one shard, every letter that was
 * answered is there once with its UID, bytes and last flags, nothing that was deleted came back, and no move is under way.
 */
import { errorCode } from '#lib/errors/coded-error.ts'
import { Flag } from '#lib/mail/flags.ts'
import { type AccountId, type ShardName, toAccountId, toShardName, toUid } from '#lib/mail/types.ts'
import { openIndex, rebuildIndex } from '#shard/index/open.ts'
import type { ShardIndex } from '#shard/index/port.ts'
import { MailStore } from '#shard/mailbox/mail-store.ts'
import type { MoveNotice } from '#shard/move/notices.ts'
import type { MovePeer } from '#shard/move/peer.ts'
import type { Coverage } from '../coverage.ts'
import { type Life, type Machine, World } from '../world.ts'
import { SimShardLog } from './shard-log.ts'

const SHARDS = ['n1/0', 'n2/0', 'n3/0'].map(toShardName)
const ACCOUNTS = ['aaaaaaaaaaaaaaaa', 'bbbbbbbbbbbbbbbb'].map(toAccountId)
/** Virtual time in which things break, and after it until all must be well. */
const TROUBLE_MS = 8_000
const CALM_MS = 1_300_000
/** When nothing breaks any more, each account has a server within this. */
const SERVED_AGAIN_MS = 20_000
const LETTER_EVERY_MS = 120
const CHANGE_EVERY_MS = 150
/** A letter that nobody took is tried again so soon. */
const RETRY_MS = 30

interface Shard {
  readonly name: ShardName
  readonly machine: Machine
  life: Life
  log: SimShardLog
  index: ShardIndex
  store: MailStore
  cutUntilMs: number
}

/** What was answered about a letter. */
interface Known {
  readonly account: AccountId
  readonly text: string
  readonly uid: number
  /** Somebody is changing it. */
  busy: boolean
  flagged: boolean | 'unknown'
  gone: boolean | 'unknown'
}

export class MovesFailure extends Error {
  override readonly name = 'MovesFailure'
}

function claim(holds: boolean, words: string): asserts holds {
  if (!holds) throw new MovesFailure(words)
}

/** Runs the history of `seed`. @throws {MovesFailure} if a promise was broken */
export async function runMovesHistory(seed: number): Promise<Coverage> {
  const history = new MovesHistory(seed)
  await history.run()
  return history.coverage
}

class MovesHistory {
  readonly #world: World
  readonly #shards = new Map<ShardName, Shard>()
  readonly #letters: Known[] = []
  readonly #homes = new Map<AccountId, ShardName>()
  #failure: Error | null = null
  #calm = false
  /** Of all shards together, when it was last looked who serves. */
  #applied = 0
  #letterCount = 0
  #moveCount = 0

  constructor(seed: number) {
    this.#world = new World(seed)
  }

  get coverage(): Coverage {
    return this.#world.coverage
  }

  async run(): Promise<void> {
    this.coverage.count('histories')
    for (const name of SHARDS) await this.#boot(name)
    for (const [i, account] of ACCOUNTS.entries())
      await this.#own(account, SHARDS[i] ?? SHARDS[0] ?? toShardName('n1/0'))
    for (const account of ACCOUNTS) {
      this.#every(LETTER_EVERY_MS, () => this.#deliver(account))
      this.#every(CHANGE_EVERY_MS, () => this.#change(account))
    }
    this.#every(600, () => this.#orderMove())
    this.#every(1_200, () => this.#breakSomething())
    await this.#pass(TROUBLE_MS)
    this.#calm = true
    for (const shard of this.#shards.values()) shard.cutUntilMs = 0
    await this.#pass(SERVED_AGAIN_MS)
    for (const account of ACCOUNTS) claim(this.#serving(account).length === 1, `${account} is served again`)
    // What arrives and was forgotten is found after a while only.
    for (let passed = 0; passed < CALM_MS && !this.#allSettled(); passed += 5_000) await this.#pass(5_000)
    await this.#check()
  }

  /** Virtual time goes on; at each event no account may have two servers. */
  async #pass(ms: number): Promise<void> {
    const { clock } = this.#world
    await clock.run(() => {
      let applied = 0
      for (const { index } of this.#shards.values()) applied += index.appliedLsn
      if (applied === this.#applied) return this.#failure !== null
      this.#applied = applied
      for (const account of ACCOUNTS) {
        const serving = this.#serving(account)
        if (serving.length > 1) this.#failure ??= new MovesFailure(`${serving.join(' and ')} serve ${account}`)
      }
      return this.#failure !== null
    }, clock.nowMs + ms)
    if (this.#failure !== null) throw this.#failure
  }

  #serving(account: AccountId): ShardName[] {
    return SHARDS.filter((name) => {
      const status = this.#shards.get(name)?.index.account(account)?.status
      return status === 'active' || status === 'suspended'
    })
  }

  async #boot(name: ShardName): Promise<void> {
    const machine = this.#world.machine(name)
    const life = machine.boot()
    const log = new SimShardLog(life.clock, this.#world.random.fork())
    const { index } = await openIndex({ log, place: ':memory:' })
    this.#shards.set(name, {
      name,
      machine,
      life,
      log,
      index,
      store: this.#store(name, life, log, index),
      cutUntilMs: 0,
    })
  }

  #store(name: ShardName, life: Life, log: SimShardLog, index: ShardIndex): MailStore {
    return new MailStore({
      log,
      index,
      clock: life.clock,
      random: life.random,
      moves: {
        shard: name,
        peers: (target) => this.#peer(name, life, target),
        mayNot: () => (!this.#calm && life.random.chance(0.05) ? 'this shard takes nobody just now' : null),
        onNotice: (notice) => this.#heard(notice),
      },
      onFailure: (error) => {
        if (life.alive) this.#failure ??= error
      },
    })
  }

  #heard(notice: MoveNotice): void {
    if (notice.kind === 'over') this.coverage.count(`moves ${notice.phase}`)
    if (notice.kind === 'freeze-in-vain') this.coverage.count('freezes in vain')
    if (notice.kind === 'dropped') this.coverage.count('target dropped what it had')
  }

  async #own(account: AccountId, home: ShardName): Promise<void> {
    const shard = this.#shards.get(home)
    claim(shard !== undefined, `there is a shard ${home}`)
    this.#homes.set(account, home)
    const owned = shard.store.runAccountCommand({ kind: 'own', account, generation: 1, quotaBytes: null, locale: 'en' })
    await this.#world.settle(shard.life, owned)
  }

  /** One shard to another, over a network that loses, doubles and delays. */
  #peer(from: ShardName, life: Life, to: ShardName): MovePeer {
    const send = <T>(ask: (moves: NonNullable<MailStore['moves']>) => Promise<T>): Promise<T> =>
      life.given(
        new Promise<T>((resolve, reject) => {
          const { random, clock } = this.#world
          const trouble = !this.#calm && random.chance(0.06)
          const lose = (what: string) => {
            this.coverage.count(what)
            clock.after(random.int(100, 800), () => reject(new Error(what)))
          }
          const arrive = (then: (answer: Promise<T>) => void) => {
            const moves = this.#reachable(from, to)?.store.moves
            if (!moves) then(Promise.reject(new Error(`${to} cannot be reached`)))
            else then(ask(moves))
          }
          const quietly = (answer: Promise<T>) => void answer.catch(() => {})
          if (trouble && random.chance(0.3)) {
            lose('message lost')
            return
          }
          if (trouble && random.chance(0.3)) {
            // It arrives when everybody has gone on.
            lose('message came late')
            clock.after(random.int(800, 6_000), () => arrive(quietly))
            return
          }
          if (trouble && random.chance(0.4)) {
            this.coverage.count('message came twice')
            clock.after(random.int(1, 3_000), () => arrive(quietly))
          }
          clock.after(random.int(1, 12), () =>
            arrive((answer) => {
              if (!trouble || random.chance(0.5)) answer.then(resolve, reject)
              else {
                quietly(answer)
                lose('answer lost')
              }
            }),
          )
        }),
      )
    return {
      ask: (question) => send((moves) => moves.ask(structuredClone(question))),
      copy: (batch) => {
        const bytes = Buffer.concat(batch)
        return send((moves) => moves.arrivals.copy(bytes))
      },
    }
  }

  #reachable(from: ShardName, to: ShardName): Shard | null {
    const [source, target] = [this.#shards.get(from), this.#shards.get(to)]
    const nowMs = this.#world.clock.nowMs
    if (!source || !target || source.cutUntilMs > nowMs || target.cutUntilMs > nowMs) return null
    return target.life.alive ? target : null
  }

  #every(ms: number, action: () => void): void {
    const { clock, random } = this.#world
    const next = () => {
      if (this.#calm) return
      action()
      clock.after(ms * (0.5 + random.fraction()), next)
    }
    clock.after(random.int(0, ms), next)
  }

  /** A letter is tried until it is stored; where `moved` is said, there. */
  #deliver(account: AccountId): void {
    const { random, clock, coverage } = this.#world
    const text = `letter ${++this.#letterCount} ${'x'.repeat(random.int(0, 3_000))}`
    const deliveryId = random.bytes(16)
    const moving = () => [...this.#shards.values()].some(({ index }) => index.moves.move(account) !== null)
    const attempt = (home: ShardName) => {
      const shard = this.#shards.get(home)
      if (!shard?.life.alive) {
        clock.after(RETRY_MS, () => attempt(home))
        return
      }
      const recipient = { account, deliveryId, mailbox: 'INBOX', headerBlock: Buffer.alloc(0) }
      const request = { traceId: 't', reversePath: 's@example.org', recipients: [recipient] }
      const during = moving()
      // A life that ends answers nobody.
      const answered = shard.life.atEnd(() => clock.after(RETRY_MS, () => attempt(home)))
      shard.life.given(shard.store.deliver(request, [Buffer.from(text)])).then(
        ([outcome]) => {
          answered()
          if (outcome?.kind === 'stored') {
            coverage.count('letters stored')
            if (during) coverage.count('letters stored while their account moved')
            this.#homes.set(account, home)
            this.#letters.push({ account, text, uid: outcome.uid, busy: false, flagged: false, gone: false })
          } else if (outcome?.kind === 'moved') {
            coverage.count('answered: moved')
            clock.after(1, () => attempt(toShardName(outcome.target)))
          } else {
            if (outcome?.kind !== 'unavailable') this.#failure ??= new MovesFailure(`${home} says ${outcome?.kind}`)
            coverage.count('answered: later')
            clock.after(RETRY_MS, () => attempt(home))
          }
        },
        () => {
          answered()
          clock.after(RETRY_MS, () => attempt(home))
        },
      )
    }
    attempt(this.#homes.get(account) ?? SHARDS[0] ?? toShardName('n1/0'))
  }

  /** Flags of a letter change, or it is deleted, wherever it is served just now. */
  #change(account: AccountId): void {
    const { random, coverage } = this.#world
    const mine = this.#letters.filter((letter) => letter.account === account && letter.gone === false && !letter.busy)
    const [home] = this.#serving(account)
    const shard = home === undefined ? undefined : this.#shards.get(home)
    if (mine.length === 0 || !shard?.life.alive) return
    const letter = random.pick(mine)
    const expunge = random.chance(0.2)
    const before = letter.flagged
    letter.busy = true
    const over = shard.life.atEnd(() => {
      letter.busy = false
    })
    if (expunge) letter.gone = 'unknown'
    else letter.flagged = 'unknown'
    const work = async () => {
      const opened = shard.store.openImapAccount(account)
      const inbox = opened.find('INBOX')
      if (inbox === null) throw new MovesFailure('there is no INBOX')
      const box = await opened.open(inbox.id, false, () => undefined)
      const uids = [toUid(letter.uid)]
      try {
        const flags = { system: expunge ? Flag.deleted : Flag.flagged, keywords: [] }
        const change = before === true && !expunge ? 'remove' : 'add'
        await box.store({ uids, change, flags })
        if (expunge) await box.expunge(uids)
      } finally {
        box.close()
      }
    }
    const done = () => {
      over()
      letter.busy = false
    }
    shard.life.given(work()).then(
      () => {
        done()
        coverage.count(expunge ? 'letters expunged' : 'flags changed')
        if (expunge) letter.gone = true
        else letter.flagged = before !== true
      },
      (error: unknown) => {
        done()
        if (errorCode(error)?.startsWith('STORE_')) return // it may be done, or not
        this.#failure ??= error instanceof Error ? error : new Error(String(error))
      },
    )
  }

  #orderMove(): void {
    const { random, coverage } = this.#world
    const account = random.pick(ACCOUNTS)
    const [home] = this.#serving(account)
    const shard = home === undefined ? undefined : this.#shards.get(home)
    const moves = shard?.life.alive ? shard.store.moves : null
    if (!moves || !shard) return
    const target = random.pick(SHARDS.filter((name) => name !== shard.name))
    coverage.count('moves ordered')
    const started = moves.order({ kind: 'start', account, target, move: `m${++this.#moveCount}` })
    shard.life.given(started).catch((error: unknown) => {
      if (errorCode(error) === 'STORE_MOVE') coverage.count('moves refused: another is under way')
    })
    if (random.chance(0.15)) {
      this.#world.clock.after(random.int(1, 300), () => {
        if (shard.life.alive) moves.order({ kind: 'cancel', account }).catch(() => {})
      })
    }
  }

  #breakSomething(): void {
    const { random, coverage, clock } = this.#world
    const shard = this.#shards.get(random.pick(SHARDS))
    if (!shard?.life.alive) return
    if (random.chance(0.3)) {
      coverage.count('shard cut off')
      shard.cutUntilMs = clock.nowMs + random.int(100, 4_000)
      return
    }
    const under = shard.index.moves.all()
    if (under.some(({ direction }) => direction === 'out')) coverage.count('source died in a move')
    if (under.some(({ direction }) => direction === 'in')) coverage.count('target died in a move')
    const deposed = random.chance(0.4)
    coverage.count(deposed ? 'primary was deposed' : 'primary died')
    if (deposed) shard.store.depose('another member is primary')
    const { store } = shard
    shard.life.end()
    // The machine's next life is the other member, with the log that both agreed on.
    const life = shard.machine.boot()
    shard.life = life
    shard.log = shard.log.handOver(life.clock)
    store.depose('it is over')
    const serve = async () => {
      const { index } = await openIndex({ log: shard.log, place: ':memory:' })
      if (shard.life !== life) return
      shard.index = index
      shard.store = this.#store(shard.name, life, shard.log, index)
    }
    clock.after(random.int(1, 1_500), () => {
      serve().catch((error: unknown) => {
        this.#failure ??= error instanceof Error ? error : new Error(String(error))
      })
    })
  }

  #allSettled(): boolean {
    return [...this.#shards.values()].every(({ index }) => index.moves.all().length === 0)
  }

  async #check(): Promise<void> {
    for (const { name, index, log } of this.#shards.values()) {
      claim(index.moves.all().length === 0, `${name} has a move that never ended: ${JSON.stringify(index.moves.all())}`)
      const rebuilt = await rebuildIndex(log)
      claim(
        JSON.stringify(rebuilt.digest(0)) === JSON.stringify(index.digest(0)),
        `${name}: the index is what its log says`,
      )
      rebuilt.close()
    }
    for (const account of ACCOUNTS) {
      const [home, second] = this.#serving(account)
      claim(home !== undefined && second === undefined, `${account} is served by one shard`)
      await this.#checkAccount(account, home)
    }
    for (const { index } of this.#shards.values()) index.close()
  }

  async #checkAccount(account: AccountId, home: ShardName): Promise<void> {
    const shard = this.#shards.get(home)
    claim(shard !== undefined, `there is a shard ${home}`)
    const { index, log } = shard
    const row = index.account(account)
    const inbox = row === null ? undefined : index.mailboxes(row.key).find(({ name }) => name === 'INBOX')
    claim(inbox !== undefined, `${account} has an INBOX`)
    const from = { modSeq: 0, uid: 0, goneModSeq: 0, goneUid: 0, deliveryUid: 0 }
    const there = new Map<number, { readonly text: string; readonly flagged: boolean }>()
    const texts = new Set<string>()
    for (const message of index.moves.messagesAfter(inbox.key, from, 1_000_000)) {
      let text = ''
      for (const lsn of message.body.lsns) text += Buffer.from((await log.read(lsn)).body).toString('latin1')
      claim(!texts.has(text), `${text.slice(0, 12)} is there once`)
      texts.add(text)
      there.set(message.uid, { text, flagged: (message.flags.system & Flag.flagged) !== 0 })
    }
    for (const { text, uid, flagged, gone } of this.#letters.filter((letter) => letter.account === account)) {
      const name = `${text.slice(0, 12)} (UID ${uid} of ${account} at ${home})`
      const found = there.get(uid)
      if (gone === true) claim(found === undefined, `${name} was deleted and is back`)
      if (gone !== false) continue
      claim(found?.text === text, `${name} is there`)
      if (flagged !== 'unknown') claim(found.flagged === flagged, `${name} has its flags`)
    }
  }
}
