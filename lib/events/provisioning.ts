/**
 * Sends provisioning commands and reads their results: for the command line and the operator. A command counts only when its
 * result was read; one whose result did not come in time may still be carried out, so it is repeated with the same id.
 */
import { jetstreamManager } from '@nats-io/jetstream'
import type { Scope } from '#lib/directory/port.ts'
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { FilterWish } from '#lib/filter/settings.ts'
import { type Clock, sleep } from '#lib/ports/clock.ts'
import { type Random, randomId } from '#lib/ports/random.ts'
import { newAppPassword } from '#lib/sasl/app-password.ts'
import { secretsOf } from '#lib/sasl/secrets.ts'
import { EventError } from './errors.ts'
import {
  type Actor,
  COMMAND_ID,
  decodeEvent,
  ProvisionCommand,
  type ProvisionCommandInput,
  type ProvisionResult,
  resultSubject,
} from './events.ts'
import type { NatsLink } from './nats.ts'
import { createEventPublisher } from './publisher.ts'
import { storedResult } from './work-queue.ts'

export interface SubmitOptions {
  /** Default: 30 s. */
  readonly timeoutMs?: number
  /** `[A-Za-z0-9_-]{1,64}`. Default: a new one. Give the same to repeat a command safely. */
  readonly id?: string
}

export interface NewAccountRequest {
  readonly address: string
  readonly password: string
  readonly displayName?: string
  readonly aliases?: readonly string[]
  readonly quotaBytes?: number | null
  readonly locale?: string
  /** Shard to live on; default: the one with the least load. */
  readonly home?: string | null
}

export interface DomainRequest {
  readonly name: string
  readonly active?: boolean
  /** Address of the account that gets mail for postmaster and abuse. */
  readonly postmaster?: string | null
  readonly catchAll?: string | null
  /** `postmaster` without a domain is meant for this one. */
  readonly isDefault?: boolean
}

/**
 * All resolve to the result that provisioning gave, which may be a refusal.
 * @throws {EventError} EVENTS_INVALID for a command that breaks its schema, PROVISION_TIMEOUT without a result in time
 * @throws {SaslError} SASL_SECRET for a password that cannot be one
 */
export interface ProvisioningClient {
  submit(command: ProvisionCommandInput, options?: SubmitOptions): Promise<ProvisionResult>
  createAccount(request: NewAccountRequest, options?: SubmitOptions): Promise<ProvisionResult>
  deleteAccount(address: string, options?: SubmitOptions): Promise<ProvisionResult>
  setPassword(address: string, password: string, options?: SubmitOptions): Promise<ProvisionResult>
  suspend(address: string, reason: string, options?: SubmitOptions): Promise<ProvisionResult>
  resume(address: string, options?: SubmitOptions): Promise<ProvisionResult>
  setQuota(address: string, quotaBytes: number | null, options?: SubmitOptions): Promise<ProvisionResult>
  /** Resolves when the account is there; without a result in time it goes on all the same. */
  moveAccount(address: string, target: string, options?: SubmitOptions): Promise<ProvisionResult>
  cancelMove(address: string, options?: SubmitOptions): Promise<ProvisionResult>
  /** In place of what the account, the group, or the domain, wished of the filter before. @param target Address or name. */
  setFilter(
    target: string,
    filter: FilterWish,
    of: 'account' | 'group' | 'domain',
    options?: SubmitOptions,
  ): Promise<ProvisionResult>
  /** `secret` is to be shown once: it is stored nowhere. */
  addAppPassword(
    address: string,
    name: string,
    scopes: readonly Scope[],
    options?: SubmitOptions,
  ): Promise<{ readonly result: ProvisionResult; readonly secret: string }>
  removeAppPassword(address: string, name: string, options?: SubmitOptions): Promise<ProvisionResult>
  ensureDomain(request: DomainRequest, options?: SubmitOptions): Promise<ProvisionResult>
}

const TIMEOUT_MS = 30_000
/** Also how often a result is looked for in its stream: it may have been published while nobody listened. */
const RETRY_MS = 1_000

