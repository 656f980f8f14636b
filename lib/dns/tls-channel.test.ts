import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createServer, type TLSSocket } from 'node:tls'
import { decode, encode } from 'dns-packet'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { createAuthority, issueLeaf, namesRequest } from '#operator/pki/certificates.ts'
import { udpResolver } from './udp-resolver.ts'

const authority = await createAuthority('An authority', Date.now(), nodeRandom)
const leaf = await issueLeaf(authority, namesRequest('resolver', ['localhost'], []), Date.now(), nodeRandom)

/** Answers every question with one address; connections for which `isSilent` says so never. */
async function serve(t: TestContext, isSilent: (connection: number) => boolean) {
  const state = { connections: 0 }
  const sockets = new Set<TLSSocket>()
  const server = createServer({ cert: leaf.cert, key: leaf.key }, (socket) => {
    const silent = isSilent(state.connections++)
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    let input = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      input = Buffer.concat([input, chunk])
      while (input.length >= 2 && input.length >= 2 + input.readUInt16BE(0)) {
        const { id = 0, questions = [] } = decode(input.subarray(2, 2 + input.readUInt16BE(0)))
        input = input.subarray(2 + input.readUInt16BE(0))
        if (silent || questions[0]?.name === 'slow.example') continue
        const answers = questions.map(({ name }) => ({ type: 'A' as const, name, data: '192.0.2.1' }))
        const reply = encode({ type: 'response', id, questions, answers })
        const length = Buffer.alloc(2)
        length.writeUInt16BE(reply.length)
        // In two pieces, as the network may cut them.
        socket.write(Buffer.concat([length, reply.subarray(0, 5)]))
        socket.write(reply.subarray(5))
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const bound = server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0
  const resolver = udpResolver({
    servers: [{ address: '127.0.0.1', port, tls: { name: 'localhost', ca: () => authority.cert } }],
    trustAd: true,
    clock: nodeClock,
    random: nodeRandom,
    timeoutMs: 300,
  })
  const hangUp = () => {
    for (const socket of sockets) socket.destroy()
  }
  t.after(() => {
    hangUp()
    server.close()
  })
  return { state, resolver, hangUp }
}
const addresses = { kind: 'records', records: ['192.0.2.1'] }
const short = ({ kind, records }: { readonly kind: string; readonly records: readonly unknown[] }) => ({
  kind,
  records,
})

test('Questions over TLS share one connection', async (t) => {
  const { state, resolver } = await serve(t, () => false)
  const answers = await Promise.all(['a.example', 'b.example', 'c.example'].map((name) => resolver.query(name, 'A')))
  for (const answer of answers) assert.deepEqual(short(answer), addresses)
  assert.equal(state.connections, 1)
})

test('A connection that has gone silent is not asked again', async (t) => {
  const { state, resolver } = await serve(t, (connection) => connection === 0)
  // The first round meets the silent one, the second a new one.
  assert.deepEqual(short(await resolver.query('a.example', 'A')), addresses)
  assert.equal(state.connections, 2)
})

test('A connection that was ended is opened anew', async (t) => {
  const { state, resolver, hangUp } = await serve(t, () => false)
  await resolver.query('a.example', 'A')
  hangUp()
  assert.deepEqual(short(await resolver.query('b.example', 'A')), addresses)
  assert.ok(state.connections >= 2)
})

test('A name that takes long does not end the connection of the others', async (t) => {
  const { state, resolver } = await serve(t, () => false)
  const slow = assert.rejects(resolver.query('slow.example', 'A'), { code: 'DNS_UNAVAILABLE' })
  for (let i = 0; i < 8; i++) {
    await new Promise((resolve) => nodeClock.after(90, () => resolve(null)))
    await resolver.query(`n${i}.example`, 'A')
  }
  await slow
  assert.equal(state.connections, 1)
})
