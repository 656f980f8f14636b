import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fillFrames } from './frame-filler.ts'

test('fillFrames() keeps the bytes, fills every frame but the last, and copies nothing', () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 12 })
  fc.assert(
    fc.property(pieces, fc.integer({ min: 1, max: 50 }), (given, frameBytesMax) => {
      const frames = [...fillFrames(given, frameBytesMax)]
      const sizes = frames.map((frame) => Buffer.concat(frame).length)
      assert.deepEqual(Buffer.concat(frames.flat()), Buffer.concat(given))
      for (const size of sizes.slice(0, -1)) assert.equal(size, frameBytesMax)
      assert.ok((sizes.at(-1) ?? 1) >= 1 && (sizes.at(-1) ?? 1) <= frameBytesMax)
      const memory = new Set<ArrayBufferLike>(given.map((piece) => piece.buffer))
      for (const part of frames.flat()) assert.ok(memory.has(part.buffer))
    }),
  )
})