export function createProvisioningClient(options: {
  readonly link: NatsLink
  readonly clock: Clock
  readonly random: Random
  readonly actor: Actor
}): ProvisioningClient {
  const { link, clock, random, actor } = options
  const publisher = createEventPublisher(link, { source: actor.origin, clock, random })

  async function submit(input: ProvisionCommandInput, how: SubmitOptions = {}): Promise<ProvisionResult> {
    const parsed = ProvisionCommand.safeParse(input)
    const id = how.id ?? randomId(random, 24)
    if (!parsed.success || !COMMAND_ID.test(id)) {
      const problem = parsed.success
        ? 'its id'
        : parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')
      throw new EventError('EVENTS_INVALID', `Cannot send this ${input.kind} command: ${problem}`)
    }
    const timeoutMs = how.timeoutMs ?? TIMEOUT_MS
    const deadlineMs = clock.monotonicMs() + timeoutMs
    const connection = await link.connection(timeoutMs)
    const manager = await jetstreamManager(connection, { checkAPI: false })
    const { promise, resolve } = Promise.withResolvers<ProvisionResult>()
    const subscription = connection.subscribe(resultSubject(id), {
      callback(error, message) {
        const event = error ? null : decodeEvent(message.data)
        if (event?.type === 'provision.result') resolve(event.payload)
      },
    })
    try {
      let published = false
      let last = 'no result'
      while (clock.monotonicMs() < deadlineMs) {
        try {
          if (!published) await publisher.publish('provision.command', { actor, command: parsed.data }, id)
          published = true
          const stored = await storedResult(manager, id)
          if (stored) return stored
        } catch (error) {
          last = errorMessage(error) // NATS is away or provisioning has not made the streams yet: both pass
        }
        const waiting = new AbortController()
        const pause = sleep(clock, Math.max(0, Math.min(RETRY_MS, deadlineMs - clock.monotonicMs())), waiting.signal)
        const result = await Promise.race([
          promise,
          pause.then(
            () => null,
            () => null,
          ),
        ])
        waiting.abort()
        if (result) return result
      }
      throw new EventError('PROVISION_TIMEOUT', `No result of ${input.kind} within ${timeoutMs} ms: ${last}`, {
        details: { id },
      })
    } finally {
      subscription.unsubscribe()
    }
  }

  return {
    submit,
    async createAccount(request, how) {
      const { password, aliases, ...rest } = request
      const secrets = await secretsOf(password, random)
      return await submit({ kind: 'account.create', ...rest, aliases: [...(aliases ?? [])], secrets }, how)
    },
    deleteAccount: (address, how) => submit({ kind: 'account.delete', address }, how),
    setPassword: async (address, password, how) =>
      await submit({ kind: 'account.password', address, secrets: await secretsOf(password, random) }, how),
    suspend: (address, reason, how) => submit({ kind: 'account.suspend', address, reason }, how),
    resume: (address, how) => submit({ kind: 'account.resume', address }, how),
    setQuota: (address, quotaBytes, how) => submit({ kind: 'account.quota', address, quotaBytes }, how),
    moveAccount: (address, target, how) => submit({ kind: 'account.move', address, target }, how),
    cancelMove: (address, how) => submit({ kind: 'account.move-cancel', address }, how),
    setFilter(target, { level, allow, deny }, of, how) {
      const filter = { level, allow: [...allow], deny: [...deny] }
      if (of === 'domain') return submit({ kind: 'domain.filter', name: target, filter }, how)
      const kind = of === 'group' ? 'group.update' : 'account.filter'
      return submit({ kind, address: target, filter }, how)
    },
    async addAppPassword(address, name, scopes, how) {
      const { secret, stored } = newAppPassword(name, scopes, random)
      const appPassword = { ...stored, scopes: [...scopes] }
      return { result: await submit({ kind: 'account.app-password.add', address, appPassword }, how), secret }
    },
    removeAppPassword: (address, name, how) => submit({ kind: 'account.app-password.remove', address, name }, how),
    ensureDomain: (request, how) => submit({ kind: 'domain.ensure', ...request }, how),
  }
}
