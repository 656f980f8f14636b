/** Who may say and hear what over NATS (rules.md, "Who may say what"): one user per service, everything else is denied. */
import { SUBJECT_PREFIX } from './events.ts'
import { PROVISION_CONSUMER, STREAMS } from './streams.ts'

export const NATS_USERS = ['operator', 'provision', 'edge', 'shard', 'cli'] as const
export type NatsUser = (typeof NATS_USERS)[number]

export interface SubjectRights {
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
}

const subject = (tail: string) => `${SUBJECT_PREFIX}.${tail}`
/** Replies come to an inbox that only its user may read. */
export const inboxPrefix = (user: NatsUser) => `_INBOX_${user}`

const NEWS = STREAMS.news.subjects
const COMMANDS = STREAMS.commands.name
const RESULTS = STREAMS.results.name
/** A sender of commands: may send them, hear results, and fetch a result that was there before it listened. */
const COMMANDER = {
  publish: [subject('provision.command'), `$JS.API.DIRECT.GET.${RESULTS}.${subject('provision.result.*')}`],
  subscribe: [subject('provision.result.*')],
}
const ALL_STREAMS = Object.values(STREAMS).map((stream) => stream.name)

const RIGHTS: Readonly<Record<NatsUser, SubjectRights>> = {
  operator: {
    publish: [...COMMANDER.publish, subject('alert.*'), subject('domain.changed')],
    subscribe: [...COMMANDER.subscribe, subject('alert.*'), ...NEWS],
  },
  provision: {
    publish: [
      subject('provision.result.*'),
      ...NEWS,
      subject('audit.provision'),
      subject('alert.*'),
      '$JS.API.INFO',
      ...ALL_STREAMS.flatMap((name) => ['INFO', 'CREATE', 'UPDATE'].map((verb) => `$JS.API.STREAM.${verb}.${name}`)),
      `$JS.API.CONSUMER.INFO.${COMMANDS}.${PROVISION_CONSUMER}`,
      `$JS.API.CONSUMER.CREATE.${COMMANDS}.>`,
      `$JS.API.CONSUMER.DURABLE.CREATE.${COMMANDS}.${PROVISION_CONSUMER}`,
      `$JS.API.CONSUMER.MSG.NEXT.${COMMANDS}.${PROVISION_CONSUMER}`,
      `$JS.ACK.${COMMANDS}.>`,
      `$JS.API.DIRECT.GET.${RESULTS}.${subject('provision.result.*')}`,
    ],
    subscribe: [],
  },
  edge: { publish: [subject('audit.login'), subject('alert.*')], subscribe: [...NEWS] },
  shard: { publish: [subject('usage.>'), subject('alert.*')], subscribe: [...NEWS] },
  // Reads the audit trail without a consumer of its own; there is no right to change it.
  cli: {
    publish: [...COMMANDER.publish, `$JS.API.DIRECT.GET.${STREAMS.audit.name}`],
    subscribe: [...COMMANDER.subscribe],
  },
}

export function rightsOf(user: NatsUser): SubjectRights {
  const rights = RIGHTS[user]
  return { publish: rights.publish, subscribe: [...rights.subscribe, `${inboxPrefix(user)}.>`] }
}
