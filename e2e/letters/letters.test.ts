import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { exactly } from './generate.ts'
import { letters, shapes } from './letters.ts'

/** Lines with CRLF, without NUL, at most 998 octets before it (RFC 5322 section 2.1.1). */
function faultOf(bytes: Buffer): string | null {
  if (bytes.includes(0)) return 'NUL'
  if (!bytes.subarray(-2).equals(Buffer.from('\r\n'))) return 'no CRLF at the end'
  for (let start = 0; start < bytes.length; ) {
    const lf = bytes.indexOf(10, start)
    const cr = bytes.indexOf(13, start)
    if (cr !== lf - 1) return `bare CR or LF after ${start}`
    if (cr - start > 998) return `a line of ${cr - start} octets at ${start}`
    start = lf + 1
  }
  return null
}

test('letters() gives a hundred letters, each with a name and bytes of its own', () => {
  const digests = new Map<string, string>()
  for (const { name, bytes } of letters()) {
    assert.match(name, /^[a-z0-9]+(-[a-z0-9]+)*$/)
    digests.set(createHash('sha256').update(bytes).digest('hex'), name)
  }
  assert.equal(shapes.length, 100)
  assert.equal(new Set(shapes.map((shape) => shape.name)).size, 100)
  assert.equal(digests.size, 100)
})

test('letters() keeps the rules of what a mail server stores', () => {
  const faults: string[] = []
  for (const { name, bytes } of letters()) {
    const fault = faultOf(bytes)
    if (fault !== null) faults.push(`${name}: ${fault}`)
  }
  assert.deepEqual(faults, [])
})

test('letters() gives the same bytes each time', () => {
  const digest = () => {
    const hash = createHash('sha256')
    for (const { bytes } of letters()) if (bytes.length < 1_000_000) hash.update(bytes)
    return hash.digest('hex')
  }
  assert.equal(digest(), digest())
})

for (const size of [2, 78, 79, 80, 81, 155, 156, 157]) {
  test(`exactly(${size}) has that many octets in whole lines`, () => {
    const body = exactly(size)
    assert.equal(body.length, size)
    assert.equal(faultOf(body), null)
  })
}
