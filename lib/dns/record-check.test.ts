import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkHost, checkRecord, type RecordState, type WantedRecord } from './record-check.ts'
import { parseZone, zoneResolver } from './zone-file.ts'

const zone = parseZone(`
example.test. MX 20 Mail.example.test.
example.test. TXT "v=spf1 mx ~all"
example.test. TXT "some other text"
k._domainkey.example.test. TXT "p=AB CD; v=DKIM1;k=rsa"
_dmarc.example.test. TXT "v=DMARC1; p=reject"
_imaps._tcp.example.test. SRV 0 1 993 mail.example.test.
autoconfig.example.test. CNAME web.example.test.
other.test. MX 10 mx.elsewhere.example.
mail.example.test. A 192.0.2.1
mail.example.test. A 192.0.2.2
mail.example.test. AAAA 2001:db8::1
1.2.0.192.in-addr.arpa. PTR Mail.example.test.
2.2.0.192.in-addr.arpa. PTR dsl-2.provider.example.
`)
const resolver = zoneResolver(() => zone)
const cases: readonly [WantedRecord['type'], name: string, value: string, RecordState][] = [
  ['MX', 'example.test', '10 mail.example.test.', { kind: 'there' }],
  ['TXT', 'example.test', 'v=spf1  mx ~all', { kind: 'there' }],
  ['TXT', 'example.test', 'v=spf1 mx -all', { kind: 'other', found: 'v=spf1 mx ~all' }],
  ['TXT', 'k._domainkey.example.test', 'v=DKIM1; k=rsa; p=ABCD', { kind: 'there' }],
  ['TXT', '_dmarc.example.test', 'v=DMARC1; p=none; rua=mailto:a@b', { kind: 'other', found: 'v=DMARC1; p=reject' }],
  ['TXT', 'example.test', 'v=STSv1; id=1', { kind: 'missing' }],
  ['SRV', '_imaps._tcp.example.test', '0 1 993 mail.example.test.', { kind: 'there' }],
  ['SRV', '_pop3s._tcp.example.test', '0 1 995 mail.example.test.', { kind: 'missing' }],
  ['CNAME', 'autoconfig.example.test', 'web.example.test.', { kind: 'there' }],
  ['MX', 'other.test', '10 mail.example.test.', { kind: 'other', found: '10 mx.elsewhere.example' }],
]
for (const [type, name, value, wanted] of cases) {
  test(`checkRecord() of ${type} ${name} ${value}`, async () =>
    assert.deepEqual(await checkRecord({ type, name, value }, resolver), wanted))
}

test('checkRecord() does not take silence for absence', async () => {
  const silent = { query: () => Promise.reject(new Error('no answer')) }
  assert.deepEqual(await checkRecord({ type: 'MX', name: 'example.test', value: '10 a.' }, silent), {
    kind: 'unknown',
    reason: 'no answer',
  })
})

test('checkHost() tells of each address whether it leads back', async () => {
  assert.deepEqual(await checkHost('mail.example.test', resolver), [
    { address: '2001:db8::1', state: { kind: 'missing' } },
    { address: '192.0.2.1', state: { kind: 'there' } },
    { address: '192.0.2.2', state: { kind: 'other', found: 'dsl-2.provider.example' } },
  ])
  assert.deepEqual(await checkHost('nothing.example', resolver), [])
})
