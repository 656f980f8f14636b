import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ByteReader, BytesError } from './reader.ts'
import { ByteWriter } from './writer.ts'

type Value =
  | { kind: 'u8' | 'u16' | 'u32' | 'u64' | 'varint'; value: number }
  | { kind: 'string'; value: string }
  | { kind: 'bytes'; value: Uint8Array }
  | { kind: 'bool'; value: boolean }

const value: fc.Arbitrary<Value> = fc.oneof(
  fc.record({ kind: fc.constant('u8' as const), value: fc.integer({ min: 0, max: 0xff }) }),
  fc.record({ kind: fc.constant('u16' as const), value: fc.integer({ min: 0, max: 0xffff }) }),
  fc.record({ kind: fc.constant('u32' as const), value: fc.integer({ min: 0, max: 0xffff_ffff }) }),
  fc.record({ kind: fc.constant('u64' as const), value: fc.maxSafeInteger().map(Math.abs) }),
  fc.record({ kind: fc.constant('varint' as const), value: fc.maxSafeInteger().map(Math.abs) }),
  fc.record({ kind: fc.constant('string' as const), value: fc.string({ unit: 'grapheme' }) }),
  fc.record({ kind: fc.constant('bytes' as const), value: fc.uint8Array({ maxLength: 600 }) }),
  fc.record({ kind: fc.constant('bool' as const), value: fc.boolean() }),
)

function write(to: ByteWriter, { kind, value }: Value): void {
  switch (kind) {
    case 'string':
      to.string(value)
      break
    case 'bytes':
      to.bytes(value)
      break
    case 'bool':
      to.bool(value)
      break
    default:
      to[kind](value)
  }
}

test('ByteReader gives back what ByteWriter wrote, and nothing is left over', () => {
  fc.assert(
    fc.property(fc.array(value, { maxLength: 40 }), fc.integer({ min: 1, max: 64 }), (values, capacity) => {
      const to = new ByteWriter(capacity)
      for (const one of values) write(to, one)
      const from = new ByteReader(to.finish())
      for (const one of values) {
        const read = from[one.kind]()
        if (one.value instanceof Uint8Array) assert.deepEqual(new Uint8Array(read as Uint8Array), one.value)
        else assert.equal(read, one.value)
      }
      from.end()
    }),
  )
})

test('ByteReader answers any bytes with a value or a BytesError, never with something else', () => {
  const reads = [
    (from: ByteReader) => from.varint(),
    (from: ByteReader) => from.u64(),
    (from: ByteReader) => from.string(),
    (from: ByteReader) => from.list(() => from.bytes()),
    (from: ByteReader) => from.optional(() => from.u32()),
  ]
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(reads.length - 1), (bytes, which) => {
      try {
        reads[which]?.(new ByteReader(bytes))
      } catch (error) {
        assert.ok(error instanceof BytesError, String(error))
      }
    }),
    { numRuns: 2_000 },
  )
})

test('ByteReader refuses a list whose count is larger than the input before it makes room for it', () => {
  assert.throws(() => new ByteReader(new ByteWriter().varint(2 ** 50).finish()).list(() => 0), {
    code: 'BYTES_MALFORMED',
  })
})

test('ByteReader.end() refuses bytes after the end', () => {
  const from = new ByteReader(Buffer.from([1, 2]))
  from.u8()
  assert.throws(() => from.end(), { code: 'BYTES_MALFORMED' })
})
