/** Bad input over real sockets: a clear answer of the protocol, and the session or at least the process lives on. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { TestArray } from './support/array.ts'
import { allMessages } from './support/imap.ts'
import { SmtpDialogue } from './support/smtp.ts'

let array: TestArray
let pidsBefore: string
before(async () => {
  array = await TestArray.start()
  pidsBefore = await pids()
})
after(async () => {
  try {
    assert.equal(await pids(), pidsBefore, 'no process was started again')
  } finally {
    await array.remove()
  }
})

async function pids(): Promise<string> {
  return (await array.status()).processes
    .map((line) => `${line.name}=${line.pid}`)
    .sort()
    .join(' ')
}

/** Sends `bytes` over TLS after login, returns all that comes back until `until` matches or the server closes. */
function imapSays(lines: string, until: RegExp): Promise<string> {
  const alice = array.account('alice')
  const { host, port } = array.endpoints.imaps
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host, port, ca: array.ca })
    let text = ''
    const timer = setTimeout(() => reject(new Error(`No ${until} in ${text.slice(-500)}`)), 20_000)
    const done = () => {
      clearTimeout(timer)
      socket.destroy()
      resolve(text)
    }
    socket.on('data', (chunk: Buffer) => {
      const before = text
      text += chunk.toString('latin1')
      if (!before.includes('L OK') && text.includes('L OK')) socket.write(Buffer.from(lines, 'latin1'))
      if (text.includes('L OK') && until.test(text.slice(text.indexOf('L OK') + 4))) done()
    })
    socket.on('error', done)
    socket.on('close', done)
    socket.write(`L LOGIN "${alice.address}" "${alice.password}"\r\n`)
  })
}

const imapCases: [name: string, lines: string, answer: RegExp][] = [
  ['a command line of 1 MiB', `a1 NOOP ${'x'.repeat(1024 * 1024)}\r\na2 NOOP\r\n`, /a1 BAD|BYE|\* BAD/],
  ['a literal larger than the limit', 'a1 APPEND INBOX {4294967296}\r\na2 NOOP\r\n', /a1 (NO|BAD)[\s\S]*a2 OK/],
  ['a negative literal', 'a1 APPEND INBOX {-5}\r\na2 NOOP\r\n', /a1 BAD[\s\S]*a2 OK/],
  ['a number of 40 digits', `a1 FETCH ${'9'.repeat(40)} FLAGS\r\na2 NOOP\r\n`, /a1 (BAD|NO)[\s\S]*a2 OK/],
  ['a NUL in a string', 'a1 SELECT "IN\0BOX"\r\na2 NOOP\r\n', /a1 (BAD|NO)[\s\S]*a2 OK|BYE/],
  ['an unknown command', 'a1 FROBNICATE\r\na2 NOOP\r\n', /a1 BAD[\s\S]*a2 OK/],
  ['FETCH before SELECT', 'a1 FETCH 1 FLAGS\r\na2 NOOP\r\n', /a1 BAD[\s\S]*a2 OK/],
  ['10,000 parentheses', `a1 SEARCH ${'('.repeat(10_000)}\r\na2 NOOP\r\n`, /a1 BAD[\s\S]*a2 OK|BYE/],
  ['invalid modified UTF-7', 'a1 CREATE "&bogus"\r\na2 NOOP\r\n', /a1 (BAD|NO)[\s\S]*a2 OK/],
]
for (const [name, lines, answer] of imapCases) {
  test(`IMAP answers ${name}`, async () => assert.match(await imapSays(lines, answer), answer))
}

test('IMAP refuses LOGIN before TLS and says why', async () => {
  const { host, port } = array.endpoints.imap
  const text = await new Promise<string>((resolve) => {
    let seen = ''
    const socket = connect(port, host)
    socket.on('data', (chunk: Buffer) => {
      seen += chunk.toString('latin1')
      if (/a1 (OK|NO|BAD)/.test(seen)) {
        socket.destroy()
        resolve(seen)
      }
    })
    socket.write('a1 LOGIN alice secret\r\n')
  })
  assert.match(text, /LOGINDISABLED/)
  assert.match(text, /a1 NO \[PRIVACYREQUIRED\]/)
})

