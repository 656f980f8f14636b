/** Real clients of other people against the array: what is on the machine is used, what is not is reported as skipped. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { createTransport } from 'nodemailer'
import { TestArray } from './support/array.ts'
import { allMessages, imapLogin } from './support/imap.ts'
import { Pop3Client } from './support/pop3.ts'

let array: TestArray
before(async () => {
  array = await TestArray.start()
})
after(() => array?.remove())

function available(context: TestContext, command: string): boolean {
  const found = spawnSync('which', [command]).status === 0
  if (!found) context.skip(`${command} is not installed`)
  return found
}

function run(command: string, args: readonly string[], input = ''): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString('latin1')
    })
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk.toString('latin1')
    })
    child.on('close', (code) => resolve({ code: code ?? 1, output }))
    child.stdin.end(input)
  })
}

test('a login without a domain means the default domain of the array, in IMAP, POP3 and submission', async () => {
  const alice = array.account('alice')
  const [local] = alice.address.split('@')
  assert.ok(local)
  const bare = { ...alice, address: local }
  const imap = await imapLogin(array, bare)
  assert.ok(await imap.mailboxOpen('INBOX'))
  await imap.logout()
  const pop3 = await Pop3Client.login(array.endpoints.pop3s, array.ca, bare)
  await pop3.quit()
  const { host, port } = array.endpoints.submission
  const tls = { ca: array.ca }
  const auth = { user: local, pass: alice.password }
  const transport = createTransport({ host, port, secure: false, requireTLS: true, tls, auth })
  const sent = await transport.sendMail({ from: alice.address, to: alice.address, subject: 'bare', text: 'x' })
  assert.equal(sent.accepted.length, 1)
  await assert.rejects(imapLogin(array, { ...bare, address: 'nobody' }))
})

test('users write to each other: nodemailer submits, imapflow reads, flags, moves and deletes', async () => {
  const [alice, bob] = [array.account('alice'), array.account('bob')]
  const { host, port } = array.endpoints.submission
  const transport = createTransport({
    host,
    port,
    secure: false,
    requireTLS: true,
    tls: { ca: array.ca },
    auth: { user: alice.address, pass: alice.password },
  })
  const info = await transport.sendMail({
    from: alice.address,
    to: [bob.address, alice.address],
    subject: '你好, Bob',
    text: 'Grüße aus dem Verbund.',
    attachments: [{ filename: 'a.bin', content: Buffer.from([0, 255, 10, 13]) }],
  })
  assert.deepEqual(info.accepted.length, 2)
  await assert.rejects(
    transport.sendMail({ from: bob.address, to: bob.address, subject: 'forged', text: 'x' }),
    /5\d\d/,
  )
  transport.close()

  const client = await imapLogin(array, bob)
  const lock = await client.getMailboxLock('INBOX')
  const [uid] = (await client.search({ header: { subject: '你好' } }, { uid: true })) || []
  assert.ok(uid)
  const message = await client.fetchOne(
    String(uid),
    { envelope: true, bodyStructure: true, flags: true },
    { uid: true },
  )
  assert.ok(message)
  assert.equal(message.envelope?.subject, '你好, Bob')
  assert.equal(message.envelope?.from?.[0]?.address, alice.address)
  assert.equal(message.bodyStructure?.childNodes?.length, 2)
  await client.messageFlagsAdd(String(uid), ['\\Flagged', 'Wichtig'], { uid: true })
  const flagged = await client.fetchOne(String(uid), { flags: true }, { uid: true })
  assert.ok(flagged && flagged.flags?.has('\\Flagged') && flagged.flags.has('Wichtig'))
  const moved = await client.messageMove(String(uid), 'Archive', { uid: true })
  assert.ok(moved && moved.uidMap?.get(uid))
  lock.release()
  await client.logout()
  assert.equal((await allMessages(array, bob, 'Archive')).size, 1)
})

test('curl reads and appends over IMAP, reads over POP3 and sends over submission', async (context) => {
  if (!available(context, 'curl')) return
  const alice = array.account('alice')
  const ca = array.endpoints.ca
  const file = join(array.root, 'curl-letter.eml')
  writeFileSync(file, `From: <${alice.address}>\r\nTo: <${alice.address}>\r\nSubject: by curl\r\n\r\nhello\r\n`)
  const user = ['--cacert', ca, '--user', `${alice.address}:${alice.password}`, '--silent', '--show-error']
  const { submissions, imaps, pop3s } = array.endpoints
  const send = await run('curl', [
    ...user,
    `smtps://${submissions.host}:${submissions.port}`,
    '--mail-from',
    alice.address,
    '--mail-rcpt',
    alice.address,
    '--upload-file',
    file,
  ])
  assert.equal(send.code, 0, send.output)
  const append = await run('curl', [...user, `imaps://${imaps.host}:${imaps.port}/Drafts`, '--upload-file', file])
  assert.equal(append.code, 0, append.output)
  const draft = await run('curl', [...user, `imaps://${imaps.host}:${imaps.port}/Drafts;MAILINDEX=1`])
  assert.match(draft.output, /Subject: by curl/)
  const list = await run('curl', [...user, `pop3s://${pop3s.host}:${pop3s.port}/`])
  assert.match(list.output, /^1 \d+/m)
})

test("python's smtplib, imaplib and poplib work end to end", async (context) => {
  if (!available(context, 'python3')) return
  const bob = array.account('bob')
  const { submission, imap, pop3 } = array.endpoints
  const script = `
import smtplib, imaplib, poplib, ssl, sys
ca, user, password = sys.argv[1:4]
host, smtp_port, imap_port, pop_port = sys.argv[4], int(sys.argv[5]), int(sys.argv[6]), int(sys.argv[7])
tls = ssl.create_default_context(cafile=ca)
s = smtplib.SMTP(host, smtp_port); s.starttls(context=tls); s.login(user, password)
s.sendmail(user, [user], b"From: <%b>\\r\\nSubject: python\\r\\n\\r\\n.leading dot\\r\\n..two\\r\\n" % user.encode()); s.quit()
i = imaplib.IMAP4(host, imap_port)
try:
    i.login(user, password); sys.exit("LOGIN without TLS was accepted")
except imaplib.IMAP4.error as e:
    assert "PRIVACYREQUIRED" in str(e) or "LOGINDISABLED" in str(e) or "TLS" in str(e), e
i.starttls(tls); i.login(user, password); i.select()
typ, data = i.search(None, "SUBJECT", "python"); assert len(data[0].split()) == 1, data
typ, data = i.fetch(data[0], "(BODY.PEEK[TEXT] FLAGS)"); assert data[0][1] == b".leading dot\\r\\n..two\\r\\n", data
i.store(b"1:*", "+FLAGS", "\\\\Seen"); i.create("Projects/2026"); assert any(b"Projects/2026" in l for l in i.list()[1]); i.logout()
p = poplib.POP3(host, pop_port); p.stls(tls); p.user(user); p.pass_(password)
n = p.stat()[0]; assert n >= 1; lines = p.retr(n)[1]; assert b".leading dot" in lines, lines
p.dele(n); p.quit(); print("fine")
`
  const args = ['-c', script, array.endpoints.ca, bob.address, bob.password, imap.host]
  const result = await run('python3', [...args, String(submission.port), String(imap.port), String(pop3.port)])
  assert.equal(result.output.trim(), 'fine')
})

test('swaks delivers over LMTP and SMTP', async (context) => {
  if (!available(context, 'swaks')) return
  const { lmtp, smtp } = array.endpoints
  const to = array.account('dave').address
  for (const [endpoint, protocol] of [
    [lmtp, 'LMTP'],
    [smtp, 'ESMTP'],
  ] as const) {
    const args = ['--server', endpoint.host, '--port', String(endpoint.port), '--protocol', protocol]
    const result = await run('swaks', [...args, '--to', to, '--from', 's@example.net'])
    assert.equal(result.code, 0, result.output)
  }
  assert.equal((await allMessages(array, array.account('dave'))).size >= 2, true)
})
