/**
 * Every subject and payload that travels over NATS. One entry per type: `twinpost.<type>` is the subject, results of commands
 * add the command's id. Fields are only ever added; a reader ignores what it does not know. No password and no content of
 * mail is ever in an event.
 */
import { z } from 'zod'
import { GROUP_SENDERS } from '#lib/directory/port.ts'
import { FilterWish } from '#lib/filter/settings.ts'

export const SUBJECT_PREFIX = 'twinpost'

const address = z.string().min(3).max(320)
const accountId = z.string().regex(/^[a-z2-7]{16}$/)
const shardName = z.string().regex(/^[a-z]([a-z0-9-]{0,50}[a-z0-9])?\/(0|[1-9][0-9]?)$/)
const quotaBytes = z.int().min(0).nullable()
const groupSenders = z.enum(GROUP_SENDERS)
/** Longest grace of a deletion: a year. */
const GRACE_S_MAX = 366 * 24 * 3600
/** More come in several commands: an event has at most 64 KiB. */
export const GROUP_MEMBERS_PER_COMMAND_MAX = 100
const scope = z.enum(['imap', 'pop3', 'smtp', 'sieve'])
/** What is stored of a password: made by the sender, so that the password itself never travels. */
const secrets = z.object({ passwordHash: z.string().max(512), scramKeys: z.string().max(512) })

const Actor = z.object({
  /** Who: an administrator's or a service's name. */
  name: z.string().min(1).max(200),
  /** From where: `cli`, `operator`, an address. */
  origin: z.string().min(1).max(200),
})
export type Actor = z.infer<typeof Actor>

export const ProvisionCommand = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('account.create'),
    address,
    aliases: z.array(address).max(100).default([]),
    displayName: z.string().min(1).max(200).optional(),
    quotaBytes: quotaBytes.default(null),
    /** Language tag for the names of the first mailboxes. */
    locale: z
      .string()
      .regex(/^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$/)
      .default('en'),
    /** A shard chosen by the administrator; null: the one with the least load. */
    home: shardName.nullable().default(null),
    secrets,
  }),
  /**
   * With a grace the account is hidden at once and can be brought back (`account.undelete`) until it is over; then, or
   * without one at once, it goes for good with its mail.
   */
  z.object({ kind: z.literal('account.delete'), address, graceSeconds: z.int().min(0).max(GRACE_S_MAX).default(0) }),
  z.object({ kind: z.literal('account.undelete'), address }),
  /** Another primary address for the same account. */
  z.object({
    kind: z.literal('account.rename'),
    address,
    to: address,
    /** The old address goes on reaching the account. */
    keepAlias: z.boolean().default(true),
  }),
  z.object({ kind: z.literal('account.name'), address, displayName: z.string().min(1).max(200) }),
  z.object({ kind: z.literal('account.alias.add'), address, alias: address }),
  z.object({ kind: z.literal('account.alias.remove'), address, alias: address }),
  /** Lets the sender open one session of the account without its password, within a minute; the result holds the ticket. */
  z.object({ kind: z.literal('account.open'), address, reason: z.string().min(1).max(500) }),
  z.object({
    kind: z.literal('group.create'),
    address,
    aliases: z.array(address).max(100).default([]),
    displayName: z.string().min(1).max(200).optional(),
    senders: groupSenders.default('internal'),
    members: z.array(address).max(GROUP_MEMBERS_PER_COMMAND_MAX).default([]),
  }),
  /** Who joins and who leaves. */
  z.object({
    kind: z.literal('group.members'),
    address,
    add: z.array(address).max(GROUP_MEMBERS_PER_COMMAND_MAX).default([]),
    remove: z.array(address).max(GROUP_MEMBERS_PER_COMMAND_MAX).default([]),
  }),
  z.object({
    kind: z.literal('group.update'),
    address,
    displayName: z.string().min(1).max(200).optional(),
    senders: groupSenders.optional(),
    filter: FilterWish.optional(),
  }),
  z.object({ kind: z.literal('group.delete'), address }),
  z.object({ kind: z.literal('account.password'), address, secrets }),
  z.object({ kind: z.literal('account.suspend'), address, reason: z.string().max(500).default('') }),
  z.object({ kind: z.literal('account.resume'), address }),
  z.object({ kind: z.literal('account.quota'), address, quotaBytes }),
  /** To another shard, while it is used. The result comes when it is there. */
  z.object({ kind: z.literal('account.move'), address, target: shardName }),
  /** Ends a move that is not decided yet; the account stays. */
  z.object({ kind: z.literal('account.move-cancel'), address }),
  z.object({ kind: z.literal('account.filter'), address, filter: FilterWish }),
  z.object({ kind: z.literal('domain.filter'), name: z.string().min(1).max(253), filter: FilterWish }),
  z.object({
    kind: z.literal('account.app-password.add'),
    address,
    appPassword: z.object({
      name: z.string().max(32),
      scopes: z.array(scope).min(1).max(4),
      hash: z.string().max(200),
    }),
  }),
  z.object({ kind: z.literal('account.app-password.remove'), address, name: z.string().max(32) }),
  z.object({
    kind: z.literal('domain.ensure'),
    name: z.string().min(1).max(253),
    active: z.boolean().default(true),
    postmaster: address.nullable().default(null),
    catchAll: address.nullable().default(null),
    isDefault: z.boolean().default(false),
  }),
])
export type ProvisionCommand = z.infer<typeof ProvisionCommand>
/** As a sender writes it: what has a default may be left out. */
export type ProvisionCommandInput = z.input<typeof ProvisionCommand>

