/**
 * Letters pass a filter pool before they are stored: what is refused, what goes to Junk, and what becomes of letters while filters die.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { ImapFlow } from 'imapflow'
import { zipOf } from '#lib/bytes/zip-writer.ts'
import { TestArray } from './support/array.ts'
import { EICAR, GTUBE, letterWith, type RunningEngine, scriptedSpamd } from './support/engines.ts'
import { allMessages } from './support/imap.ts'
import { waitFor } from './support/pour.ts'
import { type Reply, SmtpDialogue } from './support/smtp.ts'

const JUNK_WORDS = 'cheap pills for you'
const LETTERS = 1_000
const WORKERS = 8
const EVERY_NTH_A_VIRUS = 10
/** Filters come back within a second; a machine that is busy takes longer. */
const TRIES_MAX = 400

let array: TestArray
let spamd: RunningEngine
before(async () => {
  spamd = await scriptedSpamd('spamassassin', (letter) => {
    if (letter.includes(GTUBE)) return 1_000
    return letter.includes(JUNK_WORDS) ? 6 : 0.5
  })
  const engines = [
    { name: 'signatures', kind: 'signatures' },
    { name: 'attachments', kind: 'attachments' },
    { name: 'phishing', kind: 'phishing' },
    { name: 'bayes', kind: 'bayes' },
    // Nobody is there: a pool that names it works all the same, and the array says so.
    { name: 'clamav', kind: 'clamd', address: '127.0.0.1:1' },
    spamd.engine,
  ]
  array = await TestArray.start({ small: true, engines })
})
after(async () => {
  await array?.remove()
  await spamd?.stop()
})

async function send(to: string, letter: Buffer): Promise<Reply> {
  const smtp = await SmtpDialogue.open(array.endpoints.smtp)
  try {
    await smtp.say('EHLO filter.example.net')
    return await smtp.deliver('s@example.net', [to], letter)
  } finally {
    smtp.close()
  }
}

const plain = (subject: string, text: string) =>
  Buffer.from(`From: <s@example.net>\r\nSubject: ${subject}\r\n\r\n${text}\r\n`)

/** The one message with this subject, as text; null: there is none. */
async function found(name: string, subject: string, mailbox?: string): Promise<string | null> {
  const all = [...(await allMessages(array, array.account(name), mailbox)).values()].map((one) =>
    one.toString('latin1'),
  )
  const those = all.filter((text) => text.includes(`\r\nSubject: ${subject}\r\n`))
  assert.ok(those.length <= 1, `${subject} is there ${those.length} times`)
  return those[0] ?? null
}

test('a clean letter is taken, and tells who has looked at it', async () => {
  const { address } = array.account('alice')
  assert.equal((await send(address, plain('clean', 'hello'))).code, 250)
  const text = await found('alice', 'clean')
  assert.match(text ?? '', /^X-Twinpost-Filter: action=accept;\r\n\tlevel=standard;\r\n\tspam=0\.10\r$/m)
  for (const engine of ['signatures', 'attachments', 'spamassassin']) {
    assert.match(text ?? '', new RegExp(`^X-Twinpost-Evidence: engine=${engine};\\r\\n\\tstate=done`, 'm'))
  }
  assert.doesNotMatch(text ?? '', /clamav/)
})

interface Quarantined {
  readonly shard: string
  readonly letter: number
  readonly to: string
  readonly reasons: readonly string[]
}

async function quarantined(...choice: string[]): Promise<readonly Quarantined[]> {
  return JSON.parse(await array.must('quarantine', 'list', '-o', 'json', '-n', '1000', ...choice))
}

test('a virus in an archive in an archive is in quarantine, where it is read, released and deleted', async () => {
  const { address } = array.account('alice')
  const nested = zipOf({ 'papers.zip': zipOf({ 'eicar.com': Buffer.from(EICAR) }) })
  for (const subject of ['nested-1', 'nested-2']) {
    assert.equal((await send(address, letterWith(subject, 'invoice.zip', nested))).code, 250)
    assert.equal(await found('alice', subject), null)
    assert.equal(await found('alice', subject, 'Junk'), null)
  }
  const letters = await quarantined('--to', address)
  assert.equal(letters.length, 2)
  for (const { to, reasons } of letters) {
    assert.equal(to, address)
    assert.match(reasons[0] ?? '', /^virus Eicar-Test-Signature \(signatures\)$/)
  }
  const names = letters.map(({ shard, letter }) => `${shard}:${letter}`)
  const [second = '', first = ''] = names
  const shown = await array.must('quarantine', 'show', first)
  assert.match(shown, /^Subject: nested-1$/m)
  assert.match(shown, /^Attachment invoice\.zip, application\/octet-stream, /m)
  await array.must('quarantine', 'release', first)
  assert.match((await found('alice', 'nested-1')) ?? '', /^X-Twinpost-Filter: action=quarantine;/m)
  assert.notEqual((await array.command('quarantine', 'release', first)).code, 0)
  await array.must('quarantine', 'delete', second)
  assert.deepEqual(await quarantined('--to', address), [])
})

