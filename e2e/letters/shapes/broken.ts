/** Letters that break MIME or the header rules, as real senders and attackers do. They are stored as they are. */
import { base64Lines, join, letter, lines } from '../generate.ts'
import type { Shape } from '../shape.ts'

const MIXED = ['MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary="b"']

export const brokenShapes: readonly Shape[] = [
  {
    name: 'boundary-missing',
    make: (name) => letter(name, ['Content-Type: multipart/mixed'], lines('--b', '', 'x', '--b--')),
  },
  {
    name: 'boundary-empty',
    make: (name) => letter(name, ['Content-Type: multipart/mixed; boundary=""'], lines('--', '', 'x', '----')),
  },
  { name: 'boundary-never-seen', make: (name) => letter(name, MIXED, lines('no part begins here')) },
  {
    name: 'boundary-not-closed',
    make: (name) => letter(name, MIXED, lines('--b', 'Content-Type: text/plain', '', 'cut off')),
  },
  { name: 'boundary-truncated-inside', make: (name) => letter(name, MIXED, join(lines('--b', '', 'x'), '--\r\n')) },
  { name: 'part-header-truncated', make: (name) => letter(name, MIXED, lines('--b', 'Content-Type: text/')) },
  {
    name: 'part-without-empty-line',
    make: (name) => letter(name, MIXED, lines('--b', 'Content-Type: text/plain', '--b', '', 'y', '--b--')),
  },
  { name: 'boundary-with-trailing-spaces', make: (name) => letter(name, MIXED, lines('--b   ', '', 'x', '--b-- \t')) },
  {
    name: 'no-empty-line-before-body',
    make: (name) =>
      lines('From: anna@example.test', `Subject: ${name}`, 'this line is no header field', 'and no empty line came'),
  },
  {
    name: 'header-field-without-colon',
    make: (name) => lines('From: anna@example.test', 'NoColonHere', `Subject: ${name}`, '', 'x'),
  },
  {
    name: 'header-begins-with-continuation',
    make: (name) => join(' continues nothing\r\n', letter(name, [], 'x\r\n')),
  },
  { name: 'header-line-of-blanks', make: (name) => letter(name, ['X-Before: 1', '   ', 'X-After: 2'], 'x\r\n') },
  {
    name: 'header-space-before-colon',
    make: (name) => letter(name, ['X-Space : 1', 'Content-Type : text/html'], 'x\r\n'),
  },
  {
    name: 'content-type-garbage',
    make: (name) =>
      letter(name, ['MIME-Version: 1.0', 'Content-Type: ;;;/=;"; charset', 'Content-Transfer-Encoding: 9bit'], 'x\r\n'),
  },
  {
    name: 'content-type-twice',
    make: (name) =>
      letter(
        name,
        ['Content-Type: text/plain', 'Content-Type: multipart/mixed; boundary=b'],
        lines('--b', '', 'x', '--b--'),
      ),
  },
  {
    name: 'base64-truncated-and-dirty',
    make: (name) =>
      letter(
        name,
        ['Content-Transfer-Encoding: base64'],
        join(base64Lines(Buffer.from('first part')), lines('!!!!', 'QUJ', '=QUJD')),
      ),
  },
]