const CommandEnvelope = z.object({ actor: Actor, command: ProvisionCommand })

export const PROVISION_FAILURES = [
  /** The command itself is wrong: address, domain name, hash, shard name. */
  'invalid',
  'address-taken',
  'unknown-account',
  'unknown-group',
  'unknown-domain',
  /** No active shard, or the one asked for is none. */
  'no-shard',
  /** A later command on the same account was carried out first. */
  'superseded',
  /** The account is being made or deleted. */
  'in-transition',
  /** A Domain names the address as its postmaster or for what no address matches: change the Domain first. */
  'named-by-domain',
  /** The account stays where it was. */
  'move-failed',
  'internal',
] as const
export type ProvisionFailure = (typeof PROVISION_FAILURES)[number]

const ProvisionedAccount = z.object({
  id: accountId,
  address,
  home: shardName,
  status: z.enum(['creating', 'active', 'suspended', 'deleting', 'deleted']),
})

export const ProvisionResult = z.discriminatedUnion('ok', [
  z.object({
    ok: z.literal(true),
    commandId: z.string(),
    /** False when everything was as wished already. */
    changed: z.boolean(),
    account: ProvisionedAccount.nullable(),
    /** Of `account.open`: the name of the one session that may be opened. */
    ticket: z.string().optional(),
  }),
  z.object({ ok: z.literal(false), commandId: z.string(), code: z.enum(PROVISION_FAILURES), message: z.string() }),
])
export type ProvisionResult = z.infer<typeof ProvisionResult>

