/** The commands a user types first: up, status, account, domain, logs, down; also twice, and with wrong words. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { ENDPOINT_NAMES, TestArray } from './support/array.ts'
import { allMessages, imapLogin } from './support/imap.ts'
import { SmtpDialogue } from './support/smtp.ts'

let array: TestArray
before(async () => {
  array = await TestArray.start()
})
after(() => array?.remove())

const PASSWORD = 'a long enough password'

test('up writes endpoints.json in the promised shape', () => {
  for (const name of ENDPOINT_NAMES) {
    const endpoint = array.endpoints[name]
    assert.equal(typeof endpoint.host, 'string', name)
    assert.ok(Number.isInteger(endpoint.port), name)
  }
  assert.ok(existsSync(array.endpoints.ca))
  assert.ok(array.endpoints.accounts.length >= 3)
  for (const { address, password, home } of array.endpoints.accounts) {
    assert.match(address, /@example\.test$/)
    assert.ok(password.length > 0)
    assert.match(home, /^n[12]\/[01]$/)
  }
})

test('up a second time says that the array runs and changes nothing', async () => {
  const before = (await array.status()).processes.map((line) => line.pid)
  assert.notEqual(await array.must('up'), '')
  assert.deepEqual(
    (await array.status()).processes.map((line) => line.pid),
    before,
  )
})

test('status shows four shards with a primary each, and every process', async () => {
  const status = await array.status()
  assert.deepEqual(
    status.shards.map((line) => line.shard),
    ['n1/0', 'n1/1', 'n2/0', 'n2/1'],
  )
  for (const line of status.shards) {
    assert.ok(line.primary && line.primary.pid > 0, line.shard)
    assert.ok(line.epoch >= 1)
    assert.ok(line.inSync.length >= 1)
  }
  for (const line of status.processes) assert.doesNotThrow(() => process.kill(line.pid, 0), line.name)
  assert.match(await array.must('status'), /n1\/0/)
})

test('an account is added, listed, receives mail, changes its password and is deleted', async () => {
  const address = 'zoe@example.test'
  await array.must('account', 'add', address, '--password', PASSWORD)
  await array.must('account', 'add', address, '--password', PASSWORD)
  assert.match(await array.must('account', 'list'), /zoe@example\.test/)

  const smtp = await SmtpDialogue.open(array.endpoints.smtp)
  await smtp.say('EHLO cli.example.net')
  assert.equal((await smtp.deliver('s@example.net', [address], Buffer.from('Subject: hi\r\n\r\nhi\r\n'))).code, 250)
  const account = { address, password: PASSWORD, home: '' }
  assert.equal((await allMessages(array, account)).size, 1)

  const session = await imapLogin(array, account)
  const ended = new Promise((resolve) => session.once('close', resolve))
  await array.must('account', 'passwd', address, '--password', `${PASSWORD} 2`)
  await ended
  await assert.rejects(imapLogin(array, account))
  await (await imapLogin(array, { ...account, password: `${PASSWORD} 2` })).logout()

  await array.must('account', 'delete', address, '--now')
  assert.equal((await smtp.deliver('s@example.net', [address], Buffer.from('Subject: hi\r\n\r\nhi\r\n'))).code, 550)
  smtp.close()
  assert.doesNotMatch(await array.must('account', 'list'), /zoe@example\.test/)
})

test('domain list names the domain, logs show lines', async () => {
  assert.match(await array.must('domain', 'list'), /example\.test/)
  assert.match(await array.must('logs'), /\S/)
})

test('domain dns lists the records of a domain with what the DNS has, and as a zone file', async () => {
  const [domain] = JSON.parse(await array.must('domain', 'dns', 'example.test', '-o', 'json'))
  const states = new Set(domain.records.map(({ state }: { state: { kind: string } }) => state.kind))
  // Nobody has published example.test; without a network nobody answers.
  assert.ok(
    [...states].every((kind) => kind === 'missing' || kind === 'unknown'),
    [...states].join(),
  )
  const zone = await array.must('domain', 'dns', 'example.test', '--format', 'zone')
  assert.match(zone, /^tp1-ed25519\._domainkey\.example\.test\. 3600 IN TXT "v=DKIM1; k=ed25519; p=/m)
  assert.match((await array.command('domain', 'dns', 'elsewhere.example')).stderr, /no domain elsewhere\.example/)
})

const wrong: [name: string, args: string[], words: RegExp][] = [
  ['an unknown command', ['frobnicate'], /frobnicate/],
  ['an unknown option', ['status', '--frob'], /frob/],
  ['an account without a domain', ['account', 'add', 'zoe', '--password', PASSWORD], /zoe/],
  [
    'an account of a foreign domain',
    ['account', 'add', 'zoe@elsewhere.example', '--password', PASSWORD],
    /elsewhere\.example/,
  ],
  ['deleting nobody', ['account', 'delete', 'nobody@example.test'], /nobody@example\.test/],
  ['fsck of no shard', ['fsck', 'n9/0'], /n9\/0/],
]
for (const [name, args, words] of wrong) {
  test(`twinpost ${args[0]} refuses ${name} with its name and a non-zero exit code`, async () => {
    const { code, stdout, stderr } = await array.command(...args)
    assert.notEqual(code, 0)
    assert.match(stdout + stderr, words)
  })
}

test('./twinpost --help works in English and Chinese', async () => {
  assert.match(await array.must('--help'), /status/)
  assert.match(await array.must('--help', '--lang', 'zh-CN'), /[\u4e00-\u9fff]/)
})
