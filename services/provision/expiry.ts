/**
 * Takes accounts off for good whose grace is over. The entry is claimed first, so that undoing either comes before and wins, or
 * is refused; what dies in between goes on at the next look. A wall clock that has jumped ends nothing.
 */
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { StoredAccount } from '#lib/ldap/entry.ts'
import type { Logger } from '#lib/log/logger.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { purge } from './account-delete.ts'
import type { Context } from './context.ts'
import { CLOCK_JUMP_MS, EXPIRIES_AT_ONCE, EXPIRY_EVERY_MS } from './limits.ts'
import type { Ports } from './ports.ts'

/** Marks an entry that was claimed; the place in the stream stays that of the deletion. */
const CLAIM = 'expired'

/** Whether an account is to go for good now. */
export function isDue(account: StoredAccount, nowMs: number): boolean {
  if (account.status !== 'deleting') return false
  return account.deletion === null ? isClaimed(account) : account.deletion.atMs <= nowMs
}

function isClaimed(account: StoredAccount): boolean {
  return account.lastCommand.split(':')[2] === CLAIM
}

/** @returns false if somebody else was faster. */
export async function expire(context: Context, account: StoredAccount): Promise<boolean> {
  if (!isClaimed(account)) {
    const [stream = '', sequence = ''] = account.lastCommand.split(':')
    const mark = `${stream}:${sequence}:${CLAIM}`
    if (!(await context.ports.accounts.updateAccount(account, mark, { deletion: null }))) return false
  }
  await context.ports.events.publish(
    'audit.provision',
    {
      actor: { name: 'provision', origin: 'provision' },
      action: 'account.expire',
      target: account.address,
      reason: 'the grace of its deletion is over',
      outcome: 'changed',
      before: { id: account.id, address: account.address, home: account.home, status: account.status },
      after: null,
    },
    `${context.commandId}-audit`,
  )
  await purge(context, account)
  return true
}

export class Expiry {
  readonly #ports: Pick<Ports, 'accounts'>
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #expire: (account: StoredAccount) => Promise<boolean>
  #cancel: () => void
  #looking: Promise<void> = Promise.resolve()
  #closed = false
  /** Wall minus monotonic clock at the start. */
  readonly #offsetMs: number

  /** @param options.expire Carries it out, in turn with the commands on the account. */
  constructor(options: {
    readonly ports: Pick<Ports, 'accounts'>
    readonly clock: Clock
    readonly logger: Logger
    readonly expire: (account: StoredAccount) => Promise<boolean>
  }) {
    this.#ports = options.ports
    this.#clock = options.clock
    this.#logger = options.logger
    this.#expire = options.expire
    this.#offsetMs = this.#offset()
    this.#cancel = this.#clock.after(EXPIRY_EVERY_MS, () => this.#next())
  }

  /** @returns How many accounts went. */
  async look(): Promise<number> {
    if (Math.abs(this.#offset() - this.#offsetMs) > CLOCK_JUMP_MS) {
      this.#logger.error('the clock has jumped: deleted accounts are kept until this process is started again')
      return 0
    }
    const due: StoredAccount[] = []
    await this.#ports.accounts.eachAccount({ status: 'deleting' }, (accounts) => {
      due.push(...accounts.filter((account) => isDue(account, this.#clock.nowMs())))
      return due.length < EXPIRIES_AT_ONCE
    })
    let gone = 0
    for (const account of due) {
      if (this.#closed) break
      if (await this.#expire(account)) gone++
    }
    return gone
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancel()
    await this.#looking
  }

  #next(): void {
    this.#looking = this.look().then(
      (gone) => {
        if (gone > 0) this.#logger.info({ gone }, 'deleted accounts went for good')
      },
      (error: unknown) => this.#logger.warn({ reason: errorMessage(error) }, 'cannot look for deleted accounts'),
    )
    void this.#looking.then(() => {
      if (!this.#closed) this.#cancel = this.#clock.after(EXPIRY_EVERY_MS, () => this.#next())
    })
  }

  #offset(): number {
    return this.#clock.nowMs() - this.#clock.monotonicMs()
  }
}
