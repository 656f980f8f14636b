import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { filterPoolOf, mailNode } from '#operator/controllers/testing/contexts.ts'
import { placeOf, poolHere, virusRule } from './filters.ts'
import { takesConnections } from './takes-connections.ts'

const signatures = { name: 'signatures', kind: 'signatures' }
const clamav = { name: 'clamav', kind: 'clamd', address: '127.0.0.1:3310' }
const rspamd = { name: 'rspamd', kind: 'rspamd', url: 'http://[::1]:11333/' }

test('poolHere() keeps the engines that answer and names the others with their places', async () => {
  const asked: string[] = []
  const { pool, seen } = await poolHere(
    filterPoolOf('default', { engines: [signatures, clamav, rspamd] }),
    async (host, port) => {
      asked.push(`${host} ${port}`)
      return port === 11_333
    },
  )
  assert.deepEqual(asked, ['127.0.0.1 3310', '::1 11333'])
  assert.deepEqual(
    pool.spec.engines.map(({ name }) => name),
    ['signatures', 'rspamd'],
  )
  assert.deepEqual(seen, {
    name: 'default',
    engines: ['signatures', 'rspamd'],
    away: [{ engine: 'clamav', where: '127.0.0.1:3310' }],
  })
})

test('poolHere() leaves a pool whose engines are all away as it is: its letters say that they failed', async () => {
  const { pool, seen } = await poolHere(filterPoolOf('default', { engines: [clamav] }), async () => false)
  assert.deepEqual([pool.spec.engines.length, seen.away], [1, []])
})

for (const [engine, place] of [
  [signatures, null],
  [
    { ...clamav, address: '[2001:db8::1]:3310' },
    { host: '2001:db8::1', port: 3310 },
  ],
  [
    { ...rspamd, url: 'https://rspamd.example' },
    { host: 'rspamd.example', port: 443 },
  ],
  [
    { ...rspamd, url: 'http://rspamd.example' },
    { host: 'rspamd.example', port: 80 },
  ],
] as const) {
  test(`placeOf(${JSON.stringify(engine)})`, () => {
    const [read] = filterPoolOf('a', { engines: [engine] }).spec.engines
    assert.ok(read)
    assert.deepEqual(placeOf(read), place)
  })
}

test('virusRule() is what every edge does with what its pool knows', () => {
  const pools = [
    filterPoolOf('knows', { engines: [clamav] }),
    filterPoolOf('not', { engines: [{ name: 'a', kind: 'attachments' }] }),
  ]
  const node = (filter?: Record<string, unknown>) => mailNode('n1', { edge: filter === undefined ? {} : { filter } })
  const held = node({ pool: 'knows', onVirus: 'quarantine' })
  assert.equal(virusRule([node({ pool: 'knows' })], pools), 'reject')
  assert.equal(virusRule([held, held], pools), 'quarantine')
  assert.equal(virusRule([held, node({ pool: 'knows' })], pools), 'unknown')
  assert.equal(virusRule([], pools), 'unknown')
  assert.equal(virusRule([node({ pool: 'knows' }), node()], pools), 'unknown')
  assert.equal(virusRule([node({ pool: 'not' })], pools), 'unknown')
})

test('takesConnections() tells who listens from who does not', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  assert.equal(await takesConnections('127.0.0.1', address.port), true)
  await new Promise((resolve) => server.close(resolve))
  assert.equal(await takesConnections('127.0.0.1', address.port), false)
})
