/** Whatever a server does, each recipient gets one result, nothing is sent that splits a letter, and the dialogue comes to an end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Dialogue } from '../testing/dialogue.ts'
import type { SendingResult } from './actions.ts'
import { DotStuffer } from './dot-stuffer.ts'
import { SmtpSender } from './sender.ts'

const numRuns = Number(process.env['FUZZ_RUNS'] ?? 1_000)

const serverLine = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom('250 ok', '354 go', '220 mx', '250-mx', '250-PIPELINING', '250-CHUNKING', '250 DSN'),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom('550 no', '451 later', '421 bye', '552 5.2.2 full', '250-STARTTLS', '250 STARTTLS'),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
)
const letterPiece = fc.oneof(
  fc.constantFrom('\r\n', '.', '..\r\n', '.\r\n', 'x', '\r', '\n', '\r\n.\r\n', '\0'),
  fc.string({ unit: 'grapheme-ascii', maxLength: 10 }),
)
const address = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom('ben@example.net', '"a b"@example.net', 'x>@example.net', 'a\r\nRCPT TO:<b@c>', ''),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
)

test('SmtpSender survives any server, letter and address', () => {
  fc.assert(
    fc.property(
      fc.array(serverLine, { maxLength: 40 }),
      fc.array(letterPiece, { maxLength: 10 }),
      fc.array(address, { minLength: 1, maxLength: 60 }),
      fc.boolean(),
      (lines, letter, addresses, required) => {
        const sender = new SmtpSender({
          hostname: 'mx.example.test',
          secure: false,
          tls: required ? 'required' : 'opportunistic',
        })
        const finished: (readonly SendingResult[])[] = []
        let begun = 0
        let commands = ''
        let inLetter = false
        const run = () => {
          for (let action = sender.next(); action !== null; action = sender.next()) {
            if (action.kind === 'start-tls') sender.tlsStarted()
            if (action.kind === 'ready' && begun < 3) {
              begun++
              sender.begin({
                reversePath: 'anna@example.test',
                sizeBytes: 10,
                eightBit: false,
                smtpUtf8: false,
                ret: null,
                envid: null,
                recipients: addresses.map((one) => ({ address: one, notify: null, orcpt: null })),
              })
            }
            if (action.kind === 'body') {
              commands += Buffer.concat(sender.takeOutput()).toString('latin1')
              inLetter = true
              for (const piece of letter) sender.write(Buffer.from(piece, 'latin1'))
              sender.end()
            }
            if (action.kind === 'finished') {
              inLetter = false
              assert.equal(action.results.length, addresses.length)
              finished.push(action.results)
            }
          }
          const out = Buffer.concat(sender.takeOutput())
          if (!inLetter) commands += out.toString('latin1')
          else assert.equal(/[^\r]\n|\r(?!\n)|\0/.test(out.toString('latin1')), false)
        }
        for (const line of lines) {
          sender.push(Buffer.from(`${line}\r\n`, 'latin1'))
          run()
        }
        sender.lost('the socket ended')
        run()
        assert.equal(finished.length, begun)
        assert.equal(sender.closed, true)
        for (const command of commands.split('\r\n')) {
          assert.match(command, /^(|EHLO|HELO|STARTTLS|RSET|MAIL|RCPT|DATA|BDAT|QUIT|\.)/)
          assert.doesNotMatch(command, /[\r\n\0]/)
        }
      },
    ),
    { numRuns },
  )
})

test('DotStuffer and the receiver understand each other, however the letter is cut', () => {
  const line = fc.constantFrom('', '.', '..', '.a', 'a', 'a.', '...')
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), fc.boolean(), fc.array(fc.nat(40)), (words, ended, cuts) => {
      const letter = Buffer.from(words.join('\r\n') + (ended && words.length > 0 ? '\r\n' : ''))
      const stuffer = new DotStuffer()
      const wire: Buffer[] = []
      let from = 0
      for (const cut of [...cuts, letter.length]) {
        const to = Math.min(letter.length, from + cut)
        wire.push(...stuffer.push(letter.subarray(from, to)))
        from = to
      }
      wire.push(stuffer.end())
      const text = Buffer.concat(wire).toString()
      assert.equal(
        text.indexOf('\r\n.\r\n') === -1 ? text : text.endsWith('\r\n.\r\n') && text.indexOf('\r\n.\r\n'),
        text === '.\r\n' ? text : text.length - 5,
      )
      const dialogue = new Dialogue({ sizeMax: 100_000 })
      dialogue.greet()
      dialogue.push(Buffer.from('EHLO a\r\nMAIL FROM:<a@b.example>\r\n'))
      dialogue.settle(null)
      dialogue.push(Buffer.from('RCPT TO:<a@b.example>\r\n'))
      dialogue.settle(null)
      dialogue.push(Buffer.from('DATA\r\n'))
      dialogue.settle(null)
      dialogue.take()
      dialogue.push(Buffer.from(text))
      const body = dialogue.take().find((one) => one.startsWith('A: body'))
      const wanted = letter.length === 0 || letter.toString().endsWith('\r\n') ? letter.toString() : `${letter}\r\n`
      assert.equal(body === undefined ? '' : JSON.parse(body.slice(8)), wanted)
    }),
  )
})
