/** Letters of one text part: bodies and headers that are odd but right. */
import { exactly, join, letter, lines, prose, quotedPrintable } from '../generate.ts'
import type { Shape } from '../shape.ts'

export const plainShapes: readonly Shape[] = [
  { name: 'plain-short', make: (name) => letter(name, [], 'Hello\r\n') },
  { name: 'plain-prose-4-kib', make: (name, chance) => letter(name, [], prose(chance, 4096)) },
  { name: 'empty-body', make: (name) => letter(name, [], '') },
  { name: 'empty-line-only-body', make: (name) => letter(name, [], '\r\n') },
  // SMTP cannot carry a letter without a last CRLF: this one ends with the header's.
  { name: 'header-only-without-empty-line', make: (name) => lines('From: anna@example.test', `Subject: ${name}`) },
  { name: 'minimal-header', make: (name) => lines('From: anna@example.test', `Subject: ${name}`, '', 'x') },
  { name: 'no-header-at-all', make: () => lines('', 'The first line of this letter is the empty one.') },
  { name: 'single-empty-line', make: () => lines('') },
  { name: 'line-of-998-octets', make: (name) => letter(name, [], lines('x'.repeat(998))) },
  { name: 'many-lines-of-998-octets', make: (name) => letter(name, [], exactly(998 * 200, 998)) },
  { name: 'lines-of-dots', make: (name) => letter(name, [], lines('.', '..', '...', '....', '.')) },
  { name: 'leading-dots', make: (name) => letter(name, [], lines('.a', '..b', '...c', 'd.', ' .e')) },
  { name: 'dot-first-in-body', make: (name) => letter(name, [], lines('.', 'after the dot')) },
  { name: 'dot-last-in-body', make: (name) => letter(name, [], lines('before the dot', '.')) },
  { name: 'thousand-dot-lines', make: (name) => letter(name, [], '.\r\n'.repeat(1000)) },
  { name: 'dot-line-in-header', make: (name) => letter(name, ['X-Dots: one', ' .', '\t..'], 'x\r\n') },
  {
    name: 'smtp-commands-in-body',
    make: (name) => letter(name, [], lines('QUIT', 'RSET', 'DATA', '250 2.0.0 Ok', '.QUIT')),
  },
  {
    name: 'imap-literals-in-body',
    make: (name) => letter(name, [], lines('{10}', '{10+}', 'a1 OK done', '* BYE', ')')),
  },
  {
    name: 'mbox-from-lines',
    make: (name) => letter(name, [], lines('From anna Mon Nov 17', '>From boris', '', 'From here on')),
  },
  { name: 'tabs', make: (name) => letter(name, ['X-Tab:\tvalue\twith\ttabs'], lines('\tone', 'a\tb\t\tc\t', '\t')) },
  {
    name: 'trailing-spaces',
    make: (name) => letter(name, ['X-Trail: value   '], lines('line   ', '   ', ' ', 'end ')),
  },
  {
    name: 'control-characters',
    make: (name) => letter(name, [], lines('bell \u0007, escape \u001b[31m, form feed \u000c, del \u007f')),
  },
  { name: 'quoted-printable-soft-breaks', make: qp },
  {
    name: 'quoted-printable-malformed',
    make: (name) =>
      letter(name, ['Content-Transfer-Encoding: quoted-printable'], lines('=', '=G1', '= ', '=3', 'a==', '=c3=BC')),
  },
  { name: 'header-folded-often', make: (name) => letter(name, [`X-Folded: ${'word\r\n\t'.repeat(200)}end`], 'x\r\n') },
  { name: 'header-line-of-998-octets', make: (name) => letter(name, [`X-Long: ${'y'.repeat(990)}`], 'x\r\n') },
  {
    name: 'header-of-60-kib',
    make: (name) => letter(name, [`X-Long: ${`${'z'.repeat(500)}\r\n `.repeat(120)}end`], 'x\r\n'),
  },
  {
    name: 'thousand-header-fields',
    make: (name) =>
      letter(
        name,
        Array.from({ length: 1000 }, (_, i) => `X-Field-${i}: ${i}`),
        'x\r\n',
      ),
  },
  { name: 'many-received', make: (name) => letter(name, received(60), 'x\r\n') },
  { name: 'thousand-recipients-in-to', make: (name) => letter(name, [`Cc: ${recipients(1000)}`], 'x\r\n') },
  {
    name: 'header-fields-repeated',
    make: (name) =>
      letter(name, ['Subject: another', 'To: c@example.test', 'From: d@example.test', 'Message-ID: <2@x>'], 'x\r\n'),
  },
  { name: 'header-empty-values', make: (name) => letter(name, ['Cc:', 'Reply-To: ', 'X-Empty:\t'], 'x\r\n') },
  { name: 'addresses-of-all-kinds', make: addresses },
  {
    name: 'dates-of-all-kinds',
    make: (name) =>
      letter(name, ['Resent-Date: 17 Nov 25 09:30 EST', 'Date: Thu, 32 Foo 99999 99:99:99 -9999', 'Date:'], 'x\r\n'),
  },
  {
    name: 'references-of-500',
    make: (name) =>
      letter(
        name,
        [`References: ${Array.from({ length: 500 }, (_, i) => `<${i}@example.test>`).join('\r\n ')}`],
        'x\r\n',
      ),
  },
  {
    name: 'return-path-and-delivered-to-from-outside',
    make: (name) =>
      join('Return-Path: <forged@example.test>\r\nDelivered-To: forged@example.test\r\n', letter(name, [], 'x\r\n')),
  },
  {
    name: 'authentication-results-from-outside',
    make: (name) => join('Authentication-Results: mx.elsewhere.test; spf=pass\r\n', letter(name, [], 'x\r\n')),
  },
]

function qp(name: string, chance: { bytes(length: number): Buffer }): Buffer {
  const header = [
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: quoted-printable',
  ]
  return letter(name, header, quotedPrintable(chance.bytes(3000)))
}

function received(count: number): string[] {
  return Array.from({ length: count }, (_, i) =>
    [
      `Received: from hop${i}.example.test (hop${i}.example.test [192.0.2.${i}])`,
      `\tby hop${i + 1}.example.test with ESMTPS id ${i}`,
      `\tfor <boris@example.test>; Mon, 17 Nov 2025 09:${String(i % 60).padStart(2, '0')}:00 +0000`,
    ].join('\r\n'),
  )
}

function recipients(count: number): string {
  return Array.from({ length: count }, (_, i) => `"Person ${i}" <person${i}@example.test>`).join(',\r\n ')
}

function addresses(name: string): Buffer {
  return letter(
    name,
    [
      'Reply-To: A Group: one@example.test, "Two, \\"Quoted\\"" <two@example.test>;, Undisclosed:;',
      'Cc: <@route.test,@other.test:three@example.test>, four@[192.0.2.1], "odd local"@example.test,',
      ' five (comment (nested) \\) here) @ example . test, <>, , six@',
      'Bcc: =?utf-8?Q?J=C3=BCrgen?= <seven@example.test>',
      'Sender: no address here',
    ],
    'x\r\n',
  )
}
