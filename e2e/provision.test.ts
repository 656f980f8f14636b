/** The life of accounts and groups by command: what users and senders see of it, and what the audit trail tells. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { TestArray } from './support/array.ts'
import { allMessages, imapLogin } from './support/imap.ts'
import { waitFor } from './support/pour.ts'
import { SmtpDialogue } from './support/smtp.ts'

const PASSWORD = 'a long enough password'
const LETTER = Buffer.from('From: s@example.net\r\nSubject: hi\r\n\r\nhi\r\n')

let array: TestArray
before(async () => {
  array = await TestArray.start()
})
after(() => array?.remove())

const user = (address: string) => ({ address, password: PASSWORD, home: '' })

async function addAccount(address: string, ...options: readonly string[]): Promise<void> {
  await array.must('account', 'add', address, '--password', PASSWORD, ...options)
}

/** The code with which a letter from outside is answered. */
async function deliver(...to: readonly string[]): Promise<number> {
  const smtp = await SmtpDialogue.open(array.endpoints.smtp)
  try {
    await smtp.say('EHLO out.example.net')
    return (await smtp.deliver('s@example.net', to, LETTER)).code
  } finally {
    smtp.close()
  }
}

const letters = async (address: string) => (await allMessages(array, user(address))).size

test('a suspended account loses its sessions, refuses logins and mail, and comes back', async () => {
  const address = 'sue@example.test'
  await addAccount(address)
  const session = await imapLogin(array, user(address))
  const ended = new Promise((resolve) => session.once('close', resolve))
  await array.must('account', 'suspend', address, '--reason', 'spam')
  await ended
  await assert.rejects(imapLogin(array, user(address)))
  assert.equal(await deliver(address), 550)
  await array.must('account', 'resume', address)
  assert.equal(await deliver(address), 250)
  assert.equal(await letters(address), 1)
})

test('a renamed account keeps its mail, and its old address as long as it is wanted', async () => {
  await addAccount('old@example.test')
  assert.equal(await deliver('old@example.test'), 250)
  await array.must('account', 'rename', 'old@example.test', 'new@example.test')
  for (const address of ['old@example.test', 'new@example.test']) assert.equal(await deliver(address), 250)
  assert.equal(await letters('new@example.test'), 3)
  await array.must('account', 'rename', 'new@example.test', 'newer@example.test', '--no-alias')
  assert.equal(await deliver('new@example.test'), 550)
  assert.equal(await deliver('old@example.test', 'newer@example.test'), 250)
  assert.equal(await letters('newer@example.test'), 4)
  const taken = await array.command('account', 'rename', 'newer@example.test', 'sue@example.test')
  assert.equal(taken.code, 1)
  assert.match(taken.stderr, /address-taken/)
})

test('a deleted account is gone for everybody, and back with its mail when that is undone', async () => {
  const address = 'del@example.test'
  await addAccount(address)
  assert.equal(await deliver(address), 250)
  assert.match(await array.must('account', 'delete', address, '--grace', '7'), /undelete/)
  assert.equal(await deliver(address), 550)
  await assert.rejects(imapLogin(array, user(address)))
  assert.match(await array.must('account', 'list', '--status', 'deleting'), /del@example\.test/)
  assert.match(await array.must('account', 'show', address), /until 20\d\d-/)
  const again = await array.command('account', 'add', address, '--password', PASSWORD)
  assert.match(again.stderr, /in-transition/, 'the address is not free yet')
  await array.must('account', 'undelete', address)
  assert.equal(await deliver(address), 250)
  assert.equal(await letters(address), 2)
  await array.must('account', 'delete', address, '--now')
  await addAccount(address)
  assert.equal(await letters(address), 0, 'another account with the same address')
})

test('a quota holds at once', async () => {
  const address = 'small@example.test'
  await addAccount(address)
  await array.must('account', 'quota', address, '1k')
  assert.equal(await deliver(address), 250)
  assert.equal(await deliver(address), 250)
  const smtp = await SmtpDialogue.open(array.endpoints.smtp)
  await smtp.say('EHLO out.example.net')
  await smtp.say('MAIL FROM:<s@example.net> SIZE=2000')
  assert.match(String((await smtp.say(`RCPT TO:<${address}>`)).code), /^(452|552)$/)
  smtp.close()
  await array.must('account', 'quota', address, 'none')
  assert.equal(await deliver(address), 250)
})

test('an alias comes and goes', async () => {
  await addAccount('ali@example.test')
  await array.must('alias', 'add', 'ali@example.test', 'info@example.test')
  assert.equal(await deliver('info@example.test'), 250)
  assert.match(await array.must('alias', 'list', 'ali@example.test'), /info@example\.test/)
  await array.must('alias', 'remove', 'ali@example.test', 'info@example.test')
  assert.equal(await deliver('info@example.test'), 550)
  assert.equal(await letters('ali@example.test'), 1)
})

