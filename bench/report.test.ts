import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parentOf } from './peers.ts'
import { type Figures, ratios, table } from './report.ts'
import { parsePssKib } from './work/idle-memory.ts'
import { nextLetter } from './work/letter.ts'

function figures(readablePerSecond: number, kib: number): Figures {
  const deliver = { letters: 1000, acceptedPerSecond: 2 * readablePerSecond, readablePerSecond }
  return {
    deliver,
    deliverOneCopy: { ...deliver, readablePerSecond: 1.25 * readablePerSecond },
    deliverPerConnection: deliver,
    imap: { commands: 1, commandsPerSecond: readablePerSecond },
    idleMemory: { sessions: 10, kibPerSession: { shard: kib / 2, edge: kib / 2 }, totalKibPerSession: kib },
  }
}
const NOTHING: Figures = {
  deliver: null,
  deliverOneCopy: null,
  deliverPerConnection: null,
  imap: null,
  idleMemory: null,
}

test('ratios() is above 1 where Twinpost delivers more or needs less', () => {
  assert.deepEqual(ratios(figures(3000, 100), figures(300, 400)), {
    deliver: 10,
    twoCopies: 0.8,
    deliverPerConnection: 10,
    imap: 10,
    idleMemory: 4,
  })
})

test('ratios() is null where a side was not measured', () => {
  const none = { deliver: null, twoCopies: null, deliverPerConnection: null, imap: null, idleMemory: null }
  assert.deepEqual(ratios(figures(3000, 100), null), { ...none, twoCopies: 0.8 })
  assert.deepEqual(ratios(NOTHING, figures(300, 400)), none)
})

test('table() has a row for each figure, also where one is missing', () => {
  const text = table(figures(3000, 100), NOTHING)
  assert.match(text, /^deliver, connections kept: readable +\/s +3,000 +- +-$/m)
  assert.match(text, /^ {2}on the edge +KiB +50\.0/m)
})

test('nextLetter() gives 4,096 octets without dot lines, each with another number', () => {
  const [first, second] = [Buffer.concat(nextLetter()), Buffer.concat(nextLetter())]
  assert.equal(first.length, 4096)
  assert.equal(second.length, 4096)
  assert.notDeepEqual(first, second)
  assert.equal(first.includes('\r\n.'), false)
  assert.equal(first.toString().endsWith('\r\n'), true)
})

test('parsePssKib() reads the sum, and 0 from a process that is gone', () => {
  assert.equal(
    parsePssKib('55d0-7ffe ---p 0 00:00 0 [rollup]\nRss:    4020 kB\nPss:    1234 kB\nPss_Dirty: 9 kB\n'),
    1234,
  )
  assert.equal(parsePssKib(''), 0)
})

test('parentOf() reads the parent behind any command name', () => {
  assert.equal(parentOf('12 (a) b (c)) S 7 12 12 0'), 7)
})
