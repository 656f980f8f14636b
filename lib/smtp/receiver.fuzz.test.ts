/**
 * Arbitrary input, cut anywhere, answered as chance says: the receiver never throws, says whole lines only, keeps its
 * invariants, and does the same however the input was cut. FUZZ_RUNS sets how many.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Action, ReceiverOptions } from './receiving/actions.ts'
import { SmtpReceiver } from './receiving/receiver.ts'
import { type Reply, reply } from './reply.ts'
import { actionText, RECEIVER_OPTIONS } from './testing/dialogue.ts'

const numRuns = Number(process.env['FUZZ_RUNS'] ?? 500)

const words = fc.constantFrom(
  ...['EHLO x\r\n', 'LHLO x\r\n', 'HELO x\r\n', 'MAIL FROM:<a@example.net>\r\n', 'MAIL FROM:<> SIZE=9\r\n'],
  ...['RCPT TO:<anna@example.test>\r\n', 'RCPT TO:<postmaster>\r\n', 'DATA\r\n', '.\r\n', '\r\n.\r\n', '..\r\n'],
  ...[
    'BDAT 4\r\n',
    'BDAT 0 LAST\r\n',
    'BDAT 7 LAST\r\n',
    'BDAT 2000\r\n',
    'RSET\r\n',
    'NOOP\r\n',
    'QUIT\r\n',
    'VRFY a\r\n',
  ],
  ...['AUTH SCRAM-SHA-256\r\n', 'AUTH SCRAM-SHA-256 YQ==\r\n'],
  ...['STARTTLS\r\n', 'AUTH PLAIN\r\n', 'AUTH LOGIN YQ==\r\n', 'AUTH PLAIN AGFubmEAc2VjcmV0\r\n', 'YQ==\r\n', '*\r\n'],
  ...['\r\n', '\r', '\n', '\0', '\xff', '.', ' ', '<', '>', '=', 'a'.repeat(3000), 'b'.repeat(13_000)],
)
const noise = fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('latin1'))
/** Ordinary transactions among it, so that the deep states are reached. */
const letter = fc.constant(
  'MAIL FROM:<a@example.net>\r\nRCPT TO:<anna@example.test>\r\nDATA\r\nSubject: x\r\n\r\n..a\r\n.\r\n',
)
const chunks = fc.constant(
  'MAIL FROM:<a@example.net>\r\nRCPT TO:<anna@example.test>\r\nBDAT 4\r\na: bBDAT 2 LAST\r\n\r\n',
)
const input = fc
  .array(fc.oneof({ weight: 6, arbitrary: words }, { weight: 2, arbitrary: letter }, chunks, noise), { maxLength: 40 })
  .map((texts) => `EHLO x\r\nLHLO x\r\n${texts.join('')}`)
const options = fc.record({
  protocol: fc.constantFrom<'smtp' | 'lmtp'>('smtp', 'smtp', 'lmtp'),
  tls: fc.boolean(),
  startTls: fc.boolean(),
  loginRequired: fc.boolean(),
  smtpUtf8: fc.boolean(),
  dsn: fc.boolean(),
})
const cuts = fc.array(fc.nat(), { maxLength: 30 })
/** How the host answers, in turn: 0 to 7. */
const answers = fc.infiniteStream(fc.nat({ max: 7 }))

interface Played {
  readonly said: string
  readonly told: readonly string[]
}

function verdict(chance: number): Reply | null {
  if (chance === 0) return reply(550, '5.1.1 No')
  return chance === 1 ? reply(451, '4.3.0 Later') : null
}

