import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Budget } from './budget.ts'
import { parseContentType } from './content.ts'
import { parameter } from './parameters.ts'

/** `name=value`, with the wire form after it where that differs. */
function read(value: string): string[] | null {
  const parsed = parseContentType(value, new Budget())
  if (parsed === null) return null
  const params = parsed.params.map(({ name, value, wireName, wireValue }) =>
    name === wireName && value === wireValue ? `${name}=${value}` : `${name}=${value} <- ${wireName}=${wireValue}`,
  )
  return [`${parsed.type}/${parsed.subtype}`, ...params]
}

const cases: [name: string, value: string, expected: string[] | null][] = [
  ['lowers type, subtype and names, not values', 'TEXT/Plain; CharSet=UTF-8', ['text/plain', 'charset=UTF-8']],
  [
    'skips comments',
    '(a) text (b) / (c) plain (d) ; (e) charset=us-ascii (Plain (text))',
    ['text/plain', 'charset=us-ascii'],
  ],
  ['undoes quotes', 'a/b; name="x;\\"y\\" =z"', ['a/b', 'name=x;"y" =z']],
  [
    'keeps spaces and specials of values that lack their quotes',
    'a/b; name=My File (1).pdf; x=a/b',
    ['a/b', 'name=My File.pdf', 'x=a/b'],
  ],
  ['keeps an equals sign in a value', 'a/b; boundary==_x=y', ['a/b', 'boundary==_x=y']],
  ['keeps an encoded word in a value', 'a/b; name==?utf-8?Q?a;b=3D?=', ['a/b', 'name==?utf-8?Q?a;b=3D?=']],
  ['reads parameters without their semicolons', 'text/plain charset=utf-8', ['text/plain', 'charset=utf-8']],
  ['skips empty and nameless parameters', 'a/b;; ;=x; flag; y=', ['a/b', 'y=']],
  ['reads a quote that is never closed', 'a/b; boundary="abc', ['a/b', 'boundary=abc']],
  [
    'joins continuations in the order of their numbers',
    'a/b; n*1="c d"; x=1; n*0=ab; n*2=e',
    ['a/b', 'n=abc de', 'x=1'],
  ],
  ['stops at a gap between continuations', 'a/b; n*0=a; n*2=c', ['a/b', 'n=a']],
  ['counts continuations from one where a sender does', 'a/b; n*1=a; n*2=b', ['a/b', 'n=ab']],
  ['decodes a charset', "a/b; n*=iso-8859-1'en'%A3%20rates", ['a/b', "n=£ rates <- n*=iso-8859-1'en'%A3%20rates"]],
  [
    'decodes a character that is cut by a continuation',
    "a/b; n*0*=gb18030''%d6; n*1*=%d0; n*2=x y",
    ['a/b', "n=中x y <- n*=gb18030''%d6%d0x%20y"],
  ],
  ['decodes Big5', "a/b; n*=big5''%a4%a4%a4%e5", ['a/b', "n=中文 <- n*=big5''%a4%a4%a4%e5"]],
  ['survives a charset nobody knows', "a/b; n*=x-nobody''%e4%b8%ad", ['a/b', "n=中 <- n*=x-nobody''%e4%b8%ad"]],
  ['survives percent signs that are none', "a/b; n*=utf-8''100%", ['a/b', "n=100% <- n*=utf-8''100%"]],
  ['survives an extended value without a charset', 'a/b; n*=%41', ['a/b', "n=A <- n*=''%41"]],
  ['refuses a type alone', 'text', null],
  ['refuses an empty subtype', 'text/; charset=x', null],
  ['refuses nothing', '', null],
]

for (const [name, value, expected] of cases) {
  test(`parseContentType() ${name}`, () => assert.deepEqual(read(value), expected))
}

test('parameter() prefers the extended form', () => {
  const parsed = parseContentType("a/b; n=plain; n*=utf-8''%e2%82%ac; m=1", new Budget())
  assert.equal(parameter(parsed?.params ?? [], 'n'), '€')
  assert.equal(parameter(parsed?.params ?? [], 'm'), '1')
  assert.equal(parameter(parsed?.params ?? [], 'x'), null)
})