test('a group delivers to its members on every shard once, also through groups that hold each other', async () => {
  const members = ['g0', 'g1', 'g2', 'g3'].map((name) => `${name}@example.test`)
  for (const [i, address] of members.entries()) await addAccount(address, '--home', `n${1 + (i >> 1)}/${i & 1}`)
  const [g0 = '', g1 = '', g2 = '', g3 = ''] = members
  await array.must('group', 'add', 'team@example.test', g2, g3)
  await array.must('group', 'add', 'all@example.test', g0, g1, g2, 'team@example.test', '--senders', 'anyone')
  await array.must('group', 'join', 'team@example.test', 'all@example.test')
  assert.equal(await deliver('all@example.test'), 550, 'the team within is for our own people')
  await array.must('group', 'set', 'team@example.test', '--senders', 'anyone')
  assert.equal(await deliver('all@example.test'), 250)
  for (const address of members) assert.equal(await letters(address), 1, address)
  await array.must('group', 'leave', 'all@example.test', 'team@example.test')
  assert.equal(await deliver('all@example.test'), 250)
  assert.deepEqual(await Promise.all(members.map(letters)), [2, 2, 2, 1])
  const moderated = await array.command('group', 'set', 'all@example.test', '--senders', 'moderated')
  assert.match(moderated.stderr, /moderator/)
  assert.match(await array.must('account', 'show', g2), /all@example\.test, team@example\.test/)
  await array.must('group', 'delete', 'all@example.test')
  assert.equal(await deliver('all@example.test'), 550)
})

test('groups come from a CSV file, and once', async () => {
  await addAccount('gi@example.test')
  const file = join(array.root, 'groups.csv')
  writeFileSync(
    file,
    [
      'address,members,senders',
      'within@example.test,gi@example.test,anyone',
      'around@example.test,within@example.test,anyone',
      'wrong@example.test,nobody@elsewhere.example,anyone',
      'gi@example.test,,',
    ].join('\n'),
  )
  const first = await array.command('group', 'import', file)
  assert.match(first.stdout, /Created 2 groups; 0 were there as wished, 2 refused/)
  assert.match(first.stdout, /Line 4: .*neither an account nor a group/)
  assert.match(first.stdout, /Line 5: .*another account or group/)
  assert.equal(await deliver('around@example.test'), 250)
  assert.equal(await letters('gi@example.test'), 1)
  assert.match((await array.command('group', 'import', file)).stdout, /Created 0 groups; 2 were there/)
})

test('an app password works for what it is for, until it is taken away', async () => {
  const address = 'app@example.test'
  await addAccount(address)
  const shown = await array.must('account', 'app-password', 'add', address, 'phone', '--scope', 'imap')
  const password = /: (\S+)\s*$/.exec(shown)?.[1] ?? assert.fail(shown)
  const session = await imapLogin(array, { ...user(address), password })
  const ended = new Promise((resolve) => session.once('close', resolve))
  await array.must('account', 'app-password', 'remove', address, 'phone')
  await ended
  await assert.rejects(imapLogin(array, { ...user(address), password }))
})

test('accounts come from a CSV file: a dry run, the run, and the run again', async () => {
  const file = join(array.root, 'people.csv')
  await addAccount('there@example.test')
  writeFileSync(
    file,
    [
      'address,name,aliases,quota,password',
      `c1@example.test,"One, C",c1.alias@example.test,1G,${PASSWORD}`,
      'c2@example.test,王小明,,,',
      'there@example.test,,,,',
      'c3@elsewhere.example,,,,',
      'c1@example.test,,,,',
      'nonsense,,,,',
    ].join('\n'),
  )
  const dry = await array.command('account', 'import', file, '--dry-run')
  assert.equal(dry.code, 1, 'something is refused')
  for (const [line, words] of [
    [2, 'c1@example.test would be created'],
    [3, 'c2@example.test would be created'],
    [4, 'there@example.test is there'],
    [5, 'a domain is not one'],
    [6, 'an earlier line'],
    [7, 'cannot be one of an account'],
  ] as const)
    assert.match(dry.stdout, new RegExp(`Line ${line}: .*${words}`))
  assert.match(dry.stdout, /Would create 2 accounts; 1 are there as wished, 3 would be refused/)
  assert.doesNotMatch(await array.must('account', 'list', '--match', 'c1@'), /c1@/)
  const run = await array.command('account', 'import', file)
  assert.match(run.stdout, /Created 2 accounts; 1 were there as wished, 3 refused/)
  assert.equal(await deliver('c1.alias@example.test', 'c1@example.test'), 250)
  assert.equal(await letters('c1@example.test'), 1)
  assert.match(await array.must('account', 'list', '--match', 'c2@'), /王小明/)
  const again = await array.command('account', 'import', file)
  assert.match(again.stdout, /Created 0 accounts; 3 were there as wished, 3 refused/)
})

