import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HEADER_PARSE_BYTES_MAX, HEADER_READ_BYTES, MIB } from '../limits.ts'
import { LruHeaderCache } from './header-cache.ts'
import { MessageReader } from './message-reader.ts'
import { LruStructureCache } from './structure-cache.ts'

const HEADER = { path: [], part: { kind: 'header' } } as const
const TEXT = { path: [], part: { kind: 'text' } } as const

/** A reader of `bytes` that counts what is read. */
function open(bytes: Buffer, structures = new LruStructureCache(100)) {
  const seen = { bytes: 0 }
  const source = {
    sizeBytes: bytes.length,
    // Gives less than was asked for, as a store may where a body is cut into chunks.
    read: async (offset: number, length: number) => {
      const piece = bytes.subarray(offset, offset + Math.min(length, 100_000))
      seen.bytes += piece.length
      return piece
    },
  }
  return {
    reader: new MessageReader(source, 'key', { structures, headers: new LruHeaderCache(1), pause: async () => {} }),
    seen,
  }
}

const cases: [name: string, header: string, readBytesMax: number][] = [
  ['a short header by one short read', 'Subject: x\r\n\r\n', HEADER_READ_BYTES],
  ['an empty header', '\r\n', HEADER_READ_BYTES],
  ['a header of several reads', `${`To: ${'a@example.test, '.repeat(10)}\r\n`.repeat(300)}\r\n`, MIB],
]
for (const [name, header, readBytesMax] of cases) {
  test(`MessageReader finds ${name}, without the body`, async () => {
    const bytes = Buffer.concat([Buffer.from(header), Buffer.alloc(4 * MIB, 'body\r\n')])
    const { reader, seen } = open(bytes)
    assert.deepEqual(await reader.range(HEADER), { start: 0, end: header.length })
    assert.deepEqual(await reader.range(TEXT), { start: header.length, end: bytes.length })
    assert.equal((await reader.headerBlock()).toString(), header)
    assert.ok(seen.bytes <= readBytesMax, `${seen.bytes}`)
  })
}

test('MessageReader holds a bounded part of a header that is larger than any, and knows its end', async () => {
  const header = Buffer.from(`${'X-Long: field\r\n'.repeat(150_000)}\r\n`)
  const { reader } = open(Buffer.concat([header, Buffer.from('body')]))
  assert.deepEqual(await reader.range(HEADER), { start: 0, end: header.length })
  assert.equal((await reader.headerBlock()).length, HEADER_PARSE_BYTES_MAX)
})

test('MessageReader parses a structure once for all readers', async () => {
  const structures = new LruStructureCache(100)
  const bytes = Buffer.from('Subject: x\r\n\r\nbody\r\n')
  const first = await open(bytes, structures).reader.structure()
  const { reader, seen } = open(bytes, structures)
  assert.equal(await reader.structure(), first)
  assert.equal(seen.bytes, 0)
})

test('MessageReader fails, and does not wait, when the store has fewer bytes than it said', async () => {
  const source = { sizeBytes: 100, read: async () => Buffer.alloc(0) }
  const reader = new MessageReader(source, 'key', {
    structures: new LruStructureCache(1),
    headers: new LruHeaderCache(1),
    pause: async () => {},
  })
  await assert.rejects(reader.read(0, 100), /Message ended at byte 0/)
})
