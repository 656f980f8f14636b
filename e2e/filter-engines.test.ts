/**
 * The filter pool with the engines that people have: clamd, rspamd and spamd as Debian packs them. What is not installed is reported as
 * not run: `apt-get install --no-install-recommends clamav-daemon rspamd spamd`. At level `off`, so that what each
 * has said is stored with the letter and can be read there; what levels do is filter.test.ts.
 */
import assert from 'node:assert/strict'
import { after, before, type TestContext, test } from 'node:test'
import { zipOf } from '#lib/bytes/zip-writer.ts'
import { TestArray } from './support/array.ts'
import {
  EICAR,
  type EngineProgram,
  GTUBE,
  isInstalled,
  letterWith,
  PACKAGES,
  type RunningEngine,
  startEngine,
} from './support/engines.ts'
import { allMessages } from './support/imap.ts'
import { type Reply, SmtpDialogue } from './support/smtp.ts'

const programs = (Object.keys(PACKAGES) as EngineProgram[]).filter(isInstalled)
const running: RunningEngine[] = []
let array: TestArray | null = null
before(async () => {
  if (programs.length === 0) return
  for (const program of programs) running.push(await startEngine(program))
  const engines = running.map(({ engine }) => engine)
  array = await TestArray.start({ small: true, engines, level: 'off', onVirus: 'reject' })
})
after(async () => {
  await array?.remove()
  for (const engine of running) await engine.stop()
})

function arrayWith(t: TestContext, ...wanted: readonly EngineProgram[]): TestArray | null {
  const missing = wanted.filter((program) => !programs.includes(program))
  if (missing.length > 0) t.skip(`not installed: ${missing.map((program) => PACKAGES[program]).join(', ')}`)
  return missing.length > 0 ? null : array
}

async function send({ endpoints }: TestArray, to: string, letter: Buffer): Promise<Reply> {
  const smtp = await SmtpDialogue.open(endpoints.smtp)
  try {
    await smtp.say('EHLO filter.example.net')
    return await smtp.deliver('s@example.net', [to], letter)
  } finally {
    smtp.close()
  }
}

async function stored(here: TestArray, subject: string): Promise<string> {
  const all = [...(await allMessages(here, here.account('alice'))).values()].map((one) => one.toString('latin1'))
  return all.find((text) => text.includes(`\r\nSubject: ${subject}\r\n`)) ?? ''
}

const plain = (subject: string, text: string) =>
  Buffer.from(
    `From: <s@example.net>\r\nTo: <alice@example.test>\r\nSubject: ${subject}\r\nDate: Wed, 25 Nov 2026 10:00:00 +0000\r\nMessage-ID: <${subject}@example.net>\r\n\r\n${text}\r\n`,
  )

test('a letter that all of them have seen is taken, with what each has said', async (t) => {
  const here = arrayWith(t)
  if (here === null || programs.length === 0) return t.skip('no engine is installed')
  assert.equal((await send(here, here.account('alice').address, plain('clean', 'Shall we meet at ten?'))).code, 250)
  const text = await stored(here, 'clean')
  for (const { engine } of running) {
    assert.match(text, new RegExp(`^X-Twinpost-Evidence: engine=${engine.name};\\r\\n\\tstate=done`, 'm'))
  }
})

test('clamd: a virus in an archive in an archive is refused, at level off too', async (t) => {
  const here = arrayWith(t, 'clamd')
  if (here === null) return
  const nested = zipOf({ 'papers.zip': zipOf({ 'eicar.com': Buffer.from(EICAR) }) })
  const reply = await send(here, here.account('alice').address, letterWith('nested', 'invoice.zip', nested))
  assert.deepEqual([reply.code, reply.text], [550, '5.7.1 The letter holds a virus'])
  const log = here.log('n1-0', 'edge') + here.log('n1-1', 'edge')
  assert.match(log, /virus Eicar-Of-The-Spec\.UNOFFICIAL \(clamav\)/)
})

for (const [program, weight] of [
  ['rspamd', 2.5],
  ['spamd', 100],
] as const) {
  test(`${program}: GTUBE has a weight that every level but off refuses or takes for junk`, async (t) => {
    const here = arrayWith(t, program)
    if (here === null) return
    const account = here.account('alice')
    assert.equal((await send(here, account.address, plain(`gtube-${program}`, GTUBE))).code, 250)
    const text = await stored(here, `gtube-${program}`)
    const { name } = running[programs.indexOf(program)]?.engine ?? { name: '' }
    const score = new RegExp(`engine=${name};\\r\\n\\tstate=done;\\r\\n\\tspam=score/([0-9.]+)`).exec(text)?.[1]
    assert.ok(Number(score) >= weight, text)
    assert.match(text, /GTUBE/)
  })
}