test('accounts come from an LDIF file', async () => {
  const file = join(array.root, 'people.ldif')
  const person = (name: string, more: string) =>
    `dn: mail=${name}@example.test,ou=people,o=old\nobjectClass: inetOrgPerson\ncn: ${name}\nmail: ${name}@example.test\n${more}\n`
  writeFileSync(file, ['dn: ou=people,o=old\nou: people\n', person('l1', `userPassword: ${PASSWORD}\n`)].join('\n'))
  assert.match(await array.must('account', 'import', file), /Created 1 accounts/)
  assert.equal(await deliver('l1@example.test'), 250)
  assert.equal(await letters('l1@example.test'), 1)
})

test('a file of 2,000 lines is looked through, and what is malformed is named by its line', async () => {
  const file = join(array.root, 'many.csv')
  const lines = Array.from({ length: 2_000 }, (_, i) => `many${i}@example.test,Number ${i}`)
  writeFileSync(file, `address,name\n${lines.join('\n')}\n`)
  assert.match(await array.must('account', 'import', file, '--dry-run'), /Would create 2000 accounts/)
  writeFileSync(file, 'address,name\na@example.test,"open\n')
  const broken = await array.command('account', 'import', file, '--dry-run')
  assert.match(broken.stderr, /line 2: a quote is never closed/)
})

/** Exact bytes, flags and dates of a mailbox, in the order of UIDs. */
async function contents(address: string, mailbox: string) {
  const client = await imapLogin(array, user(address))
  const found: { source: string; flags: string[]; date: string }[] = []
  const lock = await client.getMailboxLock(mailbox, { readOnly: true })
  try {
    for await (const one of client.fetch('1:*', { source: true, flags: true, internalDate: true })) {
      const flags = [...(one.flags ?? [])].filter((flag) => flag !== '\\Recent').sort()
      const source = one.source?.toString('latin1') ?? ''
      found.push({ source, flags, date: new Date(one.internalDate ?? 0).toISOString() })
    }
  } finally {
    lock.release()
  }
  await client.logout()
  return found
}

/** An account with letters of several kinds in three mailboxes. */
async function fill(address: string): Promise<void> {
  await addAccount(address)
  const client = await imapLogin(array, user(address))
  await client.mailboxCreate('Projekte/空')
  for (let i = 0; i < 60; i++) {
    const bytes = `From: a@example.net\r\nSubject: ${i}\r\n\r\nFrom here\r\n>From there\r\n.\r\nbyte ${String.fromCharCode(0xe4)}\r\n`
    const flags = i % 3 === 0 ? ['\\Seen', '$Forwarded', 'work'] : i % 3 === 1 ? ['\\Flagged'] : []
    const mailbox = i % 4 === 0 ? 'Projekte/空' : i % 4 === 1 ? 'Sent' : 'INBOX'
    await client.append(mailbox, Buffer.from(bytes, 'latin1'), flags, new Date(Date.UTC(2020, 1, 1, 2, 3, i)))
  }
  await client.logout()
}

const MAILBOXES = ['INBOX', 'Sent', 'Projekte/空']

for (const format of ['maildir', 'mbox'] as const)
  test(`an account goes out as ${format} and comes back the same, once`, async () => {
    const from = `out-${format}@example.test`
    const to = `in-${format}@example.test`
    const path = join(array.root, `export-${format}`)
    await fill(from)
    assert.match(await array.must('mail', 'export', from, '--format', format, '--to', path), /60 letters/)
    await addAccount(to)
    assert.match(await array.must('mail', 'import', to, '--from', `${format}:${path}`), /stored 60 letters/)
    for (const mailbox of MAILBOXES)
      assert.deepEqual(await contents(to, mailbox), await contents(from, mailbox), mailbox)
    assert.match(
      await array.must('mail', 'import', to, '--from', `${format}:${path}`),
      /stored 0 letters.*60 were there/,
    )
  })

