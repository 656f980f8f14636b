/** Whatever bytes come, in whatever chunks, the login engine answers the same and throws nothing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LoginEngine } from './engine.ts'

const numRuns = Number(process.env['FUZZ_RUNS'] ?? 300)

/** Says `chunks`; the host denies everything and starts TLS when asked. */
function run(chunks: readonly Buffer[]): string {
  const hostMechanisms = () => ['SCRAM-SHA-256']
  const engine = new LoginEngine({ tls: false, startTls: true, hostName: 'mx.example.test', hostMechanisms })
  let log = ''
  let step = engine.greet()
  const obey = () => {
    for (;;) {
      log += step.bytes.toString('latin1')
      const { action } = step
      if (action === null || action.kind === 'close') return
      log += `<${JSON.stringify(action)}>`
      if (action.kind === 'start-tls') step = engine.tlsStarted()
      else if (action.kind === 'exchange' && action.first) step = engine.challenge(Buffer.from('go on'))
      else step = engine.denied(action.attempt > 5)
    }
  }
  obey()
  for (const chunk of chunks) {
    step = engine.receive(chunk)
    obey()
  }
  return log
}

test('LoginEngine survives arbitrary bytes', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), (chunks) => {
      assert.match(run(chunks.map((chunk) => Buffer.from(chunk))), /^\* OK /)
    }),
    { numRuns },
  )
})

test('LoginEngine gives the same answers however the bytes are cut', () => {
  const word = fc.constantFrom(
    'a LOGIN anna secret\r\n',
    'b AUTHENTICATE PLAIN\r\n',
    'AGFubmEAc2VjcmV0\r\n',
    'c AUTHENTICATE LOGIN YW5uYQ==\r\n',
    '*\r\n',
    'g AUTHENTICATE SCRAM-SHA-256\r\n',
    'h AUTHENTICATE SCRAM-SHA-256 YQ==\r\n',
    'd LOGIN {4+}\r\nanna {6}\r\nsecret\r\n',
    'e ID NIL\r\n',
    'f CAPABILITY\r\n',
    '\0',
    '\r\n',
    'x',
    '{5+}\r\n',
  )
  fc.assert(
    fc.property(
      fc.array(word, { maxLength: 20 }).map((words) => Buffer.from(words.join(''), 'latin1')),
      fc.integer({ min: 1, max: 30 }),
      fc.boolean(),
      (bytes, size, tls) => {
        const start = tls ? [Buffer.from('s STARTTLS\r\n')] : []
        const chunks: Buffer[] = []
        for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size))
        assert.equal(run([...start, ...chunks]), run([...start, bytes]))
      },
    ),
    { numRuns },
  )
})

test('LoginEngine never asks to authenticate on a connection without TLS', () => {
  const line = fc.constantFrom(
    'a LOGIN u p\r\n',
    'b AUTHENTICATE PLAIN AHUAcA==\r\n',
    'c AUTHENTICATE LOGIN dQ==\r\n',
    'd AUTHENTICATE SCRAM-SHA-256 YQ==\r\n',
    'cA==\r\n',
  )
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
      assert.doesNotMatch(run(lines.map((text) => Buffer.from(text))), /<.*(authenticate|exchange)/)
    }),
  )
})
