import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { afterEach, beforeEach, test } from 'node:test'
import { dkimVerify } from 'mailauth'
import { sealingOf, sealSending } from '#lib/directory/domain-sending.ts'
import { known } from '#lib/errors/assert.ts'
import { RemoteServer } from './testing/remote-server.ts'
import { SEALING, SenderWorld } from './testing/sender-world.ts'

const ZONE = `
example.net. MX 10 mx.example.net.
other.example. MX 10 mx.example.net.
mx.example.net. A 127.0.0.1
`
const PEM = { type: 'pkcs8', format: 'pem' } as const
const DER = { type: 'spki', format: 'der' } as const

/** A set of keys and what the DNS says of it. */
function keySet(name: string) {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey
  const ed25519 = generateKeyPairSync('ed25519').privateKey
  const publicOf = (key: typeof rsa) => createPublicKey(key).export(DER)
  return {
    sending: {
      keys: [
        { selector: `${name}-rsa`, pem: rsa.export(PEM).toString() },
        { selector: `${name}-ed25519`, pem: ed25519.export(PEM).toString() },
      ],
      smarthost: null,
    },
    records: {
      [`${name}-rsa._domainkey.example.test`]: `v=DKIM1; k=rsa; p=${publicOf(rsa).toString('base64')}`,
      [`${name}-ed25519._domainkey.example.test`]: `v=DKIM1; k=ed25519; p=${publicOf(ed25519).subarray(-32).toString('base64')}`,
    } as Record<string, string>,
  }
}
const first = keySet('tp1')
const second = keySet('tp2')
const LETTER = 'From: Anna <anna@Example.test>\r\nSubject: hello\r\n\r\nHello\r\n\r\n.dot\r\n'

let server: RemoteServer
let world: SenderWorld
beforeEach(async () => {
  server = await new RemoteServer().start()
  world = await SenderWorld.make(ZONE, server.port)
  world.sending = sealSending('example.test', first.sending, SEALING)
})
afterEach(async () => {
  await world.stop()
  await server.stop()
})
const done = () => world.store.queue.totals().entries === 0
const why = () => {
  const [entry] = world.index.queue.openEntries(0, 10)
  return entry === undefined ? '' : (world.index.queue.recipients(entry.entry)[0]?.reply ?? '')
}

/** `selector result` of each signature of the letter that came out last. */
async function signatures(records = { ...first.records, ...second.records }): Promise<string[]> {
  const { body } = known(server.letters.at(-1), 'a letter')
  const { results } = await dkimVerify(Buffer.from(body), { resolver: async (name: string) => [[records[name] ?? '']] })
  return results
    .filter(({ status }) => status.result !== 'none')
    .map(({ selector, status }) => `${selector} ${status.result}`)
}

test('A letter of a Domain with keys is signed with both, before all that was there', async () => {
  await world.submit(['ben@example.net'], LETTER)
  await world.until(done)
  assert.deepEqual(await signatures(), ['tp1-rsa pass', 'tp1-ed25519 pass'])
  const { body } = known(server.letters[0], 'a letter')
  assert.ok(body.startsWith('DKIM-Signature: '))
  assert.ok(body.endsWith(`Received: by mx.example.test\r\n${LETTER}`))
})

test('A letter that is not held while it is signed is the same to its last byte', async () => {
  const long = `${LETTER}${`${'y'.repeat(60)} \r\n`.repeat(10_000)}`
  await world.submit(['ben@example.net'], long)
  await world.until(done)
  assert.deepEqual(await signatures(), ['tp1-rsa pass', 'tp1-ed25519 pass'])
  assert.ok(server.letters[0]?.body.endsWith(long))
})

test('The size that is announced counts the signatures', async () => {
  server.extensions = ['SIZE 700'] // enough for the letter, not for two signatures
  await world.submit(['ben@example.net'], LETTER)
  await world.until(() => world.delivered.length === 1)
  assert.match(world.delivered[0]?.body ?? '', /552 5\.3\.4 The letter has 1\d\d\d bytes, the server takes 700/)
})

test('Other keys sign at once what is tried again', async () => {
  let answers = 0
  server.recipient = () => (answers++ === 0 ? '450 4.2.0 later' : '250 2.1.5 ok')
  await world.submit(['ben@example.net'], LETTER)
  await world.until(() => why() === '450 4.2.0 later')
  world.sending = sealSending('example.test', second.sending, SEALING)
  await world.store.queue.order({ kind: 'retry', filter: {} })
  await world.until(done)
  assert.deepEqual(await signatures(), ['tp2-rsa pass', 'tp2-ed25519 pass'])
})

test('One signature serves all destinations of a letter', async () => {
  await world.submit(['ben@example.net', 'cleo@other.example'], LETTER)
  await world.until(done)
  const heads = server.letters.map(({ body }) => body.slice(0, body.indexOf('Received:')))
  assert.equal(heads.length, 2)
  assert.equal(heads[0], heads[1])
})

for (const [name, letter] of [
  ['of another domain', 'From: <eve@other.example>\r\n\r\nHello\r\n'],
  ['without an author', 'Subject: x\r\n\r\nHello\r\n'],
] as const) {
  test(`A letter ${name} goes out as it is`, async () => {
    await world.submit(['ben@example.net'], letter)
    await world.until(done)
    assert.deepEqual(await signatures(), [])
    assert.equal(server.letters[0]?.body, `Received: by mx.example.test\r\n${letter}`)
  })
}

test('A letter of a Domain without keys goes out as it is', async () => {
  world.sending = null
  await world.submit(['ben@example.net'], LETTER)
  await world.until(done)
  assert.deepEqual(await signatures(), [])
})

test('A letter whose keys cannot be opened waits, says why, and goes signed when they can', async () => {
  world.sending = sealSending('example.test', first.sending, known(sealingOf('another word'), 'a word'))
  await world.submit(['ben@example.net'], LETTER)
  await world.until(() => why() !== '')
  assert.match(why(), /^451 4\.7\.5 The keys of example\.test cannot be opened/)
  assert.equal(server.connections, 0)
  world.sending = sealSending('example.test', first.sending, SEALING)
  await world.store.queue.order({ kind: 'retry', filter: {} })
  await world.until(done)
  assert.deepEqual(await signatures(), ['tp1-rsa pass', 'tp1-ed25519 pass'])
})