test('a letter in quarantine is on both disks: it is there when the primary is killed', async () => {
  const { address, home } = array.account('alice')
  const infected = letterWith('mirrored', 'a.zip', zipOf({ 'eicar.com': Buffer.from(EICAR) }))
  assert.equal((await send(address, infected)).code, 250)
  const primary = (await array.status()).shards.find(({ shard }) => shard === home)?.primary
  assert.ok(primary)
  process.kill(primary.pid, 'SIGKILL')
  const letters = await waitFor('the other member to serve', async () => {
    const { code, stdout } = await array.command('quarantine', 'list', '-o', 'json', '--to', address)
    return code === 0 ? (JSON.parse(stdout) as readonly Quarantined[]) : null // as the command prints them
  })
  assert.equal(letters.length, 1)
  await array.must('quarantine', 'delete', '--to', 'example.test')
  assert.deepEqual(await quarantined(), [])
})

test('people have the level and the lists that they, or their domain, wish, and nobody has a virus', async () => {
  const alice = array.account('alice').address
  await array.must('filter', 'set', alice, '--level', 'off', '--allow', 'example.net')
  await array.must('filter', 'set', 'example.test', '--deny', 's@example.net')
  const shown = await array.must('filter', 'show', alice)
  assert.match(shown, /alice@example\.test +off +example\.net/)
  const settled = async (name: string, subject: string) => {
    assert.equal((await send(array.account(name).address, plain(subject, 'hello'))).code, 250)
    return await found(name, subject)
  }
  // Edges hear of it by an event; without one within a minute.
  await waitFor('bob to have no letter of one who is denied', async () => {
    const subject = `denied-${Math.trunc(performance.now())}`
    return (await settled('bob', subject)) === null ? true : null
  })
  const junk = [...(await allMessages(array, array.account('bob'), 'Junk')).values()].map(String)
  assert.ok(junk.some((text) => text.includes('Subject: denied-') && text.includes('is on the deny list')))
  const infected = letterWith('off', 'a.zip', zipOf({ 'eicar.com': Buffer.from(EICAR) }))
  assert.equal((await send(alice, infected)).code, 250)
  assert.equal((await quarantined('--to', alice)).length, 1)
  await array.must('quarantine', 'delete', '--to', alice)
  await array.must('filter', 'set', 'example.test', '--forget', 's@example.net')
  await array.must('filter', 'set', alice, '--level', 'default', '--forget', 'example.net')
  await waitFor('bob to have letters again', async () => await settled('bob', `again-${Math.trunc(performance.now())}`))
})

test('what a sender writes of filters is not believed', async () => {
  const { address } = array.account('alice')
  const forged = plain('forged', 'hello').toString('latin1')
  const lie = Buffer.from(`X-Twinpost-Evidence: engine=signatures; state=done; virus=None/1\r\n${forged}`)
  assert.equal((await send(address, lie)).code, 250)
  const text = await found('alice', 'forged')
  assert.ok(text !== null && !text.includes('virus=None'))
})

test('junk goes to Junk, and what is junk beyond doubt is refused', async () => {
  const { address } = array.account('alice')
  assert.equal((await send(address, plain('pills', JUNK_WORDS))).code, 250)
  assert.equal((await send(address, plain('gtube', GTUBE))).code, 550)
  assert.equal(await found('alice', 'pills'), null)
  assert.match((await found('alice', 'pills', 'Junk')) ?? '', /^X-Twinpost-Filter: action=junk;/m)
})

test('explain tells what was decided about a letter and why, also of one that was refused', async () => {
  const { address } = array.account('alice')
  const named = (subject: string, text: string) =>
    Buffer.concat([Buffer.from(`Message-ID: <${subject}@example.net>\r\n`), plain(subject, text)])
  assert.equal((await send(address, named('why-junk', JUNK_WORDS))).code, 250)
  assert.equal((await send(address, named('why-refused', GTUBE))).code, 550)
  const junk = await array.must('explain', '<why-junk@example.net>')
  assert.match(junk, /^To alice@example\.test, from <s@example\.net>: in Junk on n1\/0$/m)
  assert.match(junk, /^ +junk at level standard, spam 1\.20$/m)
  assert.match(junk, /^ +spamassassin: spam score 1\.2, spam SCRIPTED 0$/m)
  const refused = await array.must('explain', 'why-refused@example.net')
  assert.match(refused, /: reject, because of spam [0-9.]+ \(spamassassin\) at level standard$/m)
  assert.notEqual((await array.command('explain', 'nobody@example.net')).code, 0)
})

