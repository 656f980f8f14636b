/** Archives: honest ones, nested ones, bombs and broken ones. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { zipOf } from '#lib/bytes/zip-writer.ts'
import { ARCHIVE_DEPTH_MAX, openArchive } from './archive.ts'

const MIB = 1024 * 1024
const budget = (bytesLeft = 16 * MIB, entriesLeft = 100) => ({ bytesLeft, entriesLeft })

test('files come out of nested archives with their way', async () => {
  const inner = zipOf({ 'deep/virus.txt': Buffer.from('bad'), 'empty/': Buffer.alloc(0) })
  const outer = zipOf({ 'a.txt': Buffer.from('good'), 'inner.zip': inner, 'c.tar.gz': gzipSync(Buffer.from('tar')) })
  const { files, troubles } = await openArchive('outer.zip', outer, budget())
  assert.deepEqual(
    files
      .filter(({ path }) => !path.endsWith('.zip') && !path.endsWith('.gz'))
      .map(({ path, content }) => [path, content.toString()]),
    [
      ['outer.zip/a.txt', 'good'],
      ['outer.zip/inner.zip/deep/virus.txt', 'bad'],
      ['outer.zip/c.tar.gz/c.tar', 'tar'],
    ],
  )
  assert.deepEqual(troubles, [])
})

test('an archive in an archive in an archive ends somewhere', async () => {
  let nested = zipOf({ 'x.txt': Buffer.from('x') })
  for (let i = 0; i < ARCHIVE_DEPTH_MAX + 3; i++) nested = zipOf({ 'n.zip': nested })
  const { troubles } = await openArchive('n.zip', nested, budget())
  assert.deepEqual(
    troubles.map(({ kind }) => kind),
    ['too-deep'],
  )
})

for (const [what, bytes, kind] of [
  ['a zip that claims little for much', () => zipOf({ 'bomb.bin': Buffer.alloc(8 * MIB) }), 'bomb'],
  ['a gzip that becomes much', () => gzipSync(Buffer.alloc(64 * MIB)), 'bomb'],
  ['a zip whose size is a lie', () => lying(zipOf({ 'a.txt': Buffer.alloc(5000, 'abc') })), 'broken'],
  ['an encrypted zip', () => encrypted(zipOf({ 'a.txt': Buffer.from('x') })), 'encrypted'],
  ['a zip cut off', () => zipOf({ 'a.txt': Buffer.from('x') }).subarray(0, 40), 'broken'],
  ['a gzip cut off', () => gzipSync(Buffer.from('text')).subarray(0, 20), 'broken'],
] as const) {
  test(`${what} is told as ${kind}`, async () => {
    const { troubles } = await openArchive('a', bytes(), budget())
    assert.deepEqual(
      troubles.map((trouble) => trouble.kind),
      [kind],
    )
  })
}

test('ten thousand files are too many, and all archives of a letter share the budget', async () => {
  const many = zipOf(Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`f${i}`, Buffer.from('x')])))
  const shared = budget(MIB, 150)
  const first = await openArchive('a', many, shared)
  assert.equal(first.files.length, 150)
  assert.deepEqual(
    first.troubles.map(({ kind }) => kind),
    ['bomb'],
  )
  assert.equal((await openArchive('b', many, shared)).files.length, 0)
})

test('no bytes make it throw', async () => {
  const zip = zipOf({ 'a.txt': Buffer.from('hello'), 'b.zip': zipOf({ c: Buffer.from('d') }) })
  const change = fc.record({ at: fc.nat({ max: zip.length - 1 }), to: fc.nat({ max: 255 }) })
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 8 }), async (changes) => {
      const bytes = Buffer.from(zip)
      for (const { at, to } of changes) bytes[at] = to
      await openArchive('a', bytes, budget())
    }),
  )
})

/** The central directory says another size than the data has. */
function lying(zip: Buffer): Buffer {
  const at = zip.indexOf(Buffer.from('504b0102', 'hex'))
  zip.writeUInt32LE(10, at + 24)
  return zip
}

function encrypted(zip: Buffer): Buffer {
  const at = zip.indexOf(Buffer.from('504b0102', 'hex'))
  zip.writeUInt16LE(zip.readUInt16LE(at + 8) | 1, at + 8)
  return zip
}
