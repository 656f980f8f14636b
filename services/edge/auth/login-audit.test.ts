import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { EVENTS, type EventPayload } from '#lib/events/events.ts'
import { type EdgeFixture, openEdge } from '../testing/edge-fixture.ts'
import { fakeAccountId } from '../testing/fake-directory.ts'
import { loginAudit } from './login-audit.ts'

const said: EventPayload<'audit.login'>[] = []
let fixture: EdgeFixture
before(async () => {
  const offer = (type: string, payload: unknown) => {
    assert.equal(type, 'audit.login')
    said.push(EVENTS['audit.login'].parse(payload))
  }
  fixture = await openEdge({}, { loginFailureDelayMs: 1, onLogin: loginAudit({ offer }) })
})
after(() => fixture.close())

test('every login is told, with who, how and from where, and without the password', async () => {
  await fixture.submit('anna@example.test')
  const client = await fixture.smtp('submissions')
  const plain = Buffer.from('\0anna@example.test\0not it').toString('base64')
  assert.match(await client.ask(`AUTH PLAIN ${plain}`), /^535 /)
  fixture.directory.down = true
  assert.match(await client.ask(`AUTH PLAIN ${plain}`), /^454 /)
  fixture.directory.down = false
  assert.deepEqual(
    said.map(({ outcome, account, secret, mechanism, protocol }) => [outcome, account, secret, mechanism, protocol]),
    [
      ['ok', fakeAccountId('anna@example.test'), 'password', 'PLAIN', 'smtp'],
      ['denied', null, null, 'PLAIN', 'smtp'],
      ['unavailable', null, null, 'PLAIN', 'smtp'],
    ],
  )
  for (const { login, clientAddress, session } of said) {
    assert.equal(login, 'anna@example.test')
    assert.equal(clientAddress, '127.0.0.1')
    assert.match(session, /^\w{16}$/)
  }
  assert.ok(!JSON.stringify(said).includes('not it'))
})

test('a login of any length and kind is a record that its schema takes', async () => {
  said.length = 0
  const client = await fixture.smtp('submissions')
  const plain = Buffer.from(`\0${'x'.repeat(2_000)}\0secret`).toString('base64')
  assert.match(await client.ask(`AUTH PLAIN ${plain}`), /^535 /)
  assert.equal(said[0]?.login.length, 320)
})
