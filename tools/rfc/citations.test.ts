import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkCitations, citationsOf, parseIndex } from './citations.ts'

const citationCases: [text: string, numbers: number[]][] = [
  ['RFC 9051 section 6.3.12', [9051]],
  ['(RFC 4514, 4515)', [4514, 4515]],
  ['RFC 1939, 2449 (CAPA, PIPELINING), 2595 (STLS).', [1939, 2449, 2595]],
  ['RFC 5321 section 4.5.3.2.7, 12288 bytes', [5321]],
  ['RFC 822.SIZE of rfc9051 and XRFC 9051', [822]],
  ['MESSAGE_RFC822', []],
]
for (const [text, numbers] of citationCases) {
  test(`citationsOf() reads ${JSON.stringify(text)}`, () => {
    assert.deepEqual(
      citationsOf(text).map(({ number }) => number),
      numbers,
    )
  })
}

const HEAD = 'number\ttitle\tstatus\twhere\tnote\n'
const indexCases: [name: string, row: string, problem: RegExp | null][] = [
  ['takes a whole line', '1939\tPOP3\tyes\tlib/pop3\t', null],
  ['refuses a missing column', '1939\tPOP3\tyes\tlib/pop3', /separated by tabs/],
  ['refuses an unknown status', '1939\tPOP3\tmaybe\tlib/pop3\t', /is one of/],
  ['refuses part without a note', '1939\tPOP3\tpart\tlib/pop3\t', /note says/],
  ['refuses disorder', '1939\tPOP3\tyes\tlib/pop3\t\n1939\tPOP3\tyes\tlib/pop3\t', /out of order/],
]
for (const [name, row, want] of indexCases) {
  test(`parseIndex() ${name}`, () => {
    const messages = parseIndex('rfc/index.tsv', `${HEAD}${row}\n`).problems.map(({ message }) => message)
    if (want === null) assert.deepEqual(messages, [])
    else assert.match(messages.join('\n'), want)
  })
}

const checkCases: [name: string, text: string, where: string, problem: RegExp | null][] = [
  ['is content when both agree', '// RFC 1939 section 3', 'lib/pop3', null],
  ['finds a number that is not in the index', '// RFC 1939, RFC 2449', 'lib/pop3', /RFC 2449 is not in/],
  ['finds a number that nothing cites', '// nothing', 'lib/pop3', /Nothing cites RFC 1939/],
  ['finds a home that is not there', '// RFC 1939', 'lib/pop4', /there is no lib\/pop4/],
  ['finds another form of a place', '// RFC 1939 §3', 'lib/pop3', /Write RFC 1939/],
  ['finds a number without a space', '// RFC 1939, see RFC1939', 'lib/pop3', /Write RFC1939/],
]
for (const [name, text, where, want] of checkCases) {
  test(`checkCitations() ${name}`, () => {
    const index = { path: 'rfc/index.tsv', text: `${HEAD}1939\tPOP3\tyes\t${where}\t\n` }
    const messages = checkCitations([{ path: 'lib/a.ts', text }], index, (path) => path === 'lib/pop3').map(
      ({ message }) => message,
    )
    if (want === null) assert.deepEqual(messages, [])
    else assert.match(messages.join('\n'), want)
  })
}
