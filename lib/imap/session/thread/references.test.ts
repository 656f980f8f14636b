import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { threadByReferences } from './references.ts'
import type { ThreadMessage, ThreadNode } from './thread-node.ts'

const numRuns = Number(process.env['FUZZ_RUNS'] ?? 300)

function message(number: number, fields: Partial<ThreadMessage> = {}): ThreadMessage {
  return { number, sentMs: number, subject: '', reply: false, messageId: `${number}`, references: [], ...fields }
}

/** As THREAD writes them, in a form that is easy to read. */
function shown(nodes: Iterable<ThreadNode>): string {
  return [...nodes].map(({ message, children }) => `${message?.number ?? ''}(${shown(children)})`).join('')
}

const pause = () => Promise.resolve()
const thread = async (...messages: ThreadMessage[]) => shown(await threadByReferences(messages, pause))

const cases: [name: string, messages: ThreadMessage[], threads: string][] = [
  ['a chain', [message(1), message(2, { references: ['1'] }), message(3, { references: ['1', '2'] })], '1(2(3()))'],
  [
    'a chain that came backwards',
    [message(1, { references: ['3', '2'] }), message(2, { references: ['3'] }), message(3)],
    '3(2(1()))',
  ],
  ['an ancestor in the middle that is not there', [message(1), message(2, { references: ['1', 'lost'] })], '1(2())'],
  [
    'two children of one that is not there, kept together',
    [message(1, { references: ['lost'] }), message(2, { references: ['lost'] })],
    '(1()2())',
  ],
  ['one child of one that is not there', [message(1, { references: ['lost'] })], '1()'],
  [
    'references that contradict: what is linked stays',
    [message(1), message(2), message(3, { references: ['1', '2'] }), message(4, { references: ['2', '1'] })],
    '1(2(3())4())',
  ],
  [
    'its own references weigh more than what others say',
    [message(1), message(2), message(3, { references: ['2', '4'] }), message(4, { references: ['1'] })],
    '1(4(3()))2()',
  ],
  ['a loop', [message(1, { references: ['2'] }), message(2, { references: ['1'] })], '2(1())'],
  ['a message that names itself', [message(1, { references: ['1'] })], '1()'],
  ['two messages with one id', [message(1), message(2, { messageId: '1' })], '1()2()'],
  ['messages without id', [message(1, { messageId: '' }), message(2, { messageId: '' })], '1()2()'],
  [
    'a reply without references joins by subject',
    [message(1, { subject: 'A' }), message(2, { subject: 'A', reply: true })],
    '1(2())',
  ],
  [
    'a reply that came first joins what began it',
    [message(1, { subject: 'A', reply: true }), message(2, { subject: 'A' })],
    '2(1())',
  ],
  [
    'two that begin with one subject stand side by side',
    [message(1, { subject: 'A' }), message(2, { subject: 'A' }), message(3, { subject: 'A', reply: true })],
    '(1()2()3())',
  ],
  [
    'two groups without ancestor and one subject become one',
    [
      message(1, { subject: 'A', references: ['x'] }),
      message(2, { references: ['x'] }),
      message(3, { subject: 'A', references: ['y'] }),
      message(4, { references: ['y'] }),
    ],
    '(1()2()3()4())',
  ],
  [
    'siblings by date, a group by the date of its first',
    [
      message(1, { sentMs: 50 }),
      message(2, { sentMs: 30, references: ['1'] }),
      message(3, { sentMs: 20, references: ['1'] }),
      message(4, { sentMs: 40, references: ['lost'] }),
      message(5, { sentMs: 60, references: ['lost'] }),
    ],
    '(4()5())1(3()2())',
  ],
]
for (const [name, messages, threads] of cases) {
  test(`threadByReferences(): ${name}`, async () => assert.equal(await thread(...messages), threads))
}

test('threadByReferences() shows every message once, and dummies only at the top with several children', async () => {
  const id = fc.constantFrom('1', '2', '3', '4', '5', '6', 'x', 'y', '')
  const any = fc.record({
    sentMs: fc.nat(5),
    subject: fc.constantFrom('', 'A', 'B'),
    reply: fc.boolean(),
    messageId: id,
    references: fc.array(
      id.filter((text) => text !== ''),
      { maxLength: 5 },
    ),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(any, { maxLength: 12 }), async (given) => {
      const messages = given.map((fields, i) => message(i + 1, fields))
      const roots = await threadByReferences(messages, pause)
      const numbers: number[] = []
      const waiting = roots.map((node) => ({ node, depth: 0 }))
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        const { node, depth } = next
        const children = [...node.children]
        if (node.message !== null) numbers.push(node.message.number)
        else assert.ok(depth === 0 && children.length > 1)
        const dates = children.map((child) => child.message?.sentMs ?? assert.fail('a dummy below'))
        assert.deepEqual(
          dates,
          dates.toSorted((a, b) => a - b),
        )
        waiting.push(...children.map((child) => ({ node: child, depth: depth + 1 })))
      }
      assert.deepEqual(
        numbers.sort((a, b) => a - b),
        messages.map(({ number }) => number),
      )
    }),
    { numRuns },
  )
})

test('threadByReferences() takes no stack for a chain of 20,000 replies, whichever way they came', async () => {
  const chain = Array.from({ length: 20_000 }, (_, i) => message(i + 1, i === 0 ? {} : { references: [`${i}`] }))
  for (const messages of [chain, chain.toReversed()]) {
    let node: ThreadNode | undefined = (await threadByReferences(messages, pause))[0]
    let depth = 0
    for (; node !== undefined; [node] = [...node.children]) depth++
    assert.equal(depth, 20_000)
  }
})
