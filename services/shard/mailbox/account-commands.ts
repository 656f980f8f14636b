/** What provisioning asks about accounts. Each command may come again after a lost answer: it then finds its wish true. */
import { unreachable } from '#lib/errors/assert.ts'
import type { AccountCommand, AccountResult } from '#lib/frames/shard-protocol.ts'
import { type AccountId, toModSeq } from '#lib/mail/types.ts'
import { StoreError } from '../errors.ts'
import { type AccountUpdate, RecordType } from '../records/types.ts'
import type { AccountState } from './account-state.ts'
import { Admissions } from './admissions.ts'
import { firstMailboxes } from './mailbox-tree.ts'
import type { StoreCore } from './store-core.ts'

type Own = Extract<AccountCommand, { kind: 'own' }>

export class AccountCommands {
  readonly #core: StoreCore
  /** The last command under way for an account: an `own` has no lock to wait for, the account is not there yet. */
  readonly #underWay = new Map<AccountId, Promise<unknown>>()

  readonly admissions: Admissions

  constructor(core: StoreCore) {
    this.#core = core
    this.admissions = new Admissions(core.clock)
  }

  /** @throws {StoreError} STORE_UNKNOWN_ACCOUNT, STORE_GENERATION, STORE_UNAVAILABLE */
  run(command: AccountCommand): Promise<AccountResult> {
    const before = this.#underWay.get(command.account) ?? Promise.resolve()
    const result = before.then(() => this.#run(command))
    const over = result
      .catch(() => undefined) // the caller hears of it from `result`; the next command only waits
      .then(() => {
        if (this.#underWay.get(command.account) === over) this.#underWay.delete(command.account)
      })
    this.#underWay.set(command.account, over)
    return result
  }

  async #run(command: AccountCommand): Promise<AccountResult> {
    this.#core.check()
    switch (command.kind) {
      case 'own':
        return this.#own(command)
      case 'delete':
        return this.#delete(command.account)
      case 'set-quota':
        return this.#update(command.account, ({ row }) => ({
          quotaBytes: command.quotaBytes,
          suspended: row.status === 'suspended',
        }))
      case 'suspend':
        return this.#update(command.account, ({ row }) => ({ quotaBytes: row.quotaBytes, suspended: true }))
      case 'resume':
        return this.#update(command.account, ({ row }) => ({ quotaBytes: row.quotaBytes, suspended: false }))
      case 'admit': {
        this.#core.account(command.account) // must be here
        const { account, ticket, seconds } = command
        return { account, changed: this.admissions.admit(account, ticket, seconds) }
      }
      default:
        return unreachable(command)
    }
  }

  /** Ownership generations only grow, also over a deletion (rule 17 of the replication design). */
  async #own(command: Own): Promise<AccountResult> {
    const { account, generation, quotaBytes } = command
    const row = this.#core.index.account(account)
    if (row !== null && (generation < row.generation || (generation === row.generation && row.status === 'deleted'))) {
      throw new StoreError(
        'STORE_GENERATION',
        `Cannot own ${account} as generation ${generation}: ${row.generation} is known`,
      )
    }
    if (row !== null && generation === row.generation) return { account, changed: false }
    if (row !== null && row.status !== 'deleted') {
      const fact = { type: RecordType.accountOwn, account, generation, quotaBytes, mailboxes: [] }
      await this.#core.exclusive(account, (state) => ({
        steps: [[{ ...fact, modSeq: state.takeModSeq() }]],
        answer: () => undefined,
      }))
      return { account, changed: true }
    }
    const modSeq = toModSeq((row?.modSeq ?? 0) + 1)
    let uidValidity = Math.max(Math.floor(this.#core.clock.nowMs() / 1000), (row?.uidValidityMax ?? 0) + 1)
    const mailboxes = firstMailboxes(this.#core, () => uidValidity++)
    await this.#core.pipeline.commit([
      { type: RecordType.accountOwn, account, generation, quotaBytes, mailboxes, modSeq },
    ])
    return { account, changed: true }
  }

  async #delete(account: AccountId): Promise<AccountResult> {
    const row = this.#core.index.account(account)
    // What is not here need not be deleted: the repeat of a command, or of one that another shard has carried out.
    if (row === null || row.status === 'deleted') return { account, changed: false }
    return this.#core.exclusive(account, () => ({
      steps: [[{ type: RecordType.accountDelete, account }]],
      answer: () => ({ account, changed: true }),
    }))
  }

  #update(
    account: AccountId,
    wish: (state: AccountState) => Pick<AccountUpdate, 'quotaBytes' | 'suspended'>,
  ): Promise<AccountResult> {
    return this.#core.exclusive(account, (state) => {
      const wanted = wish(state)
      const changed = wanted.quotaBytes !== state.row.quotaBytes || wanted.suspended !== state.suspended
      const fact: AccountUpdate = { type: RecordType.accountUpdate, account, ...wanted }
      return { steps: changed ? [[fact]] : [], answer: () => ({ account, changed }) }
    })
  }
}
