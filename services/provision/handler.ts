/**
 * Carries out one provisioning command from the queue: at most one at a time per account, in the order of the queue. Whatever
 * fails on the way, the command comes again and goes through all its steps once more; each finds its work done or does it.
 * The order is: work, audit record, result, and only then is the queue told.
 */
import { errorCode, errorMessage } from '#lib/errors/coded-error.ts'
import type { AnyEvent, EventPayload, ProvisionFailure, ProvisionResult } from '#lib/events/events.ts'
import type { CommandDelivery, CommandOutcome } from '#lib/events/work-queue.ts'
import type { StoredAccount } from '#lib/ldap/entry.ts'
import type { Logger } from '#lib/log/logger.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { changeAccount } from './account-change.ts'
import { createAccount } from './account-create.ts'
import { deleteAccount, undeleteAccount } from './account-delete.ts'
import { cancelMove, moveAccount } from './account-move.ts'
import { openAccount } from './account-open.ts'
import { renameAccount } from './account-rename.ts'
import type { Applied, Context } from './context.ts'
import { ensureDomain } from './domain-ensure.ts'
import { filterDomain } from './domain-filter.ts'
import { expire } from './expiry.ts'
import { changeGroups } from './groups.ts'
import { UNEXPECTED_DELIVERIES_MAX } from './limits.ts'
import { markOf } from './mark.ts'
import { Placement } from './placement.ts'
import type { Ports } from './ports.ts'
import { Refusal } from './refusal.ts'

type Command = EventPayload<'provision.command'>['command']

/** Failures that pass by themselves: the command waits in the queue for as long as they last. */
const PASSING: ReadonlySet<string> = new Set([
  'DIRECTORY_UNAVAILABLE',
  'ROUTE_NO_PRIMARY',
  'LINK_UNREACHABLE',
  'LINK_LOST',
  'RESOLVE_FAILED',
  'EVENTS_UNAVAILABLE',
  'MOVE_UNDER_WAY',
])

/** For metrics: how a command ended. */
export type Ending = 'done' | 'refused' | 'retry' | 'known'

export class CommandHandler {
  readonly #ports: Ports
  readonly #placement: Placement
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #ended: (kind: Command['kind'], ending: Ending) => void
  /** The last command in work or waiting, by account or domain. */
  readonly #tails = new Map<string, Promise<unknown>>()

  constructor(options: {
    readonly ports: Ports
    readonly clock: Clock
    readonly logger: Logger
    readonly ended: (kind: Command['kind'], ending: Ending) => void
  }) {
    this.#ports = options.ports
    this.#placement = new Placement(options.ports.accounts, options.clock)
    this.#clock = options.clock
    this.#logger = options.logger
    this.#ended = options.ended
  }

  async handle(delivery: CommandDelivery): Promise<CommandOutcome> {
    const { command } = delivery.event.payload
    const ending = await this.#inTurn(targetOf(command), () => this.#carryOut(delivery))
    this.#ended(command.kind, ending)
    return { kind: ending === 'retry' ? 'retry' : 'done' }
  }

