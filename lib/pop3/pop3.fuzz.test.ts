/** Arbitrary bytes, cut anywhere: no engine throws, hangs or breaks a line end. FUZZ_RUNS sets how many. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { type LoginStep, Pop3Login } from './login/engine.ts'
import { Pop3Session } from './session/engine.ts'
import { cut, cuts } from './testing/chunks.ts'
import { MemoryMaildrop, MemorySink } from './testing/memory-maildrop.ts'

const numRuns = Number(process.env['FUZZ_RUNS'] ?? 300)
const words =
  'USER PASS AUTH PLAIN LOGIN STLS CAPA QUIT STAT LIST RETR DELE TOP UIDL NOOP RSET 1 2 3 0 -1 = * anna AGEAYg=='
const piece = fc.oneof(
  fc.constantFrom(...words.split(' ')).map((word) => Buffer.from(word)),
  fc.constantFrom(' ', '\r\n', '\r\n', '\r\n', '\n', '\r', '\0').map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
  fc.constant(Buffer.alloc(300, 'A')),
)
const input = fc.array(piece, { maxLength: 80 }).map((pieces) => Buffer.concat(pieces))
/** No answer carries a line end that is not CRLF. */
const ANSWER_LINE = /^[^\r\n]*$/

test('Pop3Login survives arbitrary bytes', () => {
  fc.assert(
    fc.property(input, cuts, fc.boolean(), (bytes, at, tls) => {
      const login = new Pop3Login({
        implementation: 'Twinpost',
        loginDelaySeconds: 0,
        tls,
        tlsRequired: true,
        startTls: true,
      })
      let secure = tls
      let closed = false
      const follow = (first: LoginStep) => {
        let step = first
        for (;;) {
          const text = step.bytes.toString()
          assert.ok(text === '' || text.endsWith('\r\n'))
          if (step.action?.kind === 'authenticate') {
            assert.ok(secure, 'no credential is taken in clear text')
            step = step.action.attempt % 2 === 0 ? login.denied(step.action.attempt > 3) : login.refused('in-use')
            continue
          }
          if (step.action?.kind === 'start-tls') {
            login.tlsStarted()
            secure = true
          } else if (step.action?.kind === 'close') {
            assert.equal(closed, false, 'closed once')
            closed = true
          } else if (closed) assert.equal(text, '', 'nothing is said after the end')
          return
        }
      }
      for (const chunk of cut(bytes, at)) follow(login.receive(chunk))
    }),
    { numRuns },
  )
})

test('Pop3Session survives arbitrary bytes', async () => {
  await fc.assert(
    fc.asyncProperty(input, cuts, async (bytes, at) => {
      const maildrop = new MemoryMaildrop([Buffer.from('A: 1\r\n\r\n.x\r\n'), Buffer.from('no header')], 3)
      const sink = new MemorySink()
      const session = new Pop3Session(maildrop, sink, { implementation: 'Twinpost', utf8: false, loginDelaySeconds: 0 })
      for (const chunk of cut(bytes, at)) await session.receive(chunk)
      const text = sink.take().toString()
      assert.ok(text === '' || text.endsWith('\r\n'))
      for (const line of text.split('\r\n')) assert.match(line, ANSWER_LINE)
      if (!session.over) assert.equal(maildrop.releaseCount, 0)
      session.end()
      assert.ok(maildrop.releaseCount > 0)
    }),
    { numRuns },
  )
})
