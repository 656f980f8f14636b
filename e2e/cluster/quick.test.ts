/**
 * The quick form on a real cluster: install, mail in and out by every protocol through the Service, and one failover under load. It is
 * skipped, saying so, where there is no cluster.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { allMessages, withoutHeaderBlock } from '../support/imap.ts'
import { Pop3Client } from '../support/pop3.ts'
import { letter } from '../support/pour.ts'
import { SmtpDialogue } from '../support/smtp.ts'
import { ClusterArray, DOMAIN } from './testing/cluster-array.ts'
import { findDriver } from './testing/driver.ts'
import { FaultRun } from './testing/fault-run.ts'

const driver = await findDriver()
const skip = typeof driver === 'string' ? driver : false
let array: ClusterArray

before(async () => {
  if (typeof driver === 'string') return
  array = await ClusterArray.install(driver)
})
after(() => array?.remove())

test('A MailNode that is applied becomes Ready, with two copies of each shard', { skip }, async (t) => {
  const tookMs = await array.mailNode('n1')
  t.diagnostic(`Ready after ${(tookMs / 1_000).toFixed(1)} s`)
  const members = await array.members('n1')
  const hosts = new Set(members.map((pod) => pod.spec.nodeName))
  assert.equal(hosts.size, 2, 'members are on two nodes')
  assert.ok(!hosts.has(array.entry))
  await array.accounts({ alice: 'n1/0', bob: 'n1/1' })
})

test('Mail comes in by SMTP and LMTP and goes out by IMAP and POP3, byte for byte', { skip }, async () => {
  const sent = new Map<string, Buffer>()
  for (const way of ['smtp', 'lmtp'] as const) {
    const dialogue = await SmtpDialogue.open(array.endpoints[way])
    await dialogue.say(way === 'smtp' ? 'EHLO client.example.net' : 'LHLO client.example.net')
    const body = letter(`by ${way}`)
    const reply = await dialogue.deliver('s@example.net', [`alice@${DOMAIN}`], body)
    assert.equal(reply.code, 250, reply.text)
    sent.set(`by ${way}`, body)
    dialogue.close()
  }
  const alice = array.account('alice')
  const stored = [...(await allMessages(array, alice)).values()]
  for (const [subject, body] of sent) {
    const found = stored.filter((bytes) => withoutHeaderBlock(bytes, body) !== null)
    assert.equal(found.length, 1, subject)
  }
  const pop3 = await Pop3Client.login(array.endpoints.pop3s, array.ca, alice)
  const numbers = [...(await pop3.uidls()).keys()]
  const retrieved = await Promise.all([pop3.retrieve(numbers.at(-1) ?? 0)])
  assert.ok(retrieved.every((bytes) => stored.some((one) => one.equals(bytes))))
  const unknown = await SmtpDialogue.open(array.endpoints.smtp)
  await unknown.say('EHLO client.example.net')
  assert.equal((await unknown.deliver('s@example.net', [`nobody@${DOMAIN}`], letter('x'))).code, 550)
  unknown.close()
})

test('When the primary pod is deleted with grace 0 the other member serves, and nothing accepted is lost', {
  skip,
}, async (t) => {
  const run = await FaultRun.start(array, 'n1/0')
  const row = await run.through('delete the primary pod, grace 0', async () => {
    await array.kubectl.run(['delete', 'pod', run.primary, '-n', array.namespace, '--grace-period=0', '--force'])
    return undefined
  })
  t.diagnostic(row.text)
  assert.ok(row.servedMs < 45_000, row.text)
})
