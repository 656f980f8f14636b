/** A store with a queue on a log and an index in memory, and a clock whose timers the test runs. */
import type { QueueItem, QueueRequest, RecipientResult } from '#lib/frames/queue.ts'
import type { DeliveryOutcome } from '#lib/frames/shard-protocol.ts'
import { toLsn } from '#lib/mail/types.ts'
import { catchUp } from '../../index/open.ts'
import { SqliteIndex } from '../../index/sqlite-index.ts'
import { ManualClock } from '../../log/testing.ts'
import { MailStore } from '../../mailbox/mail-store.ts'
import { MemoryLog } from '../../mailbox/testing/memory-log.ts'
import { ANNA, recipient, SeededRandom, turn } from '../../mailbox/testing/world.ts'
import { QUEUE_LIMITS, type QueueLimits } from '../limits.ts'

export const AUTHOR = 'anna@example.test'
export const LETTER = 'From: <anna@example.test>\r\nSubject: Tea\r\n\r\nAt four?\r\n'
const TRACE = 'Received: by mx.example.test\r\n'

export class QueueWorld {
  readonly clock: ManualClock
  readonly failures: Error[] = []
  log: MemoryLog
  index: SqliteIndex
  store: MailStore
  readonly #limits: Partial<QueueLimits>
  #letters = 0

  private constructor(limits: Partial<QueueLimits>) {
    this.#limits = limits
    this.clock = new ManualClock()
    this.log = new MemoryLog()
    this.index = new SqliteIndex(':memory:')
    this.store = this.#open()
  }

  /** This shard owns Anna's account. */
  static async make(limits: Partial<QueueLimits> = {}): Promise<QueueWorld> {
    const world = new QueueWorld(limits)
    await world.store.runAccountCommand({ kind: 'own', account: ANNA, generation: 1, quotaBytes: null, locale: 'en' })
    return world
  }

  get queue() {
    return this.store.queue
  }

  /** Submits a letter of Anna's. */
  async submit(to: readonly string[], given: Partial<QueueRequest> = {}, local = false): Promise<DeliveryOutcome[]> {
    const deliveryId = Buffer.alloc(16)
    deliveryId.writeUInt32BE(++this.#letters, 0)
    const queue: QueueRequest = {
      account: ANNA,
      deliveryId,
      headerBlock: Buffer.from(TRACE),
      eightBit: false,
      smtpUtf8: false,
      ret: null,
      envid: null,
      recipients: to.map((address) => ({ address, notify: null, orcpt: null })),
      ...given,
    }
    const recipients = local ? [recipient(ANNA)] : []
    return await this.store.deliver({ traceId: 't1', reversePath: AUTHOR, recipients, queue }, [Buffer.from(LETTER)])
  }

  async take(owner: object = this, busy: string[] = []): Promise<QueueItem[]> {
    return await this.queue.take({ itemsMax: 50, busy, waitMs: 0 }, owner)
  }

  /** The same result for all recipients of an item. */
  async settle(item: QueueItem, kind: RecipientResult['kind'], reply = '', remote = 'mx.example.net'): Promise<void> {
    await this.queue.result({
      attempt: item.attempt,
      results: item.recipients.map(({ place }) => ({ place, kind, reply, remote, dsn: false })),
    })
  }

  /** Reads a letter as a sender does. */
  async text(item: QueueItem): Promise<string> {
    return Buffer.from((await this.queue.read(item.entry, 0, item.sizeBytes)) ?? '').toString('utf8')
  }

  async pass(ms: number): Promise<void> {
    this.clock.advance(ms)
    for (let i = 0; i < 8; i++) await turn()
  }

  /** The process dies and comes back with what was durable, its index made anew from the log. */
  async crash(): Promise<void> {
    this.store.depose('crash')
    this.log = this.log.afterCrash()
    this.index.close()
    this.index = new SqliteIndex(':memory:')
    await catchUp(this.log, this.index, toLsn(this.log.durableLsn))
    this.store = this.#open()
  }

  #open(): MailStore {
    return new MailStore({
      log: this.log,
      index: this.index,
      clock: this.clock,
      random: new SeededRandom(1),
      hostname: 'mx.example.test',
      limits: { queue: { ...QUEUE_LIMITS, ...this.#limits } },
      onFailure: (error) => this.failures.push(error),
    })
  }
}
