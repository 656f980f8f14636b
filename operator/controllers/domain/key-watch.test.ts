import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { eventually } from '#operator/runtime/testing/api-access.ts'
import { KeyWatch } from './key-watch.ts'

const QUESTIONS = [
  { name: 'tp1-rsa._domainkey.x.test', text: 'v=DKIM1; k=rsa; p=AAAA' },
  { name: 'tp1-ed25519._domainkey.x.test', text: 'v=DKIM1; k=ed25519; p=BBBB' },
]

function watchOver(records: ReadonlyMap<string, readonly string[]>) {
  const published: string[] = []
  const asked: string[] = []
  const watch = new KeyWatch({
    async lookup(name) {
      asked.push(name)
      const found = records.get(name)
      if (found === undefined) throw new Error('no answer')
      return found
    },
    clock: nodeClock,
    random: nodeRandom,
    published: (key) => published.push(key),
  })
  return { watch, published, asked }
}

test('KeyWatch tells when all records of a set are there, and does not ask again', async () => {
  const { watch, published, asked } = watchOver(new Map(QUESTIONS.map(({ name, text }) => [name, ['v=spf1', text]])))
  assert.deepEqual(watch.arePublished('mail/x', [QUESTIONS]), [false], 'nothing is known yet')
  await eventually(() => published.length === 1)
  assert.deepEqual(watch.arePublished('mail/x', [QUESTIONS]), [true])
  const other = QUESTIONS.map(({ name, text }) => ({ name: name.replace('tp1', 'tp2'), text }))
  // Two sets that wait at a time must not push each other out: looking again and again would never end.
  for (let i = 0; i < 5; i++) assert.deepEqual(watch.arePublished('mail/x', [other, QUESTIONS]), [false, true])
  await eventually(() => asked.length === 3)
  assert.deepEqual(
    asked,
    [...QUESTIONS, ...other.slice(0, 1)].map(({ name }) => name),
  )
  await watch.stop()
  assert.equal(published.length, 1)
})

for (const [name, records] of [
  [
    'one of two records is missing',
    new Map([
      [QUESTIONS[0]?.name ?? '', [QUESTIONS[0]?.text ?? '']],
      [QUESTIONS[1]?.name ?? '', []],
    ]),
  ],
  ['the DNS does not answer', new Map<string, string[]>()],
] as const) {
  test(`KeyWatch takes nothing for published while ${name}`, async () => {
    const { watch, published, asked } = watchOver(new Map(records))
    watch.arePublished('mail/x', [QUESTIONS])
    await eventually(() => asked.length > 0)
    await watch.stop()
    assert.deepEqual(watch.arePublished('mail/x', [QUESTIONS]), [false])
    assert.deepEqual(published, [])
  })
}
