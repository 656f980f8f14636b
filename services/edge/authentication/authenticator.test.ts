/** Letters signed and forged, against zones in memory. The checks themselves are mailauth's and tested there; here is what we make of them. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { dkimSign } from 'mailauth'
import { DnsError, type DnsResolver } from '#lib/dns/types.ts'
import { parseZone, zoneResolver } from '#lib/dns/zone-file.ts'
import { silentLogger } from '#lib/log/logger.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { type Authentication, Authenticator } from './authenticator.ts'

const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const KEY = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64')
const PEM = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
const ZONE = parseZone(
  [
    'example.net. IN TXT "v=spf1 ip4:192.0.2.1 -all"',
    `s1._domainkey.example.net. IN TXT "v=DKIM1; k=ed25519; p=${KEY}"`,
    '_dmarc.example.net. IN TXT "v=DMARC1; p=reject"',
    'example.org. IN TXT "v=spf1 ip4:192.0.2.9 -all"',
    '_dmarc.example.org. IN TXT "v=DMARC1; p=quarantine"',
    'mx.example.com. IN MX 10 mail.example.com.',
  ].join('\n'),
)
const LETTER = 'From: Ann <Ann@example.net>\r\nSubject: a\r\nDate: Wed, 25 Nov 2026 10:00:00 +0000\r\n\r\nhello\r\n'

async function check(
  letter: string,
  facts: { ip?: string; from?: string } = {},
  resolver: DnsResolver = zoneResolver(() => ZONE),
  cut = 1000,
): Promise<Authentication> {
  const authenticator = new Authenticator({
    resolver,
    hostname: 'mx.example.test',
    clock: nodeClock,
    logger: silentLogger,
    timeoutMs: 60_000,
  })
  const run = authenticator.begin({
    traceId: 't1',
    clientAddress: facts.ip ?? '192.0.2.1',
    helo: 'mail.example.net',
    reversePath: facts.from ?? 'ann@example.net',
  })
  const bytes = Buffer.from(letter)
  for (let at = 0; at < bytes.length; at += cut) await run.write([bytes.subarray(at, at + cut)])
  return await run.end()
}

async function signed(letter: string): Promise<string> {
  const { signatures } = await dkimSign(letter, {
    signingDomain: 'example.net',
    selector: 's1',
    privateKey: PEM,
    signatureData: [
      {
        signingDomain: 'example.net',
        selector: 's1',
        privateKey: PEM,
      },
    ],
  })
  return signatures + letter
}

test('a letter from where it says passes, in one piece or byte by byte', async () => {
  for (const cut of [1, 1000]) {
    const found = await check(await signed(LETTER), {}, undefined, cut)
    assert.equal(found.dmarc, 'pass')
    assert.equal(found.author, 'ann@example.net')
    assert.match(found.field, /^Authentication-Results: mx\.example\.test;/)
    assert.match(found.field, /dkim=pass/)
    assert.match(found.field, /spf=pass/)
    assert.match(found.field, /\r\n$/)
  }
})

test('a forged author fails, and what his domain asks for is told', async () => {
  const reject = await check(LETTER, { ip: '198.51.100.7', from: 'eve@example.com' })
  assert.deepEqual([reject.dmarc, reject.dmarcPolicy], ['fail', 'reject'])
  const quarantine = await check(LETTER.replace(/example\.net/g, 'example.org'), {
    ip: '198.51.100.7',
    from: 'eve@example.com',
  })
  assert.deepEqual([quarantine.dmarc, quarantine.dmarcPolicy], ['fail', 'quarantine'])
})

test('a letter that was changed under way does not pass by its signature', async () => {
  const found = await check((await signed(LETTER)).replace('hello', 'pay me'), { ip: '198.51.100.7' })
  assert.equal(found.dmarc, 'fail')
})

test('a domain that says nothing is none', async () => {
  const found = await check(LETTER.replace(/example\.net/g, 'example.com'), { from: 'eve@example.com' })
  assert.deepEqual([found.dmarc, found.dmarcPolicy], ['none', 'none'])
})

test('DNS away: nothing is known, nothing is held against the letter', async () => {
  const away: DnsResolver = {
    query: async () => {
      throw new DnsError('DNS_UNAVAILABLE', 'no answer')
    },
  }
  const found = await check(await signed(LETTER), {}, away)
  assert.notEqual(found.dmarc, 'fail')
  assert.notEqual(found.dmarc, 'pass')
})

test('a DNS that hangs ends in time', async () => {
  const hangs: DnsResolver = { query: () => new Promise(() => {}) }
  const authenticator = new Authenticator({
    resolver: hangs,
    hostname: 'mx.example.test',
    clock: nodeClock,
    logger: silentLogger,
    timeoutMs: 20,
  })
  const run = authenticator.begin({ traceId: 't', clientAddress: '192.0.2.1', helo: 'h', reversePath: '' })
  await run.write([Buffer.from(LETTER)])
  assert.equal((await run.end()).dmarc, 'temperror')
})

test('odd letters and names are survived, and never break the field', async () => {
  for (const letter of [
    '',
    '\r\n',
    'no header',
    `From: ${'a,'.repeat(2000)}\r\n\r\n`,
    'From: a@b\r\nFrom: c@d\r\n\r\n',
    'From: "\r\n x" <a@b"c>\r\n\r\n',
  ]) {
    const found = await check(letter, { from: 'x"y; dmarc=pass\r\n z@example.net' })
    assert.match(found.field, /^Authentication-Results: mx\.example\.test;(?:[\t\x20-\x7e]|\r\n[\t ])*\r\n$/)
    assert.notEqual(found.dmarc, 'pass')
  }
})
