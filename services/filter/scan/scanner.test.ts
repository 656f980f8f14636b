/** The scanner with engines that behave badly. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '#lib/log/logger.ts'
import { Registry } from '#lib/metrics/metrics.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { Letter } from '../letter/letter.ts'
import { createFilterMetrics } from '../metrics.ts'
import { scriptedEngine } from '../testing/running-filter.ts'
import type { Engine } from './engine.ts'
import { Scanner } from './scanner.ts'

function letter(text = 'Subject: a\r\n\r\nb\r\n'): Letter {
  const context = { clientAddress: null, helo: null, sender: '', recipients: [], user: null, traceId: null }
  return new Letter(context, [], [Buffer.from(text)])
}

function scannerOf(...engines: Engine[]): Scanner {
  const metrics = createFilterMetrics(new Registry())
  return new Scanner({ engines, clock: nodeClock, logger: silentLogger, metrics })
}

test('each engine says its own, whatever becomes of the others', async () => {
  const hangs = scriptedEngine('hangs', () => new Promise(() => {}), { timeoutMs: 20 })
  const throws = scriptedEngine('throws', async () => {
    throw new Error('no')
  })
  const small = scriptedEngine('small', async () => [], { bytesMax: 3 })
  const works = scriptedEngine('works', async () => [{ kind: 'virus', name: 'x', weight: 1 }])
  const evidence = await scannerOf(hangs, throws, small, works).scan(letter())
  assert.deepEqual(
    evidence.map(({ engine, state }) => [engine, state]),
    [
      ['hangs', 'late'],
      ['throws', 'failed'],
      ['small', 'too-large'],
      ['works', 'done'],
    ],
  )
  assert.deepEqual(evidence.at(-1)?.findings, [{ kind: 'virus', name: 'x', weight: 1 }])
})

test('an engine that is given up hears it', async () => {
  let heard = false
  const hangs = scriptedEngine(
    'hangs',
    (_letter, signal) =>
      new Promise(() => {
        signal.addEventListener('abort', () => {
          heard = true
        })
      }),
    { timeoutMs: 10 },
  )
  await scannerOf(hangs).scan(letter())
  assert.equal(heard, true)
})

test('an engine with as many letters as it takes is busy, and free again afterwards', async () => {
  const gate = Promise.withResolvers<void>()
  const slow = scriptedEngine(
    'slow',
    async () => {
      await gate.promise
      return []
    },
    { concurrency: 1 },
  )
  const scanner = scannerOf(slow)
  const first = scanner.scan(letter())
  assert.equal((await scanner.scan(letter()))[0]?.state, 'busy')
  gate.resolve()
  assert.equal((await first)[0]?.state, 'done')
  assert.equal((await scanner.scan(letter()))[0]?.state, 'done')
})

test('the same letter is shown once to an engine that judges content alone', async () => {
  let shown = 0
  const count: Engine['scan'] = async () => {
    shown++
    return []
  }
  const scanner = scannerOf(scriptedEngine('content', count, { ofContent: true }), scriptedEngine('context', count))
  await scanner.scan(letter())
  await scanner.scan(letter())
  await scanner.scan(letter('Subject: other\r\n\r\n'))
  assert.equal(shown, 2 + 3)
})

test('a failure is not kept for the next copy', async () => {
  let shown = 0
  const once = scriptedEngine(
    'once',
    async () => {
      if (shown++ === 0) throw new Error('not yet')
      return []
    },
    { ofContent: true },
  )
  const scanner = scannerOf(once)
  assert.equal((await scanner.scan(letter()))[0]?.state, 'failed')
  assert.equal((await scanner.scan(letter()))[0]?.state, 'done')
})
