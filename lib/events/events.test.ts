import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type AnyEvent,
  COMMAND_ID,
  decodeEvent,
  EVENTS,
  type EventType,
  encodeEvent,
  SUBJECT_PREFIX,
  subjectOf,
} from './events.ts'
import { NATS_USERS, rightsOf } from './permissions.ts'
import { natsServerConfig } from './server-config.ts'
import { STREAMS, streamConfig } from './streams.ts'

const changed: AnyEvent = {
  id: 'e1',
  type: 'account.changed',
  source: 'provision',
  atMs: 1,
  payload: { account: 'a'.repeat(16), addresses: ['a@b.c'], change: 'password' },
}

/** Whether a subject matches a pattern of NATS: `*` is one word, `>` all that follow. */
function matches(pattern: string, subject: string): boolean {
  const words = subject.split('.')
  const parts = pattern.split('.')
  return (
    parts.every((part, i) => part === '>' || ((part === '*' || part === words[i]) && i < words.length)) &&
    (parts.at(-1) === '>' || parts.length === words.length)
  )
}

test('decodeEvent() reads what encodeEvent() wrote', () => {
  assert.deepEqual(decodeEvent(Buffer.from(encodeEvent(changed))), changed)
})

const broken: [name: string, text: string][] = [
  ['what is not JSON', '{'],
  ['an unknown type', encodeEvent(changed).replace('account.changed', 'account.exploded')],
  ['a payload of another form', encodeEvent(changed).replace('"password"', '"guessed"')],
  ['an event without an id', encodeEvent(changed).replace('"id":"e1",', '')],
  ['a bare value', 'null'],
]
for (const [name, text] of broken)
  test(`decodeEvent() refuses ${name}`, () => assert.equal(decodeEvent(Buffer.from(text)), null))

test('subjectOf() gives results the id of their command', () => {
  const result: AnyEvent = {
    ...changed,
    type: 'provision.result',
    payload: { ok: true, commandId: 'c1', changed: true, account: null },
  }
  assert.equal(subjectOf(result), 'twinpost.provision.result.c1')
  assert.equal(subjectOf(changed), 'twinpost.account.changed')
  assert.ok(!COMMAND_ID.test('a.b') && !COMMAND_ID.test('*') && COMMAND_ID.test('a-B_9'))
})

for (const type of Object.keys(EVENTS) as EventType[]) // keys of a constant object
  test(`exactly one stream keeps ${type}`, () => {
    const subject = type === 'provision.result' ? `${SUBJECT_PREFIX}.${type}.c1` : `${SUBJECT_PREFIX}.${type}`
    const keeping = Object.values(STREAMS).filter((stream) =>
      stream.subjects.some((pattern) => matches(pattern, subject)),
    )
    assert.equal(keeping.length, 1)
  })

test('streamConfig() asks for durable, deduplicated streams', () => {
  const config = streamConfig(STREAMS.commands, 3)
  assert.equal(config.retention, 'workqueue')
  assert.equal(config.num_replicas, 3)
  assert.equal(config.storage, 'file')
  assert.equal(config.duplicate_window, 600_000_000_000)
})

test('natsServerConfig() syncs always, speaks TLS only and gives each user its rights', () => {
  const passwords = Object.fromEntries(NATS_USERS.map((user) => [user, `pass"word\\ of ${user}`])) as Record<
    (typeof NATS_USERS)[number],
    string
  > // one for each of the users
  const text = natsServerConfig({
    serverName: 'nats-0',
    host: '127.0.0.1',
    port: 4222,
    monitoring: { host: '127.0.0.1', port: 8222 },
    storeDir: '/data',
    tls: { certFile: '/tls/tls.crt', keyFile: '/tls/tls.key', caFile: '/tls/ca.crt' },
    passwords,
  })
  assert.match(text, /"sync_interval": "always"/)
  assert.match(text, /^tls: \{/m)
  for (const user of NATS_USERS) assert.ok(text.includes(JSON.stringify(passwords[user])))
  assert.equal(
    text,
    natsServerConfig({
      serverName: 'nats-0',
      host: '127.0.0.1',
      port: 4222,
      monitoring: { host: '127.0.0.1', port: 8222 },
      storeDir: '/data',
      tls: { certFile: '/tls/tls.crt', keyFile: '/tls/tls.key', caFile: '/tls/ca.crt' },
      passwords,
    }),
  )
})

test('rightsOf() lets only operator and cli send commands, and only provision answer them', () => {
  const may = (subject: string) =>
    NATS_USERS.filter((user) => rightsOf(user).publish.some((pattern) => matches(pattern, subject)))
  assert.deepEqual(may('twinpost.provision.command'), ['operator', 'cli'])
  assert.deepEqual(may('twinpost.provision.result.c1'), ['provision'])
  assert.deepEqual(may('twinpost.account.changed'), ['provision'])
  assert.deepEqual(may('twinpost.audit.login'), ['edge'])
  assert.deepEqual(may('twinpost.audit.provision'), ['provision'])
  assert.deepEqual(may('$JS.API.STREAM.DELETE.TP_AUDIT'), [])
  assert.deepEqual(may('$JS.API.STREAM.PURGE.TP_AUDIT'), [])
})
