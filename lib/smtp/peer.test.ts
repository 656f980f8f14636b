/**
 * The same dialogue with the package smtp-server and with our receiver: the codes agree where RFC 5321 and its extensions
 * leave no choice. Where they differ on purpose, the case says so.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { SMTPServer } from 'smtp-server'
import { reply } from './reply.ts'
import { Dialogue } from './testing/dialogue.ts'

let peer: SMTPServer
let port = 0
before(async () => {
  peer = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    logger: false,
    size: 1000,
    maxRecipients: 3,
    onRcptTo: (address, _session, done) =>
      done(address.address.startsWith('nobody') ? Object.assign(new Error('no'), { responseCode: 550 }) : null),
    onData(stream, _session, done) {
      stream.resume()
      stream.on('end', () => done())
    },
  })
  peer.listen(0, '127.0.0.1')
  await once(peer.server, 'listening')
  const address = peer.server.address()
  port = typeof address === 'object' && address !== null ? address.port : 0
})
after(() => peer.close())

const codesOf = (lines: readonly string[]) =>
  lines.filter((line) => /^\d{3} /.test(line)).map((line) => line.slice(0, 3))

async function peerCodes(lines: readonly string[]): Promise<string[]> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  const wanted = (count: number) => codesOf(text.split('\r\n')).length >= count
  const until = async (count: number) => {
    while (!wanted(count)) text += String((await once(socket, 'data'))[0])
  }
  await until(1)
  let count = 1
  for (const line of lines) {
    socket.write(`${line}\r\n`)
    await until(++count)
  }
  socket.destroy()
  return codesOf(text.split('\r\n')).slice(1)
}

function ourCodes(lines: readonly string[]): string[] {
  const dialogue = new Dialogue()
  const said: string[] = []
  const take = () => {
    const taken = dialogue.take()
    said.push(...taken.filter((line) => line.startsWith('S: ')).map((line) => line.slice(3)))
    return taken.findLast((line) => line.startsWith('A: '))?.slice(3) ?? ''
  }
  dialogue.greet()
  take()
  said.length = 0
  for (const line of lines) {
    dialogue.push(Buffer.from(`${line}\r\n`))
    for (let asked = take(); asked !== ''; asked = take()) {
      if (asked.startsWith('recipient <nobody')) dialogue.settle(reply(550, 'no'))
      else if (asked === 'letter-end') dialogue.settleLetter([reply(250, '2.0.0 OK')])
      else if (/^(sender|recipient|letter)/.test(asked)) dialogue.settle(null)
      else break
    }
  }
  return codesOf(said)
}

const MAIL = 'MAIL FROM:<ben@example.net>'
const RCPT = 'RCPT TO:<anna@example.test>'
const dialogues: [name: string, lines: string[]][] = [
  ['a letter', ['EHLO x', MAIL, RCPT, 'DATA', 'Subject: x\r\n\r\n..dot\r\n.', 'QUIT']],
  ['HELO', ['HELO x', MAIL, RCPT, 'DATA', '.', 'NOOP', 'QUIT']],
  ['commands out of order', [MAIL, 'EHLO x', RCPT, 'DATA', MAIL, MAIL, 'DATA', 'RSET', RCPT]],
  ['refused and accepted recipients', ['EHLO x', MAIL, 'RCPT TO:<nobody@example.test>', 'DATA', RCPT, 'DATA', '.']],
  ['too many recipients', ['EHLO x', MAIL, RCPT, 'RCPT TO:<b@x.test>', 'RCPT TO:<c@x.test>', 'RCPT TO:<d@x.test>']],
  [
    'malformed commands',
    ['EHLO', 'EHLO x', 'MAIL FROM:ben', 'MAIL FROM:<ben', MAIL, 'RCPT TO:<>', 'RCPT TO:<@>', 'XYZZY'],
  ],
  ['sizes', ['EHLO x', 'MAIL FROM:<ben@example.net> SIZE=1001', 'MAIL FROM:<ben@example.net> SIZE=1000']],
  ['the null path and VRFY', ['EHLO x', 'MAIL FROM:<>', RCPT, 'RSET', 'VRFY anna', 'HELP']],
]
for (const [name, lines] of dialogues) {
  test(`SmtpReceiver and smtp-server give the same codes for ${name}`, async () => {
    assert.deepEqual(ourCodes(lines), await peerCodes(lines))
  })
}

const differences: [name: string, line: string, ours: string, theirs: string][] = [
  ['unknown parameters are refused (RFC 5321 section 4.1.1.11)', 'MAIL FROM:<b@x.test> FOO=BAR', '555', '250'],
  ['a quoted local part may hold a space (section 4.1.2)', 'MAIL FROM:<"a b"@x.test>', '250', '501'],
  ['a quoted local part may hold @ (section 4.1.2)', 'MAIL FROM:<"a@b"@x.test>', '250', '501'],
  ['BDAT is known (RFC 3030)', 'BDAT 0', '503', '500'],
]
for (const [name, line, ours, theirs] of differences) {
  test(`SmtpReceiver differs from smtp-server: ${name}`, async () => {
    assert.equal(ourCodes(['EHLO x', line])[1], ours)
    assert.equal((await peerCodes(['EHLO x', line]))[1], theirs)
  })
}
