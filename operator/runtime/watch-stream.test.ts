import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type WatchEvent, WatchLines } from './watch-stream.ts'

const object = (name: string, version: string) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, resourceVersion: version },
  data: { text: 'Grüße, 世界 \u{1f600}\n' },
})
const LINES: readonly unknown[] = [
  { type: 'ADDED', object: object('a', '1') },
  { type: 'MODIFIED', object: object('a', '2') },
  { type: 'DELETED', object: object('a', '3') },
  {
    type: 'BOOKMARK',
    object: { kind: 'ConfigMap', apiVersion: 'v1', metadata: { resourceVersion: '9', creationTimestamp: null } },
  },
  { type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' } },
]
const BYTES = Buffer.from(LINES.map((line) => `${JSON.stringify(line)}\n`).join(''))

function summary(event: WatchEvent): string {
  return event.kind === 'error' ? `error ${event.status}` : `${event.kind} ${event.resourceVersion}`
}
const WANTED = ['changed 1', 'changed 2', 'deleted 3', 'bookmark 9', 'error 410']

test('WatchLines reads every kind of event', () => {
  assert.deepEqual(new WatchLines().push(BYTES).map(summary), WANTED)
})

test('WatchLines reads the same wherever the network cuts, also inside a character', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(BYTES.length), { maxLength: 30 }), (cuts) => {
      const lines = new WatchLines()
      const borders = [0, ...cuts.sort((a, b) => a - b), BYTES.length]
      const events = borders.slice(1).flatMap((end, i) => lines.push(BYTES.subarray(borders[i], end)))
      assert.deepEqual(events.map(summary), WANTED)
      const [first] = events
      assert.ok(first?.kind === 'changed')
      assert.deepEqual(first.object['data'], object('a', '1').data)
    }),
  )
})

test('WatchLines gives nothing for a line that was cut off', () => {
  const lines = new WatchLines()
  assert.deepEqual(lines.push(BYTES.subarray(0, 40)), [])
})

test('WatchLines refuses what is no event instead of passing over it', () => {
  for (const line of [
    'no json',
    '{"type":"ADDED"}',
    '{"type":"ADDED","object":{"metadata":{"name":"a"}}}',
    '{"type":"BOOKMARK","object":{"metadata":{}}}',
    '{"type":"RENAMED","object":{"metadata":{"name":"a","resourceVersion":"1"}}}',
    '{"type":"ADDED","object":{"metadata":{"resourceVersion":"1"}}}',
    '[]',
  ]) {
    assert.throws(() => new WatchLines().push(Buffer.from(`${line}\n`)), { code: 'KUBE_SERVER' }, line)
  }
})

test('WatchLines gives up a line without an end', () => {
  const lines = new WatchLines()
  const megabyte = Buffer.alloc(1024 * 1024, 'x')
  assert.throws(
    () => {
      for (let i = 0; i < 9; i++) lines.push(megabyte)
    },
    { code: 'KUBE_SERVER' },
  )
})
