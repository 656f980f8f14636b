import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ListPattern } from './list-pattern.ts'

const cases: [pattern: string, name: string, matches: boolean][] = [
  ['*', 'a/b/c', true],
  ['%', 'a', true],
  ['%', 'a/b', false],
  ['%/%', 'a/b', true],
  ['a%', 'a', true],
  ['a*c', 'a/b/c', true],
  ['a%c', 'a/b/c', false],
  ['%*', 'a/b', true],
  ['inbox', 'INBOX', true],
  ['InB%', 'INBOX', true],
  ['inb%', 'inbound', true],
  ['INB%', 'inbound', false],
  ['', 'a', false],
  ['a', 'A', false],
  ['*%*%*%*z', 'abc', false],
]
for (const [pattern, name, matches] of cases) {
  test(`ListPattern ${JSON.stringify(pattern)} ${matches ? 'matches' : 'does not match'} ${name}`, () => {
    assert.equal(new ListPattern(pattern).matches(name), matches)
  })
}

test('ListPattern agrees with a regular expression', () => {
  const unit = fc.constantFrom('a', 'b', '/', '*', '%', '.')
  fc.assert(
    fc.property(
      fc.string({ unit, maxLength: 8 }),
      fc.string({ unit: fc.constantFrom('a', 'b', '/', '.') }),
      (p, name) => {
        const source = p.replace(/[.]/g, '\\.').replaceAll('*', '[^]*').replaceAll('%', '[^/]*')
        assert.equal(new ListPattern(p).matches(name), new RegExp(`^${source}$`).test(name))
      },
    ),
  )
})

test('ListPattern takes no longer for wildcards that could match in many ways', () => {
  // 2^500 ways for a matcher that tries them all: this test ends, or it does not.
  const pattern = `${'a*%b%*'.repeat(80)}x`
  assert.equal(new ListPattern(pattern).matches('ab'.repeat(500)), false)
})