function play(given: Partial<ReceiverOptions>, pieces: readonly Buffer[], chances: Iterator<number>): Played {
  const settings = { ...RECEIVER_OPTIONS, ...given }
  const receiver = new SmtpReceiver({ ...settings, hostMechanisms: () => ['SCRAM-SHA-256'] })
  const chance = () => Number(chances.next().value)
  const told: string[] = []
  let said = ''
  let body = ''
  let recipients = 0
  let inLetter = false
  let closed = false
  let secure = settings.tls
  const flush = () => {
    if (body !== '') told.push(`body ${body}`)
    body = ''
  }
  const obey = (action: Action) => {
    assert.equal(closed, false, 'nothing comes behind close')
    if (action.kind === 'body') {
      assert.equal(inLetter, true, 'a body belongs to a letter')
      assert.ok(action.piece.length > 0)
      body += action.piece.toString('latin1')
      return
    }
    flush()
    told.push(actionText(action))
    switch (action.kind) {
      case 'sender':
        recipients = 0
        receiver.settle(verdict(chance()))
        break
      case 'login':
        assert.equal(secure, true, 'no password before TLS')
        receiver.settle(verdict(chance()))
        break
      case 'exchange':
        assert.equal(secure, true, 'no mechanism before TLS')
        if (action.first) receiver.challenge(Buffer.from('go on'))
        else receiver.settle(verdict(chance()))
        break
      case 'recipient': {
        const refusal = verdict(chance())
        if (refusal === null) recipients++
        receiver.settle(refusal)
        break
      }
      case 'letter': {
        assert.ok(recipients > 0, 'somebody is to get it')
        assert.equal(inLetter, false, 'one letter at a time')
        const refusal = verdict(chance())
        inLetter = refusal === null
        receiver.settle(refusal)
        break
      }
      case 'letter-end': {
        assert.equal(inLetter, true)
        inLetter = false
        const one = verdict(chance()) ?? reply(250, '2.0.0 Accepted')
        receiver.settleLetter(settings.protocol === 'lmtp' ? Array.from({ length: recipients }, () => one) : [one])
        break
      }
      case 'letter-abandoned':
        assert.equal(inLetter, true)
        inLetter = false
        break
      case 'start-tls':
        receiver.push(Buffer.from('NOOP\r\n')) // in clear text: dropped
        receiver.tlsStarted()
        secure = true
        break
      case 'close':
        closed = true
        break
      default:
        action satisfies never
    }
  }
  const run = () => {
    for (;;) {
      const action = receiver.next()
      const full = receiver.outputFull
      said += receiver.takeOutput()
      if (action === null && !full) break
      if (action !== null) obey(action)
    }
  }
  receiver.greet()
  run()
  for (const piece of pieces) {
    receiver.push(Buffer.from(piece))
    run()
  }
  flush()
  return { said, told }
}

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const places = [...new Set(at.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...places].map((from, i) => bytes.subarray(from, places[i] ?? bytes.length))
}

/** Says the same chances to each play. */
function recorded(stream: Iterator<number>): () => Iterator<number> {
  const seen: number[] = []
  return () => {
    let at = 0
    return {
      next() {
        if (at === seen.length) seen.push(Number(stream.next().value))
        return { value: seen[at++] ?? 0, done: false }
      },
    }
  }
}

test('SmtpReceiver survives arbitrary input, and does the same however it was cut', () => {
  fc.assert(
    fc.property(options, input, cuts, answers, (given, text, at, stream) => {
      const bytes = Buffer.from(text, 'latin1')
      // What stands behind STARTTLS in the same piece is dropped, what comes later is TLS: there the cut matters.
      const pieces = text.includes('STARTTLS') && given.startTls ? null : cut(bytes, at)
      const chances = recorded(stream)
      const whole = play(given, [bytes], chances())
      for (const line of whole.said.split('\r\n').slice(0, -1)) assert.match(line, /^\d{3}[ -][ -~]*$/)
      assert.ok(whole.said.endsWith('\r\n'))
      if (pieces === null) return
      assert.deepEqual(play(given, pieces, chances()), whole)
      const single = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))
      assert.deepEqual(play(given, single, chances()), whole)
    }),
    { numRuns },
  )
})

/** What RFC 5321 section 4.5.2 says of DATA, in one line each. */
function decoded(wire: string): { readonly body: string; readonly rest: string } | null {
  const text = `\r\n${wire}`
  const end = text.indexOf('\r\n.\r\n')
  if (end === -1) return null
  const body = text.slice(0, end + 2).replace(/\r\n\./g, '\r\n')
  return { body: body.slice(2), rest: text.slice(end + 5) }
}

const wireText = fc
  .array(fc.constantFrom('\r', '\n', '.', '\r\n', '\r\n.', 'a', '\0', 'QUIT', '\r\n.\r\n'), { maxLength: 40 })
  .map((words) => `${words.join('')}\r\n.\r\n`)

test('SmtpReceiver ends DATA at the first CRLF.CRLF and nowhere else, wherever the input was cut', () => {
  fc.assert(
    fc.property(wireText, cuts, (wire, at) => {
      const expected = decoded(wire)
      assert.ok(expected)
      const bytes = Buffer.from(`EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.test>\r\nDATA\r\n${wire}`, 'latin1')
      const yes = recorded({ next: () => ({ value: 7, done: false }) })
      const { told } = play({}, cut(bytes, at), yes())
      const body = told.filter((line) => line.startsWith('body ')).map((line) => line.slice(5))
      assert.equal(body[0] ?? '', expected.body)
      assert.equal(told.indexOf('letter-end'), expected.body === '' ? 3 : 4)
    }),
    { numRuns },
  )
})
