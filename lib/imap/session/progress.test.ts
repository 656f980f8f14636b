import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryHost } from '../testing/memory-host.ts'
import { Output } from './output.ts'
import { Progress } from './progress.ts'

test('Progress tells how far a command is, at most every ten seconds (RFC 9585 section 3)', () => {
  const memory = new MemoryHost()
  let nowMs = 0
  const clock = { ...memory.clock, monotonicMs: () => nowMs }
  const host = { ...memory, clock }
  const progress = new Progress({ host, out: new Output(memory), tag: 'a1' }, 1000)
  progress.tell(1)
  nowMs = 9_999
  progress.tell(200)
  assert.equal(memory.take(), '')
  nowMs = 10_000
  progress.tell(300)
  progress.tell(301)
  assert.equal(memory.take(), '* OK [INPROGRESS ("a1" 300 1000)] Still at it\r\n')
  nowMs = 20_000
  progress.tell(600)
  assert.equal(memory.take(), '* OK [INPROGRESS ("a1" 600 1000)] Still at it\r\n')
})