/** Payload by type. */
export const EVENTS = {
  'provision.command': CommandEnvelope,
  'provision.result': ProvisionResult,
  /** Something about an account changed: drop what is cached, end sessions where `change` says so. */
  'account.changed': z.object({
    account: accountId,
    addresses: z.array(address),
    change: z.enum([
      'created',
      'password',
      'app-passwords',
      'suspended',
      'resumed',
      'quota',
      'filter',
      'name',
      'addresses',
      'deleted',
      'restored',
    ]),
  }),
  /** The home shard of an account is another one, or has become known. */
  'route.changed': z.object({
    account: accountId,
    addresses: z.array(address),
    home: shardName,
    generation: z.int().min(1),
  }),
  'domain.changed': z.object({ name: z.string() }),
  'group.changed': z.object({ addresses: z.array(address).min(1) }),
  'audit.provision': z.object({
    actor: Actor,
    action: z.string(),
    target: z.string(),
    reason: z.string(),
    outcome: z.string(),
    before: z.record(z.string(), z.unknown()).nullable(),
    after: z.record(z.string(), z.unknown()).nullable(),
  }),
  'audit.login': z.object({
    account: accountId.nullable(),
    login: z.string().max(320),
    protocol: z.enum(['imap', 'pop3', 'smtp', 'sieve']),
    mechanism: z.string(),
    /** Which secret matched: `password` or an app password's name. */
    secret: z.string().nullable(),
    outcome: z.enum(['ok', 'denied', 'suspended', 'unavailable']),
    clientAddress: z.string(),
    session: z.string(),
  }),
  'usage.delivery': z.object({ account: accountId, shard: shardName, lsn: z.int().min(1), bytes: z.int().min(0) }),
  'usage.session': z.object({
    account: accountId,
    shard: shardName,
    protocol: z.enum(['imap', 'pop3', 'sieve']),
    seconds: z.number().min(0),
    bytesIn: z.int().min(0),
    bytesOut: z.int().min(0),
  }),
  'alert.raised': z.object({
    name: z.string(),
    severity: z.enum(['info', 'warning', 'critical']),
    /** What it is about: a shard, a pod, a domain. */
    about: z.string(),
    message: z.string(),
  }),
  'alert.cleared': z.object({ name: z.string(), about: z.string() }),
} as const

export type EventType = keyof typeof EVENTS
export type EventPayload<Type extends EventType> = z.infer<(typeof EVENTS)[Type]>

/** What is around each payload. */
const Header = z.object({
  /** Also the message's `Nats-Msg-Id`: the same event published twice is stored once. */
  id: z.string().min(1).max(100),
  /** Process that says it: `provision`, `edge n1-0`. */
  source: z.string(),
  /** Wall-clock time of the source, milliseconds. */
  atMs: z.number(),
})

export interface TwinpostEvent<Type extends EventType = EventType> extends z.infer<typeof Header> {
  readonly type: Type
  readonly payload: EventPayload<Type>
}

/** Any event, told apart by `type`. */
export type AnyEvent = { [Type in EventType]: TwinpostEvent<Type> }[EventType]

/** `twinpost.provision.result.<id>` for results, `twinpost.<type>` for everything else. */
export function subjectOf(event: AnyEvent): string {
  return event.type === 'provision.result' ? resultSubject(event.payload.commandId) : `${SUBJECT_PREFIX}.${event.type}`
}

export function resultSubject(commandId: string): string {
  return `${SUBJECT_PREFIX}.provision.result.${commandId}`
}

/** Ids that may be part of a subject. */
export const COMMAND_ID = /^[A-Za-z0-9_-]{1,64}$/

export function encodeEvent(event: AnyEvent): string {
  const { type, payload, id, source, atMs } = event
  return JSON.stringify({ id, type, source, atMs, payload })
}

/** @returns null for what is no event of ours, or one of a type that this version does not know. */
export function decodeEvent(data: Uint8Array): AnyEvent | null {
  let parsed: unknown
  try {
    parsed = JSON.parse(Buffer.from(data).toString())
  } catch {
    return null // not JSON: not ours
  }
  const header = Header.extend({ type: z.enum(EVENT_TYPES), payload: z.unknown() }).safeParse(parsed)
  if (!header.success) return null
  const payload = EVENTS[header.data.type].safeParse(header.data.payload)
  // The schema of this very type has just checked the payload.
  return payload.success ? ({ ...header.data, payload: payload.data } as AnyEvent) : null
}

const EVENT_TYPES = Object.keys(EVENTS) as [EventType, ...EventType[]] // keys of a constant object
