/** Mail leaves the system: through the queue of its author's shard, over a sender, once, whatever is killed meanwhile. */
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { dkimVerify } from 'mailauth'
import { createTransport } from 'nodemailer'
import { zoneFileResolver } from '#lib/dns/zone-file.ts'
import { localLayout } from '#operator/api/local-layout.ts'
import { RemoteServer } from '../services/sender/testing/remote-server.ts'
import { TestArray } from './support/array.ts'
import { imapLogin } from './support/imap.ts'
import { pairInSync, waitFor } from './support/pour.ts'

let array: TestArray
let outside: RemoteServer
before(async () => {
  array = await TestArray.start({ small: true })
})
after(() => array?.remove())
beforeEach(async () => {
  await pairInSync(array, 'n1/0')
  outside = new RemoteServer()
  await listen()
})
afterEach(() => outside.stop())

function until(what: string, isSo: () => Promise<boolean>): Promise<true> {
  return waitFor(what, async () => (await isSo()) || null)
}

function listen(): Promise<unknown> {
  const { host, port } = array.endpoints.outside
  return outside.start(host, port)
}

async function submit(subject: string, ...to: string[]): Promise<string> {
  const { address, password } = array.account('alice')
  const transport = createTransport({
    ...array.endpoints.submission,
    requireTLS: true,
    tls: { ca: array.ca },
    auth: { user: address, pass: password },
  })
  const text = `From: <${address}>\r\nSubject: ${subject}\r\n\r\n.dots stay\r\n`
  const { response } = await transport.sendMail({ envelope: { from: address, to }, raw: text })
  transport.close()
  return response
}

const queued = async (): Promise<readonly { readonly recipients: readonly { readonly reply: string }[] }[]> =>
  JSON.parse(await array.must('queue', 'list', '-o', 'json'))
const empty = () => until('the queue is empty', async () => (await queued()).length === 0)

test('one submission reaches mailboxes here and a server outside, with the bytes that were sent', async () => {
  assert.match(await submit('both', 'x@outside.example', 'bob@example.test'), /^250 2\.0\.0 Accepted/)
  await until('it comes out', async () => outside.letters.length === 1)
  const [letter] = outside.letters
  assert.deepEqual(letter?.to, ['x@outside.example'])
  assert.match(
    letter?.body ?? '',
    /^(?:DKIM-Signature: [\s\S]*)?Received: from submission[\s\S]*\r\nSubject: both\r\n\r\n\.dots stay\r\n$/,
  )
  await empty()
})

test('what leaves is signed with both keys of its Domain, as the DNS records of the array say', async () => {
  const { zoneFile } = localLayout(array.root, array.root)
  const resolver = async (name: string) =>
    (await zoneFileResolver(zoneFile).query(name, 'TXT')).records.map((one) => [one])
  const verdicts = async (letter: string) => {
    const { results } = await dkimVerify(Buffer.from(letter), { resolver })
    return results.map(({ selector, signingDomain, status }) => `${signingDomain} ${selector} ${status.result}`)
  }
  // The first letters after the start may leave before the keys are known to be in the DNS.
  await until('a letter comes out signed', async () => {
    const before = outside.letters.length
    await submit('signed', 'x@outside.example')
    await until('it comes out', async () => outside.letters.length > before)
    return outside.letters.at(-1)?.body.startsWith('DKIM-Signature') ?? false
  })
  assert.deepEqual(await verdicts(outside.letters.at(-1)?.body ?? ''), [
    'example.test tp1-rsa pass',
    'example.test tp1-ed25519 pass',
  ])
  await empty()
})

test('what the other side refuses comes home as a notification', async () => {
  outside.recipient = () => '550 5.1.1 No such user'
  await submit('nobody', 'nobody@outside.example')
  const client = await imapLogin(array, array.account('alice'))
  try {
    await client.mailboxOpen('INBOX')
    await until('the notification is there', async () => {
      const found = await client.search({ header: { 'auto-submitted': 'auto-replied' } }, { uid: true })
      if (found === false || found === undefined || found.length === 0) return false
      const message = await client.fetchOne(String(found.at(-1)), { source: true }, { uid: true })
      const text = message === false ? '' : (message.source?.toString('utf8') ?? '')
      return /Final-Recipient: rfc822; nobody@outside\.example\r\nAction: failed\r\nStatus: 5\.1\.1/.test(text)
    })
  } finally {
    await client.logout()
  }
  await empty()
})

test('a letter waits for a server that is away, says why, survives a failover, and goes when it is told', async () => {
  await outside.stop()
  await submit('later', 'x@outside.example')
  await until('it was tried', async () => (await queued())[0]?.recipients[0]?.reply.includes('ECONNREFUSED') ?? false)
  const { primary } = await array.shard('n1/0')
  await array.kill(`${primary?.member}/shard-0`)
  await pairInSync(array, 'n1/0')
  assert.match(await array.must('queue', 'list'), /tried 1 times.*ECONNREFUSED/)
  outside = new RemoteServer()
  await listen()
  // The senders leave the destination alone for a moment.
  await array.must('queue', 'retry', '--to', 'outside.example')
  await until('it comes out', async () => outside.letters.length === 1)
  await empty()
})

test('a primary killed while the other side has the whole letter: nobody sends it a second time', async () => {
  let answer = () => {}
  outside.onLetter = () =>
    new Promise((resolve) => {
      answer = resolve
    })
  await submit('once', 'x@outside.example')
  await until('the other side has it', async () => outside.letters.length === 1)
  const { primary } = await array.shard('n1/0')
  await array.kill(`${primary?.member}/shard-0`)
  await pairInSync(array, 'n1/0')
  await new Promise((resolve) => setTimeout(resolve, 5_000)) // longer than the doubt of the new primary
  answer()
  await empty()
  assert.equal(outside.letters.length, 1)
})

test('a sender killed in the middle of a letter: another try brings it', async () => {
  outside.hangAt = 'data'
  await submit('again', 'x@outside.example')
  await until('it has begun', async () => outside.connections > 0)
  for (const pod of ['n1-0', 'n1-1']) await array.kill(`${pod}/sender`)
  outside.hangAt = null
  await until('it comes out', async () => outside.letters.length === 1)
  await empty()
})