test('what people move into Junk is learned by all pods, also over the death of one, and sorts the next letter', async () => {
  const { address, password } = array.account('alice')
  const { host, port } = array.endpoints.imaps
  const client = new ImapFlow({
    host,
    port,
    secure: true,
    auth: { user: address, pass: password },
    tls: { ca: readFileSync(array.endpoints.ca, 'utf8') },
    logger: false,
  })
  await client.connect()
  const sort = async (words: string, target: string) => {
    for (let i = 0; i < 24; i++)
      assert.equal((await send(address, plain(`${words} ${i}`, `${words} number ${i}`))).code, 250)
    await client.mailboxOpen('INBOX')
    const uids = await client.search({ subject: words }, { uid: true })
    assert.ok(uids && uids.length === 24)
    await client.messageMove(uids, target, { uid: true })
  }
  await sort('zamboni racing tickets', 'Junk')
  await sort('choir rehearsal plan', 'Archive')
  await client.logout()
  const judged = async (subject: string) => {
    assert.equal((await send(address, plain(subject, 'zamboni racing tickets number one'))).code, 250)
    return await found('alice', subject, 'Junk')
  }
  const junk = await waitFor('the filters to have learned', async () => {
    return await judged(`zamboni racing tickets ${Math.trunc(performance.now())}`)
  })
  assert.match(junk, /^X-Twinpost-Evidence: engine=bayes;\r\n\tstate=done;\r\n\tspam=user%20[01]\.\d\d\/1/m)
  assert.match(junk, /reason="spam 1\.\d\d \(bayes\) at level standard"/)
  await array.kill('default-filter-0/filter')
  await waitFor(
    'the pod to be back',
    async () =>
      (await array.status()).processes.find(
        ({ name, state }) => name === 'default-filter-0/filter' && state === 'running',
      ) ?? null,
  )
  for (let i = 0; i < 4; i++) assert.notEqual(await judged(`zamboni racing tickets again ${i}`), null)
  const text = await send(address, plain('choir rehearsal plan again', 'choir rehearsal plan number one'))
  assert.equal(text.code, 250)
  assert.notEqual(await found('alice', 'choir rehearsal plan again'), null)
})

test('a letter that pretends to come from here goes to Junk', async () => {
  const { address } = array.account('alice')
  const letter = 'From: "boss@example.test" <x@evil.example>\r\nSubject: urgent\r\n\r\nPlease pay.\r\n'
  assert.equal((await send(address, Buffer.from(letter))).code, 250)
  assert.match(
    (await found('alice', 'urgent', 'Junk')) ?? '',
    /reason="phishing name-address example\.test \(phishing\)"/,
  )
})

test('filters that are killed while 1,000 letters come lose none and let none pass unseen', async (t) => {
  const { address } = array.account('bob')
  const infected = letterWith('virus', 'a.zip', zipOf({ 'eicar.com': Buffer.from(EICAR) }))
  const replies = new Map<number, number>()
  let next = 0
  let done = 0
  async function worker(): Promise<void> {
    const smtp = await SmtpDialogue.open(array.endpoints.smtp)
    await smtp.say('EHLO filter.example.net')
    while (next < LETTERS) {
      const number = next++
      const letter = number % EVERY_NTH_A_VIRUS === 0 ? infected : plain(`n-${number}-`, 'x'.repeat(2_000))
      for (let tries = 0; ; tries++) {
        assert.ok(tries < TRIES_MAX, `letter ${number} is refused for ever`)
        const { code } = await smtp.deliver('s@example.net', [address], letter)
        replies.set(code, (replies.get(code) ?? 0) + 1)
        if (code === 250) break
        assert.equal(code, 451, 'an unseen letter is refused for now, with no other words')
        await pause(100)
      }
      done++
    }
    smtp.close()
  }
  const kills = async () => {
    const pods = ['default-filter-0/filter', 'default-filter-1/filter']
    await until(() => done >= LETTERS * 0.2)
    await array.kill('default-filter-0/filter')
    await until(() => done >= LETTERS * 0.4)
    await array.kill('default-filter-1/filter')
    // Both at once: for a moment nobody can judge.
    await until(() => done >= LETTERS * 0.6)
    const { processes } = await array.status()
    for (const { name, pid } of processes) if (pods.includes(name)) process.kill(pid, 'SIGKILL')
  }
  await Promise.all([kills(), ...Array.from({ length: WORKERS }, worker)])
  t.diagnostic(`replies: ${[...replies].map(([code, count]) => `${code}: ${count}`).join(', ')}`)
  const viruses = LETTERS / EVERY_NTH_A_VIRUS
  assert.equal(replies.get(250), LETTERS)
  assert.equal((await quarantined('--to', address)).length, viruses, 'each in quarantine, once')
  const stored = [...(await allMessages(array, array.account('bob'))).values()].map((one) => one.toString('latin1'))
  const letters = stored.filter((text) => /^Subject: n-/m.test(text))
  const numbers = new Set(letters.map((text) => /^Subject: n-(\d+)-/m.exec(text)?.[1]))
  assert.deepEqual([letters.length, numbers.size], [LETTERS - viruses, LETTERS - viruses], 'each once')
  for (const text of letters) {
    assert.match(text, /^X-Twinpost-Filter: action=accept;\r\n\tlevel=standard;\r\n\tspam=/m)
    assert.match(text, /^X-Twinpost-Evidence: engine=signatures;\r\n\tstate=done\r$/m)
  }
  assert.equal(
    stored.some((text) => text.includes('Subject: virus')),
    false,
  )
})

function until(holds: () => boolean): Promise<true> {
  return waitFor('letters to be through', async () => (holds() ? true : null))
}