const bodies: [name: string, body: string][] = [
  ['a bare LF', 'Subject: x\r\n\r\none\ntwo\r\n'],
  ['a bare CR', 'Subject: x\r\n\r\none\rtwo\r\n'],
  ['a NUL', 'Subject: x\r\n\r\none\0two\r\n'],
  ['LF.LF smuggling', 'Subject: x\r\n\r\none\n.\nMAIL FROM:<evil@example.net>\r\n'],
  ['LF.CRLF smuggling', 'Subject: x\r\n\r\none\n.\r\nMAIL FROM:<evil@example.net>\r\n'],
]
test('SMTP from outside refuses bare line ends and NUL with 550 5.6.0, and never splits the letter', async () => {
  const to = array.account('alice').address
  const before = (await allMessages(array, array.account('alice'))).size
  const smtp = await SmtpDialogue.open(array.endpoints.smtp)
  await smtp.say('EHLO hostile.example.net')
  for (const [name, body] of bodies) {
    for (const line of ['MAIL FROM:<s@example.net>', `RCPT TO:<${to}>`, 'DATA']) await smtp.say(line)
    smtp.send(Buffer.from(`${body}.\r\n`, 'latin1'))
    const reply = await smtp.reply()
    assert.equal(`${reply.code} ${reply.text.slice(0, 5)}`, '550 5.6.0', name)
    assert.equal((await smtp.say('NOOP')).code, 250, `in step after ${name}`)
  }
  smtp.close()
  assert.equal((await allMessages(array, array.account('alice'))).size, before)
})

test('SMTP answers over-long lines, unknown commands and unknown recipients and goes on', async () => {
  const smtp = await SmtpDialogue.open(array.endpoints.smtp)
  assert.equal((await smtp.say('EHLO hostile.example.net')).code, 250)
  const unknown = await smtp.say('XYZZY')
  assert.ok(unknown.code >= 500)
  assert.equal((await smtp.say('MAIL FROM:<s@example.net>')).code, 250)
  assert.equal((await smtp.say('RCPT TO:<nobody@example.test>')).code, 550)
  const foreign = await smtp.say('RCPT TO:<somebody@elsewhere.example>')
  assert.ok(foreign.code >= 550 && foreign.code < 560, `${foreign.code}`)
  smtp.close()
  const long = await SmtpDialogue.open(array.endpoints.smtp)
  const answer = await long.say(`EHLO ${'x'.repeat(100_000)}`).catch(() => ({ code: 421, text: 'closed' }))
  assert.ok(answer.code >= 400, `${answer.code}`)
  long.close()
})

test('a letter of 100,000 nested multiparts is stored and its structure is answered', async () => {
  const alice = array.account('alice')
  const parts = Array.from(
    { length: 100_000 },
    (_, i) => `--b${i}\r\nContent-Type: multipart/mixed; boundary=b${i + 1}\r\n\r\n`,
  )
  const body = Buffer.from(`Subject: deep\r\nContent-Type: multipart/mixed; boundary=b0\r\n\r\n${parts.join('')}`)
  const smtp = await SmtpDialogue.open(array.endpoints.smtp)
  await smtp.say('EHLO hostile.example.net')
  assert.equal((await smtp.deliver('s@example.net', [alice.address], body)).code, 250)
  smtp.close()
  const text = await imapSays('a1 SELECT INBOX\r\na2 FETCH * (ENVELOPE BODYSTRUCTURE)\r\n', /a2 (OK|NO|BAD)/)
  assert.match(text, /a2 OK/)
  assert.match(text, /"deep"/)
})
