import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LoginEngine } from './engine.ts'

function begin() {
  const engine = new LoginEngine({ tls: true, startTls: false, hostName: 'mx.example.test' })
  engine.greet()
  return engine
}

test('LoginEngine keeps what the client sends while the host checks a password', () => {
  const engine = begin()
  assert.equal(engine.hungry, true)
  assert.equal(engine.receive(Buffer.from('a1 LOGIN anna wrong\r\na2 NO')).action?.kind, 'authenticate')
  assert.equal(engine.hungry, false)
  assert.equal(engine.receive(Buffer.from('OP\r\n')).bytes.length, 0)
  const step = engine.denied(false)
  assert.equal(step.bytes.toString(), 'a1 NO [AUTHENTICATIONFAILED] Wrong name or password\r\na2 OK Done\r\n')
})

test('LoginEngine takes the answer to an action that came too late', () => {
  const engine = begin()
  engine.receive(Buffer.from('a1 LOGIN anna secret\r\n'))
  assert.equal(engine.bye('Server is shutting down').action?.kind, 'close')
  for (const step of [engine.authenticated('IMAP4rev1'), engine.denied(true), engine.unavailable('x')]) {
    assert.deepEqual({ bytes: step.bytes.length, action: step.action }, { bytes: 0, action: null })
  }
})

test('LoginEngine remembers what the client said of itself', () => {
  const engine = begin()
  engine.receive(Buffer.from('a1 ID ("name" "x" "version" NIL)\r\n'))
  assert.deepEqual(engine.clientId, ['name', 'x', 'version', ''])
})
