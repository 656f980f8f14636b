import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { KIB } from '../limits.ts'
import { appendBody } from './append-body.ts'

const noPause = async () => {}

test('appendBody() repairs line ends wherever the pieces are cut, and changes nothing else', async () => {
  const unit = fc.constantFrom('a', 'b', '\r', '\n', '\r\n')
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit }),
      fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1 }),
      async (text, sizes) => {
        const bytes = Buffer.from(text)
        const pieces: Buffer[] = []
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = sizes[i % sizes.length] ?? 1
          pieces.push(bytes.subarray(at, at + size))
          at += size
        }
        const expected = text.replace(/\r\n|\r|\n/g, '\r\n')
        assert.equal(Buffer.concat((await appendBody(pieces, noPause)) ?? []).toString(), expected)
      },
    ),
  )
})

test('appendBody() does not copy what is right', async () => {
  const piece = Buffer.from('Subject: x\r\n\r\nbody\r\n')
  const body = await appendBody([piece, piece], noPause)
  assert.equal(body?.length, 2)
  for (const part of body ?? []) assert.equal(part.byteOffset, piece.byteOffset)
})

test('appendBody() refuses NUL', async () => {
  assert.equal(await appendBody([Buffer.from('a'), Buffer.from('b\0')], noPause), null)
})

test('appendBody() pauses while it checks a large letter', async () => {
  let pauses = 0
  const piece = Buffer.alloc(64 * KIB, 'x')
  await appendBody(Array<Buffer>(48).fill(piece), async () => {
    pauses++
  })
  assert.equal(pauses, 3)
})
