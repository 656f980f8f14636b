/**
 * Carries out one provisioning command from the queue: at most one at a time per account, in the order of the queue. Whatever
 * fails on the way, the command comes again and goes through all its steps once more; each finds its work done or does it.
 * The order is: work, audit record, result, and only then is the queue told.
 */
import { errorCode, errorMessage } from '#lib/errors/coded-error.ts'
import type { AnyEvent, EventPayload, ProvisionResult } from '#lib/events/events.ts'
import type { CommandDelivery, CommandOutcome } from '#lib/events/work-queue.ts'
import type { Logger } from '#lib/log/logger.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { changeAccount } from './account-change.ts'
import { createAccount } from './account-create.ts'
import { deleteAccount } from './account-delete.ts'
import type { Applied, Context } from './context.ts'
import { ensureDomain } from './domain-ensure.ts'
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
])

/** For metrics: how a command ended. */
export type Ending = 'done' | 'refused' | 'retry' | 'known'

export class CommandHandler {
  readonly #ports: Ports
  readonly #placement: Placement
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
    this.#logger = options.logger
    this.#ended = options.ended
  }

  async handle(delivery: CommandDelivery): Promise<CommandOutcome> {
    const { command } = delivery.event.payload
    const target = targetOf(command).toLowerCase()
    const before = this.#tails.get(target) ?? Promise.resolve()
    const own = before.then(() => this.#carryOut(delivery))
    this.#tails.set(target, own)
    try {
      const ending = await own
      this.#ended(command.kind, ending)
      return { kind: ending === 'retry' ? 'retry' : 'done' }
    } finally {
      if (this.#tails.get(target) === own) this.#tails.delete(target)
    }
  }

  /** Never rejects: the next command on the account waits for it. */
  async #carryOut({ event, place, delivery }: CommandDelivery): Promise<Ending> {
    const { command } = event.payload
    const log = this.#logger.child({ command: event.id, kind: command.kind, target: targetOf(command), delivery })
    const context: Context = {
      ports: this.#ports,
      placement: this.#placement,
      commandId: event.id,
      mark: markOf(place, event.id),
    }
    try {
      if (await this.#ports.storedResult(event.id)) return 'known'
      const result = await this.#result(context, command, delivery)
      await this.#audit(event, result)
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

  async #result(context: Context, command: Command, delivery: number): Promise<ProvisionResult> {
    try {
      const { changed, account } = await apply(context, command)
      const gone = command.kind === 'account.delete'
      return {
        ok: true,
        commandId: context.commandId,
        changed,
        account: account && {
          id: account.id,
          address: account.address,
          home: account.home,
          status: gone ? 'deleted' : account.status,
        },
      }
    } catch (error) {
      const { commandId } = context
      if (error instanceof Refusal) return { ok: false, commandId, code: error.code, message: error.message }
      if (PASSING.has(errorCode(error) ?? '') || delivery < UNEXPECTED_DELIVERIES_MAX) throw error
      this.#logger.error({ err: error, command: commandId, delivery }, 'command given up')
      return { ok: false, commandId, code: 'internal', message: errorMessage(error) }
    }
  }

  async #audit(event: Extract<AnyEvent, { type: 'provision.command' }>, result: ProvisionResult): Promise<void> {
    const { actor, command } = event.payload
    await this.#ports.events.publish(
      'audit.provision',
      {
        actor,
        action: command.kind,
        target: targetOf(command),
        reason: command.kind === 'account.suspend' ? command.reason : '',
        outcome: result.ok ? (result.changed ? 'changed' : 'unchanged') : result.code,
        before: null,
        after: result.ok ? { ...result.account } : null,
      },
      `${event.id}-audit`,
    )
  }
}

function targetOf(command: Command): string {
  return command.kind === 'domain.ensure' ? command.name : command.address
}

async function apply(context: Context, command: Command): Promise<Applied> {
  switch (command.kind) {
    case 'account.create':
      return await createAccount(context, command)
    case 'account.delete':
      return await deleteAccount(context, command.address)
    case 'domain.ensure':
      return await ensureDomain(context, command)
    default:
      return await changeAccount(context, command)
  }
}
