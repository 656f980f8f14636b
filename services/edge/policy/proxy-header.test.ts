import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type ProxyHeader, parseProxyHeader } from './proxy-header.ts'

const SIGNATURE = '0d0a0d0a000d0a515549540a'
const v2 = (command: string, family: string, rest: string) => {
  const length = (rest.length / 2).toString(16).padStart(4, '0')
  return Buffer.from(`${SIGNATURE}${command}${family}${length}${rest}`, 'hex')
}
const V4 = 'c0000201' + '0a000001' + '1f90' + '0019'
const V6 = '20010db8000000000000000000000001' + '20010db8000000000000000000000002' + 'c350' + '0019'
const header = (bytes: number, address: string, port: number): ProxyHeader => ({
  kind: 'header',
  bytes,
  client: { address, port },
})

const cases: readonly [name: string, bytes: Buffer, ProxyHeader][] = [
  ['IPv4 as text', Buffer.from('PROXY TCP4 192.0.2.1 10.0.0.1 8080 25\r\nEHLO'), header(39, '192.0.2.1', 8_080)],
  ['IPv6 as text', Buffer.from('PROXY TCP6 2001:db8::1 2001:db8::2 50000 25\r\n'), header(45, '2001:db8::1', 50_000)],
  ['nobody as text', Buffer.from('PROXY UNKNOWN a b c\r\n'), { kind: 'header', bytes: 21, client: null }],
  ['half a text', Buffer.from('PROXY TCP4 192.0.2.1'), { kind: 'more' }],
  ['the first byte of a text', Buffer.from('P'), { kind: 'more' }],
  ['a text that does not end', Buffer.from(`PROXY TCP4 ${'1'.repeat(100)}`), { kind: 'bad' }],
  ['another family', Buffer.from('PROXY UDP4 192.0.2.1 10.0.0.1 8080 25\r\n'), { kind: 'bad' }],
  ['IPv6 in IPv4', Buffer.from('PROXY TCP4 2001:db8::1 10.0.0.1 8080 25\r\n'), { kind: 'bad' }],
  ['a port that is none', Buffer.from('PROXY TCP4 192.0.2.1 10.0.0.1 80800 25\r\n'), { kind: 'bad' }],
  ['too many words', Buffer.from('PROXY TCP4 192.0.2.1 10.0.0.1 8080 25 1\r\n'), { kind: 'bad' }],
  ['no header', Buffer.from('EHLO client.example.net\r\n'), { kind: 'bad' }],
  ['IPv4 in bytes', v2('21', '11', V4), header(28, '192.0.2.1', 8_080)],
  ['IPv4 with more behind it', v2('21', '11', `${V4}030004deadbeef`), header(35, '192.0.2.1', 8_080)],
  ['IPv6 in bytes', v2('21', '21', V6), header(52, '2001:db8::1', 50_000)],
  ['the proxy itself', v2('20', '11', V4), { kind: 'header', bytes: 28, client: null }],
  ['a unix socket', v2('21', '31', '00'.repeat(216)), { kind: 'header', bytes: 232, client: null }],
  ['another version', v2('31', '11', V4), { kind: 'bad' }],
  ['another command', v2('22', '11', V4), { kind: 'bad' }],
  ['too short for its family', v2('21', '21', V4), { kind: 'bad' }],
  ['half of it', v2('21', '11', V4).subarray(0, 20), { kind: 'more' }],
  ['a length without end', Buffer.from(`${SIGNATURE}2111ffff`, 'hex'), { kind: 'bad' }],
  ['nothing', Buffer.alloc(0), { kind: 'more' }],
]
for (const [name, bytes, wanted] of cases) {
  test(`parseProxyHeader() of ${name}`, () => assert.deepEqual(parseProxyHeader(bytes), wanted))
}

test('parseProxyHeader() says the same once it has enough, and before that that it wants more', () => {
  const whole = fc.constantFrom(...cases.filter(([, , { kind }]) => kind === 'header').map(([, bytes]) => bytes))
  fc.assert(
    fc.property(whole, fc.nat(300), (bytes, cut) => {
      const result = parseProxyHeader(bytes)
      const part = parseProxyHeader(bytes.subarray(0, cut))
      assert.deepEqual(part, result.kind === 'header' && cut >= result.bytes ? result : { kind: 'more' })
    }),
  )
})

test('parseProxyHeader() bears anything', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom('', SIGNATURE), (bytes, head) => {
      parseProxyHeader(Buffer.concat([Buffer.from(head, 'hex'), bytes]))
    }),
    { numRuns: 2_000 },
  )
})
