/** Fields that claim to be ours. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isForged, withoutForged } from './forged.ts'
import { headerSection } from './header-section.ts'

const ID = 'mx.example.test'

for (const [field, forged] of [
  ['Authentication-Results: mx.example.test; dmarc=pass\r\n', true],
  ['authentication-results : (a comment) MX.example.TEST 1; spf=pass\r\n', true],
  ['Authentication-Results:\r\n "mx.example.test"; none\r\n', true],
  ['Authentication-Results: mx.example.net; dmarc=pass\r\n', false],
  ['ARC-Authentication-Results: i=1; mx.example.test; dmarc=pass\r\n', false],
  ['X-Twinpost-Evidence: engine=clamd; state=done\r\n', true],
  ['x-twinpost-filter: action=accept\r\n', true],
  ['X-Other: mx.example.test\r\n', false],
] as const) {
  test(`${JSON.stringify(field)} is ${forged ? 'taken out' : 'kept'}`, () => assert.equal(isForged(field, ID), forged))
}

test('the rest of the letter stays byte for byte', () => {
  const without = (text: string) => {
    const pieces = [Buffer.from(text, 'latin1')]
    return Buffer.concat(withoutForged(headerSection(pieces), pieces, ID)).toString('latin1')
  }
  const rest = 'From: a@b\r\nSubject: x\r\n y\r\n\r\nX-Twinpost-Evidence: in the body\r\n\r\n'
  assert.equal(without(`X-Twinpost-Evidence: a;\r\n\tb\r\n${rest}`), rest)
  assert.equal(without(rest), rest)
  assert.equal(without('no header at all\r\n'), 'no header at all\r\n')
})
