/** A store on a log and an index in memory, with a clock that the test moves and chance from a seed. */
import type { DeliveryRecipient } from '#lib/frames/shard-protocol.ts'
import type { ImapAccount, MailboxStatus, MessageBytes, OpenMailbox } from '#lib/imap/store.ts'
import { type AccountId, toAccountId } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import type { StoreError } from '../../errors.ts'
import { SqliteIndex } from '../../index/sqlite-index.ts'
import type { Teacher } from '../../learning/learner.ts'
import type { TextIndex } from '../../text/port.ts'
import type { MailboxLimits } from '../limits.ts'
import { MailStore } from '../mail-store.ts'
import type { WriteKind } from '../write-kind.ts'
import { MemoryLog } from './memory-log.ts'

export class ManualClock implements Clock {
  #nowMs = Date.UTC(2026, 0, 1)

  nowMs(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  after(_delayMs: number, _action: () => void): () => void {
    return () => undefined
  }

  advance(ms: number): void {
    this.#nowMs += ms
  }
}

/** A linear congruential generator: the same seed, the same bytes. */
export class SeededRandom implements Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => Math.floor(this.fraction() * 256))
  }

  fraction(): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0
    return this.#state / 0x1_0000_0000
  }
}

export interface World {
  readonly log: MemoryLog
  readonly index: SqliteIndex
  readonly clock: ManualClock
  readonly random: SeededRandom
  readonly store: MailStore
  readonly failures: Error[]
}

export interface WorldOptions {
  readonly log?: MemoryLog
  readonly index?: SqliteIndex
  readonly clock?: ManualClock
  readonly random?: SeededRandom
  readonly limits?: Partial<MailboxLimits>
  readonly text?: TextIndex
  readonly teacher?: Teacher
  readonly quarantineDigests?: boolean
  readonly refusal?: (kind: WriteKind) => StoreError | null
  readonly doubt?: (kind: WriteKind) => StoreError | null
}

export function makeWorld(options: WorldOptions = {}): World {
  const log = options.log ?? new MemoryLog()
  const index = options.index ?? new SqliteIndex(':memory:')
  const clock = options.clock ?? new ManualClock()
  const random = options.random ?? new SeededRandom(1)
  const failures: Error[] = []
  const store = new MailStore({
    log,
    index,
    clock,
    random,
    limits: options.limits ?? {},
    onFailure: (error) => failures.push(error),
    ...(options.text && { text: options.text }),
    ...(options.teacher && { teacher: options.teacher }),
    ...(options.quarantineDigests && { quarantineDigests: true }),
    ...(options.refusal && { refusal: options.refusal }),
    ...(options.doubt && { doubt: options.doubt }),
  })
  return { log, index, clock, random, store, failures }
}

export const ANNA = toAccountId('anna234567anna23')
export const BERT = toAccountId('bert234567bert23')

/** A world in which this shard owns Anna's account (or those given). */
export async function worldWith(options: WorldOptions = {}, ...accounts: readonly AccountId[]): Promise<World> {
  const world = makeWorld(options)
  for (const account of accounts.length === 0 ? [ANNA] : accounts) {
    const owned = world.store.runAccountCommand({ kind: 'own', account, generation: 1, quotaBytes: null, locale: 'en' })
    await turn()
    world.log.sync()
    await owned
  }
  return world
}

/** Lets everything run that waits for nothing outside. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

let deliveries = 0

export function recipient(account: AccountId, given: Partial<DeliveryRecipient> = {}): DeliveryRecipient {
  const deliveryId = Buffer.alloc(16)
  deliveryId.writeUInt32BE(++deliveries, 12)
  return { account, deliveryId, mailbox: 'INBOX', headerBlock: Buffer.from('Delivered-To: x\r\n'), ...given }
}

/** Delivers one letter to INBOX (or another mailbox) and returns its UID. */
export async function deliver(world: World, account: AccountId, text: string, mailbox = 'INBOX'): Promise<number> {
  const to = recipient(account, { mailbox })
  const outcomes = await world.store.deliver({ traceId: 't', reversePath: 's@example.org', recipients: [to] }, [
    Buffer.from(text),
  ])
  const [outcome] = outcomes
  if (outcome?.kind !== 'stored') throw new Error(`Cannot deliver: ${outcome?.kind}`)
  return outcome.uid
}

export async function openByName(account: ImapAccount, name: string, readOnly = false): Promise<OpenMailbox> {
  const info = account.find(name)
  if (info === null) throw new Error(`Cannot open ${name}`)
  return account.open(info.id, readOnly, () => undefined)
}

export function statusByName(world: World, account: AccountId, name: string): MailboxStatus {
  const opened = world.store.openImapAccount(account)
  const info = opened.find(name)
  if (info === null) throw new Error(`Cannot find ${name}`)
  return opened.status(info.id)
}

export async function textOf(bytes: MessageBytes | null): Promise<string> {
  if (bytes === null) throw new Error('Cannot read: no such message')
  return Buffer.from(await bytes.read(0, bytes.sizeBytes)).toString('latin1')
}
