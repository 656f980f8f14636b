import assert from 'node:assert/strict'
import { test } from 'node:test'
import { domainOf } from '../testing/contexts.ts'
import { generateDkimKeys } from './generate-keys.ts'
import { dnsRecords, mtaStsPolicy, saysSameKey, zoneFile } from './records.ts'

const HOST = 'mail.example.net'
const lines = (spec: Record<string, unknown> = {}) =>
  zoneFile(dnsRecords(domainOf('a', { name: 'example.test', ...spec }), HOST, []))

test('dnsRecords() of a Domain without wishes', () =>
  assert.equal(
    lines(),
    `example.test. 3600 IN MX 10 mail.example.net.
example.test. 3600 IN TXT "v=spf1 mx ~all"
_dmarc.example.test. 3600 IN TXT "v=DMARC1; p=none; rua=mailto:postmaster@example.test"
_smtp._tls.example.test. 3600 IN TXT "v=TLSRPTv1; rua=mailto:postmaster@example.test"
_submissions._tcp.example.test. 3600 IN SRV 0 1 465 mail.example.net.
_submission._tcp.example.test. 3600 IN SRV 10 1 587 mail.example.net.
_imaps._tcp.example.test. 3600 IN SRV 0 1 993 mail.example.net.
_pop3s._tcp.example.test. 3600 IN SRV 10 1 995 mail.example.net.
`,
  ))

test('dnsRecords() of a Domain with all wishes', () => {
  const dns = {
    reports: 'dns@example.test',
    spf: { includes: ['_spf.example.org'], others: 'fail' },
    dmarc: 'reject',
    mtaSts: { mode: 'enforce', host: 'www.example.test' },
    autoconfigHost: 'www.example.test',
  }
  const text = lines({ dns })
  for (const line of [
    'example.test. 3600 IN TXT "v=spf1 mx include:_spf.example.org -all"',
    '_dmarc.example.test. 3600 IN TXT "v=DMARC1; p=reject; rua=mailto:dns@example.test"',
    'mta-sts.example.test. 3600 IN CNAME www.example.test.',
    'autoconfig.example.test. 3600 IN CNAME www.example.test.',
  ]) {
    assert.ok(text.split('\n').includes(line), line)
  }
  assert.match(text, /^_mta-sts\.example\.test\. 3600 IN TXT "v=STSv1; id=[0-9a-f]{32};"$/m)
  const policy = (mode: string) =>
    mtaStsPolicy(domainOf('a', { name: 'example.test', dns: { mtaSts: { mode } } }), HOST)
  assert.equal(policy('testing'), 'version: STSv1\r\nmode: testing\r\nmx: mail.example.net\r\nmax_age: 604800\r\n')
  assert.equal(policy('none'), null)
  const id = (mode: string) => /id=(\w+)/.exec(lines({ dns: { mtaSts: { ...dns.mtaSts, mode } } }))?.[1]
  assert.notEqual(id('testing'), id('enforce'), 'senders fetch a policy again when its id changes')
})

test('zoneFile() cuts a key that is longer than one character-string', async () => {
  const sets = [{ keySet: 1, seenAt: null, retiredAt: null, keys: await generateDkimKeys() }]
  const records = dnsRecords(domainOf('a', { name: 'example.test' }), HOST, sets)
  const wanted = records.find(({ name }) => name === 'tp1-rsa._domainkey.example.test')
  const line = zoneFile(records)
    .split('\n')
    .find((one) => one.startsWith('tp1-rsa.'))
  const pieces = [...(line ?? '').matchAll(/"([^"]*)"/g)].map(([, piece]) => piece ?? '')
  assert.ok(pieces.length > 1 && pieces.every((piece) => piece.length <= 255), line)
  assert.equal(pieces.join(''), wanted?.value)
})

const same: [found: string, wanted: string, is: boolean][] = [
  ['v=DKIM1; k=rsa; p=AAAA', 'v=DKIM1; k=rsa; p=AAAA', true],
  ['v=DKIM1;p=AA AA;k=rsa;', 'v=DKIM1; k=rsa; p=AAAA', true],
  ['p=AAAA', 'v=DKIM1; k=rsa; p=AAAA', true],
  ['v=DKIM1; k=rsa; p=BBBB', 'v=DKIM1; k=rsa; p=AAAA', false],
  ['v=DKIM1; k=rsa; p=', 'v=DKIM1; k=rsa; p=AAAA', false],
  ['v=DKIM1; p=AAAA', 'v=DKIM1; k=ed25519; p=AAAA', false],
  ['v=spf1 mx', 'v=DKIM1; k=rsa; p=AAAA', false],
]
for (const [found, wanted, is] of same) {
  test(`saysSameKey() is ${is} for ${found}`, () => assert.equal(saysSameKey(found, wanted), is))
}