test('a suspended account and a deleted one can be exported', async () => {
  const address = 'leaver@example.test'
  await addAccount(address)
  assert.equal(await deliver(address), 250)
  await array.must('account', 'suspend', address)
  assert.match(await array.must('mail', 'export', address, '--to', join(array.root, 'x1')), /1 letters/)
  const into = await array.command('mail', 'import', address, '--from', `maildir:${join(array.root, 'x1')}`)
  assert.match(into.stderr, /is suspended: it takes no letters/)
  await array.must('account', 'delete', address)
  const zip = join(array.root, 'x2.zip')
  assert.match(await array.must('mail', 'export', address, '--format', 'zip', '--to', zip), /1 letters/)
  assert.equal((await array.command('mail', 'export', address, '--format', 'zip', '--to', zip)).code, 1, 'not over it')
  await assert.rejects(imapLogin(array, user(address)))
})

test('mail comes from another server over IMAP with flags and dates, for many accounts, and once', async () => {
  const { host, port } = array.endpoints.imaps
  const list = join(array.root, 'moves.csv')
  const rows: string[] = []
  for (const name of ['m1', 'm2']) {
    await fill(`${name}@example.test`)
    await addAccount(`${name}-new@example.test`)
    rows.push(`${name}-new@example.test,imaps://${name}%40example.test@${host}:${port},${PASSWORD}`)
  }
  writeFileSync(list, ['address,from,password', ...rows, 'nobody@example.test,maildir:/nowhere,'].join('\n'))
  process.env['NODE_EXTRA_CA_CERTS'] = array.endpoints.ca
  const first = await array.command('mail', 'import-many', list)
  assert.equal(first.code, 1, 'one of them failed')
  assert.match(first.stderr, /nobody@example\.test: .*nowhere/)
  for (const name of ['m1', 'm2']) {
    assert.match(first.stdout, new RegExp(`${name}-new@example\\.test: stored 60 letters`))
    for (const mailbox of MAILBOXES)
      assert.deepEqual(
        await contents(`${name}-new@example.test`, mailbox),
        await contents(`${name}@example.test`, mailbox),
      )
  }
  const again = await array.command('mail', 'import-many', list)
  assert.equal(again.stdout.match(/stored 0 letters .*60 were there/g)?.length, 2)
  const one = rows[0]?.split(',')[1] ?? ''
  const wrong = await array.command('mail', 'import', 'm1-new@example.test', '--from', one, '--password', 'not it')
  assert.equal(wrong.code, 1)
})

async function importedLetters(address: string): Promise<number> {
  const client = await imapLogin(array, user(address))
  try {
    const found = (await client.list()).some(({ path }) => path === 'many')
    return found ? (((await client.status('many', { messages: true })) || { messages: 0 }).messages ?? 0) : 0
  } finally {
    await client.logout()
  }
}

test('an import that is killed again and again stores every letter once', async () => {
  const path = join(array.root, 'many.mbox')
  const count = 1_000
  const letter = (i: number) => `From x Thu Jan  1 00:00:00 2026\nSubject: ${i}\n\n${'text '.repeat(400)}\n\n`
  writeFileSync(path, Array.from({ length: count }, (_, i) => letter(i)).join(''))
  await addAccount('kill@example.test')
  const args = ['mail', 'import', 'kill@example.test', '--from', `mbox:${path}`]
  for (let round = 0; round < 3; round++) {
    const before = await importedLetters('kill@example.test')
    const run = array.begin(...args)
    await waitFor(
      'letters to arrive',
      async () => (await importedLetters('kill@example.test')) > before || run.over() || null,
    )
    run.kill()
    await run.ended
  }
  await array.must(...args)
  const client = await imapLogin(array, user('kill@example.test'))
  const lock = await client.getMailboxLock('many')
  const subjects: string[] = []
  for await (const one of client.fetch('1:*', { envelope: true })) subjects.push(one.envelope?.subject ?? '')
  lock.release()
  await client.logout()
  assert.deepEqual(
    subjects,
    Array.from({ length: count }, (_, i) => String(i)),
  )
})

test('the audit trail names who did what, with before and after, and every login', async () => {
  const records = (await array.must('audit', '--match', 'example.test', '-n', '1000', '-o', 'json'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const suspended = records.find((one) => one.payload.action === 'account.suspend')
  assert.equal(suspended.payload.reason, 'spam')
  assert.equal(suspended.payload.actor.origin, 'cli')
  assert.equal(suspended.payload.before.status, 'active')
  assert.equal(suspended.payload.after.status, 'suspended')
  assert.ok(records.some((one) => one.type === 'audit.login' && one.payload.outcome === 'ok'))
  assert.ok(records.some((one) => one.payload.action === 'account.rename' && one.payload.outcome === 'address-taken'))
  const all = JSON.stringify(records)
  assert.ok(!all.includes(PASSWORD) && !all.includes('argon2') && !all.includes('SCRAM-SHA-256$'))
  assert.match(await array.must('audit', '--match', 'account.suspend'), /sue@example\.test +changed +spam/)
})
