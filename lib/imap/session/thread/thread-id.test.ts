import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Headers } from '#lib/mime/mod.ts'
import { threadId } from './thread-id.ts'

const of = (emailId: string, ...lines: string[]) =>
  threadId(new Headers(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)), emailId)

const first = of('a', 'Message-ID: <1@x>')
const cases: [name: string, lines: string[], same: boolean][] = [
  ['an answer', ['Message-ID: <2@x>', 'In-Reply-To: <1@x>', 'References: <1@x>'], true],
  ['an answer without References', ['Message-ID: <2@x>', 'In-Reply-To: <1@x>'], true],
  ['an answer to an answer', ['Message-ID: <3@x>', 'In-Reply-To: <2@x>', 'References: <1@x>\r\n <2@x>'], true],
  ['one whose References were shortened in the middle', ['Message-ID: <9@x>', 'References: <1@x> <8@x>'], true],
  ['one with a quoted local part', ['References: <"1"@x>'], true],
  ['one in other capitals', ['Message-ID: <3@X>', 'References: <1@X>'], false],
  ['another letter of the same subject', ['Message-ID: <4@x>', 'Subject: Re: it'], false],
  ['a letter without names', ['Subject: it'], false],
]
for (const [name, lines, same] of cases) {
  test(`threadId() of ${name} is ${same ? 'that of the first letter' : 'another'}`, () => {
    assert.equal(of('b', ...lines) === first, same)
  })
}

test('threadId() is an objectid (RFC 8474 section 7), also of letters that name nothing: each has its own', () => {
  assert.match(first, /^[A-Za-z0-9_-]{1,255}$/)
  assert.equal(of('a', 'Subject: x'), of('a', 'Subject: y'))
  assert.notEqual(of('a', 'Subject: x'), of('b', 'Subject: x'))
})
