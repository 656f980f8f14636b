/** Letters of several parts: nested, forwarded, signed, large. */
import {
  base64Lines,
  type Chance,
  exactly,
  join,
  letter,
  lines,
  multipart,
  type Part,
  prose,
  textPart,
} from '../generate.ts'
import type { Shape } from '../shape.ts'

const MIME = 'MIME-Version: 1.0'
const KIB = 1024
const MIB = 1024 * KIB

function mixed(name: string, parts: readonly Part[], kind = 'mixed'): Buffer {
  return letter(name, [MIME, `Content-Type: multipart/${kind}; boundary="=_${name}"`], multipart(`=_${name}`, parts))
}

function attachment(fileName: string, bytes: Buffer, width = 76): Part {
  const header = [
    `Content-Type: application/octet-stream; name="${fileName}"`,
    'Content-Transfer-Encoding: base64',
    `Content-Disposition: attachment; filename="${fileName}"`,
  ]
  return { header, body: base64Lines(bytes, width) }
}

const html: Part = { header: ['Content-Type: text/html; charset=utf-8'], body: '<p>Grüße <img src="cid:1@x"></p>' }

function forwarded(inner: Buffer): Part {
  return { header: ['Content-Type: message/rfc822'], body: inner }
}

/** `depth` multiparts, one inside the other. */
function nested(depth: number): Part {
  let part: Part = textPart('innermost')
  for (let level = 0; level < depth; level++) {
    const boundary = `level-${level}`
    part = { header: [`Content-Type: multipart/mixed; boundary=${boundary}`], body: multipart(boundary, [part]) }
  }
  return part
}

/** Letters forwarded as attachments, one inside the other. */
function forwardedOften(depth: number): Buffer {
  let inner = letter('innermost', [], 'x\r\n')
  for (let level = 0; level < depth; level++)
    inner = letter(`forward-${level}`, [MIME, 'Content-Type: message/rfc822'], inner)
  return inner
}

function withBody(name: string, size: number): Buffer {
  const header = letter(name, [], '')
  return join(header, exactly(size - header.length))
}

export const multipartShapes: readonly Shape[] = [
  { name: 'alternative', make: (name) => mixed(name, [textPart('Hi'), html], 'alternative') },
  { name: 'related-in-alternative-in-mixed', make: related },
  {
    name: 'mixed-with-attachments',
    make: (name, chance) =>
      mixed(name, [
        textPart('See files'),
        attachment('a.bin', chance.bytes(5000)),
        attachment('b.bin', chance.bytes(1)),
      ]),
  },
  { name: 'nested-10-deep', make: (name) => mixed(name, [nested(10), nested(3)]) },
  { name: 'nested-300-deep', make: (name) => mixed(name, [nested(300)]) },
  {
    name: 'two-thousand-parts',
    make: (name) =>
      mixed(
        name,
        Array.from({ length: 2000 }, (_, i) => textPart(`part ${i}`)),
      ),
  },
  {
    name: 'rfc822-in-rfc822',
    make: (name) =>
      mixed(name, [
        textPart('Forwarded twice'),
        forwarded(letter('middle', [MIME, 'Content-Type: message/rfc822'], letter('inner', [], 'x\r\n'))),
      ]),
  },
  { name: 'rfc822-20-deep', make: () => forwardedOften(20) },
  {
    name: 'rfc822-with-attachment',
    make: (name, chance) =>
      mixed(name, [forwarded(mixed('inner', [textPart('inside'), attachment('in.bin', chance.bytes(300))]))]),
  },
  { name: 'rfc822-empty', make: (name) => mixed(name, [forwarded(Buffer.alloc(0))]) },
  {
    name: 'digest',
    make: (name) =>
      mixed(
        name,
        Array.from({ length: 5 }, (_, i): Part => ({ header: [], body: letter(`digest-${i}`, [], `${i}\r\n`) })),
        'digest',
      ),
  },
  { name: 'delivery-report', make: report },
  {
    name: 'signed-smime',
    make: (name, chance) =>
      mixed(
        name,
        [
          textPart('signed  '),
          {
            header: ['Content-Type: application/pkcs7-signature; name=smime.p7s', 'Content-Transfer-Encoding: base64'],
            body: base64Lines(chance.bytes(2000), 64),
          },
        ],
        'signed; micalg=sha-256; protocol="application/pkcs7-signature"',
      ),
  },
  {
    name: 'preamble-and-epilogue',
    make: (name) =>
      letter(
        name,
        [MIME, 'Content-Type: multipart/mixed; boundary=b'],
        multipart('b', [textPart('x')], 'This is MIME.\r\n', 'and some more\r\n\r\n'),
      ),
  },
  {
    name: 'boundary-of-70-with-specials',
    make: (name) => {
      const b = `${"'()+_,-./:=? ".repeat(5)}xxxxx`.slice(0, 70)
      return letter(name, [MIME, `Content-Type: multipart/mixed; boundary="${b}"`], multipart(b, [textPart('x')]))
    },
  },
  {
    name: 'boundary-prefix-of-another',
    make: (name) =>
      letter(
        name,
        [MIME, 'Content-Type: multipart/mixed; boundary=ab'],
        multipart('ab', [
          { header: ['Content-Type: multipart/mixed; boundary=abc'], body: multipart('abc', [textPart('x')]) },
          textPart('y'),
        ]),
      ),
  },
  {
    name: 'base64-odd-lines',
    make: (name, chance) =>
      mixed(name, [attachment('odd.bin', chance.bytes(1000), 37), attachment('wide.bin', chance.bytes(3000), 996)]),
  },
  {
    name: 'attachment-1-mib',
    make: (name, chance) => mixed(name, [textPart('one MiB'), attachment('1.bin', chance.bytes(MIB))]),
  },
  {
    name: 'attachment-25-mib',
    make: (name, chance) => mixed(name, [textPart('twenty-five MiB'), attachment('25.bin', chance.bytes(25 * MIB))]),
  },
  // Around the sizes at which frames and body chunks are cut.
  { name: 'letter-of-256-kib', make: (name) => withBody(name, 256 * KIB) },
  { name: 'letter-of-256-kib-and-1', make: (name) => withBody(name, 256 * KIB + 1) },
  { name: 'letter-of-1-mib', make: (name) => withBody(name, MIB) },
  { name: 'letter-of-1-mib-and-1', make: (name) => withBody(name, MIB + 1) },
]

function related(name: string, chance: Chance): Buffer {
  const image: Part = {
    header: ['Content-Type: image/png', 'Content-ID: <1@x>', 'Content-Transfer-Encoding: base64'],
    body: base64Lines(chance.bytes(700)),
  }
  const relatedPart: Part = {
    header: ['Content-Type: multipart/related; boundary=rel; type="text/html"'],
    body: multipart('rel', [html, image]),
  }
  const alternative: Part = {
    header: ['Content-Type: multipart/alternative; boundary=alt'],
    body: multipart('alt', [textPart('Hi'), relatedPart]),
  }
  return mixed(name, [alternative, attachment('c.bin', prose(chance, 500))])
}

function report(name: string): Buffer {
  const status: Part = {
    header: ['Content-Type: message/delivery-status'],
    body: lines(
      'Reporting-MTA: dns; mx.example.test',
      '',
      'Final-Recipient: rfc822; nobody@example.test',
      'Action: failed',
      'Status: 5.1.1',
    ),
  }
  const header: Part = { header: ['Content-Type: text/rfc822-headers'], body: lines('Subject: lost') }
  return mixed(name, [textPart('Could not be delivered'), status, header], 'report; report-type=delivery-status')
}
