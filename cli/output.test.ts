import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesText, displayWidth, durationText, table } from './table.ts'

test('table() aligns columns, also with wide characters, and leaves no space at the end', () =>
  assert.equal(
    table([
      ['分片', 'B'],
      ['n1/0', ''],
      ['x', 'long'],
    ]),
    '分片  B\nn1/0\nx     long',
  ))

test('displayWidth() counts wide characters as two', () => assert.equal(displayWidth('a分b片'), 6))

const sizes: [bytes: number, text: string][] = [
  [0, '0 B'],
  [1023, '1023 B'],
  [1536, '1.5 KiB'],
  [64 * 1024 * 1024, '64 MiB'],
  [5 * 1024 ** 3, '5.0 GiB'],
]
for (const [bytes, text] of sizes) test(`bytesText() writes ${bytes}`, () => assert.equal(bytesText(bytes), text))

const durations: [seconds: number, text: string][] = [
  [0, '0s'],
  [59.9, '59s'],
  [60, '1m'],
  [3_900, '1h05m'],
  [100_000, '1d03h'],
]
for (const [seconds, text] of durations) {
  test(`durationText() writes ${seconds}`, () => assert.equal(durationText(seconds), text))
}