  /** Takes an account off for good whose grace is over, in turn with the commands on it. @returns Whether it is gone. */
  expire(account: StoredAccount): Promise<boolean> {
    return this.#inTurn(account.address, async () => {
      const context = this.#context(`expired-${account.id}`, account.lastCommand)
      try {
        return await expire(context, account)
      } catch (error) {
        this.#logger.warn({ account: account.id, reason: errorMessage(error) }, 'a deleted account cannot go yet')
        return false
      }
    })
  }

  /** @param work Never rejects: whoever comes next waits for it. */
  async #inTurn<T>(target: string, work: () => Promise<T>): Promise<T> {
    const key = target.toLowerCase()
    const before = this.#tails.get(key) ?? Promise.resolve()
    const own = before.then(work)
    this.#tails.set(key, own)
    try {
      return await own
    } finally {
      if (this.#tails.get(key) === own) this.#tails.delete(key)
    }
  }

  #context(commandId: string, mark: string): Context {
    return {
      ports: this.#ports,
      placement: this.#placement,
      commandId,
      mark,
      nowMs: this.#clock.nowMs(),
      clock: this.#clock,
    }
  }

  /** Never rejects: the next command on the account waits for it. */
  async #carryOut({ event, place, delivery }: CommandDelivery): Promise<Ending> {
    const { command } = event.payload
    const log = this.#logger.child({ command: event.id, kind: command.kind, target: targetOf(command), delivery })
    const context = this.#context(event.id, markOf(place, event.id))
    try {
      if (await this.#ports.storedResult(event.id)) return 'known'
      const { result, applied } = await this.#result(context, command, delivery)
      await this.#audit(event, result, applied)
      await this.#ports.events.publish('provision.result', result, `${event.id}-result`)
      log.info({ ok: result.ok, ...(result.ok ? { changed: result.changed } : { code: result.code }) }, 'command done')
      return result.ok ? 'done' : 'refused'
    } catch (err) {
      const passing = PASSING.has(errorCode(err) ?? '')
      if (passing) log.warn({ reason: errorMessage(err) }, 'command waits')
      else log.error({ err }, 'command failed, trying again')
      return 'retry'
    }
  }

  async #result(
    context: Context,
    command: Command,
    delivery: number,
  ): Promise<{ readonly result: ProvisionResult; readonly applied: Applied | null }> {
    const { commandId } = context
    const refused = (code: ProvisionFailure, message: string) => ({
      result: { ok: false as const, commandId, code, message },
      applied: null,
    })
    try {
      const applied = await apply(context, command)
      const { changed, account, ticket } = applied
      const gone = command.kind === 'account.delete' && account?.deletion === null
      const shown = account && {
        id: account.id,
        address: account.address,
        home: account.home,
        status: gone ? ('deleted' as const) : account.status,
      }
      const result = { ok: true as const, commandId, changed, account: shown, ...(ticket !== undefined && { ticket }) }
      return { result, applied }
    } catch (error) {
      if (error instanceof Refusal) return refused(error.code, error.message)
      if (PASSING.has(errorCode(error) ?? '') || delivery < UNEXPECTED_DELIVERIES_MAX) throw error
      this.#logger.error({ err: error, command: commandId, delivery }, 'command given up')
      return refused('internal', errorMessage(error))
    }
  }

  async #audit(
    event: Extract<AnyEvent, { type: 'provision.command' }>,
    result: ProvisionResult,
    applied: Applied | null,
  ): Promise<void> {
    const { actor, command } = event.payload
    const after = result.ok ? auditFacts(applied?.account ?? null) : null
    await this.#ports.events.publish(
      'audit.provision',
      {
        actor,
        action: command.kind,
        target: targetOf(command),
        reason: 'reason' in command ? command.reason : '',
        outcome: result.ok ? (result.changed ? 'changed' : 'unchanged') : result.code,
        before: auditFacts(applied?.before ?? null),
        after: after || applied?.facts ? { ...after, ...applied?.facts } : null,
      },
      `${event.id}-audit`,
    )
  }
}

/** What the audit trail shows of an account: no secret, nothing of its mail. */
function auditFacts(account: StoredAccount | null): Record<string, unknown> | null {
  if (account === null) return null
  const { id, address, aliases, displayName, home, status, quotaBytes, deletion } = account
  return { id, address, aliases, displayName, home, status, quotaBytes, ...(deletion && { deletion }) }
}

function targetOf(command: Command): string {
  return command.kind === 'domain.ensure' || command.kind === 'domain.filter' ? command.name : command.address
}

async function apply(context: Context, command: Command): Promise<Applied> {
  switch (command.kind) {
    case 'account.create':
      return await createAccount(context, command)
    case 'account.delete':
      return await deleteAccount(context, command)
    case 'account.undelete':
      return await undeleteAccount(context, command)
    case 'account.rename':
      return await renameAccount(context, command)
    case 'account.open':
      return await openAccount(context, command)
    case 'group.create':
    case 'group.members':
    case 'group.update':
    case 'group.delete':
      return await changeGroups(context, command)
    case 'account.move':
      return await moveAccount(context, command)
    case 'account.move-cancel':
      return await cancelMove(context, command)
    case 'domain.ensure':
      return await ensureDomain(context, command)
    case 'domain.filter':
      return await filterDomain(context, command)
    default:
      return await changeAccount(context, command)
  }
}
