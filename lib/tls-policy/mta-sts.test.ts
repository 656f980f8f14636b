import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isInPolicy, parseStsPolicy, stsPolicyId } from './mta-sts.ts'

const records: readonly [name: string, texts: string[], id: string | null][] = [
  ['the one of RFC 8461', ['v=STSv1; id=20160831085700Z;'], '20160831085700Z'],
  ['no semicolon at the end', ['v=STSv1;id=1'], '1'],
  ['other records beside it', ['v=spf1 -all', 'v=STSv1; id=a;'], 'a'],
  ['a tag that is not known', ['v=STSv1; x=y; id=a; z=1'], 'a'],
  ['none', [], null],
  ['another version', ['v=STSv2; id=a;'], null],
  ['two', ['v=STSv1; id=a;', 'v=STSv1; id=b;'], null],
  ['an id that is none', ['v=STSv1; id=a-b;'], null],
  ['an id that is too long', [`v=STSv1; id=${'a'.repeat(33)};`], null],
  ['no id', ['v=STSv1;'], null],
]
for (const [name, texts, id] of records) {
  test(`stsPolicyId() of ${name}`, () => assert.equal(stsPolicyId(texts), id))
}

const lines = (...list: string[]) => `${list.join('\r\n')}\r\n`
const GOOD = ['version: STSv1', 'mode: enforce', 'mx: MX1.example.net.', 'mx: *.example.com', 'max_age: 604800']
const policies: readonly [name: string, text: string, wanted: ReturnType<typeof parseStsPolicy> | RegExp][] = [
  ['a good one', lines(...GOOD), { mode: 'enforce', maxAgeS: 604_800, mx: ['mx1.example.net', '*.example.com'] }],
  ['LF alone', GOOD.join('\n'), { mode: 'enforce', maxAgeS: 604_800, mx: ['mx1.example.net', '*.example.com'] }],
  ['mode none', lines('version: STSv1', 'mode: none', 'max_age: 1'), { mode: 'none', maxAgeS: 1, mx: [] }],
  [
    'keys that are not known, blanks, and a second mode',
    lines(
      'version : STSv1 ',
      'x-y: z',
      'mode: testing',
      'mode: enforce',
      '',
      'mx:a.example',
      'max_age: 99999999999'.slice(0, -1),
    ),
    { mode: 'testing', maxAgeS: 31_557_600, mx: ['a.example'] },
  ],
  ['a page of HTML', '<html>\n<body>404</body>', /no key with a value/],
  ['another version', lines('version: STSv2', ...GOOD.slice(1)), /version/],
  ['another mode', lines(...GOOD).replace('enforce', 'force'), /mode/],
  ['no mx', lines(...GOOD.filter((line) => !line.startsWith('mx'))), /no mx/],
  ['an mx that is no name', lines(...GOOD, 'mx: a b'), /no name/],
  ['a star inside', lines(...GOOD, 'mx: a.*.example'), /no name/],
  ['no max_age', lines(...GOOD.slice(0, -1)), /max_age/],
  ['a max_age below nothing', lines(...GOOD.slice(0, -1), 'max_age: -1'), /max_age/],
]
for (const [name, text, wanted] of policies) {
  test(`parseStsPolicy() of ${name}`, () => {
    const found = parseStsPolicy(text)
    if (wanted instanceof RegExp) assert.match(String(found), wanted)
    else assert.deepEqual(found, wanted)
  })
}

for (const [host, is] of [
  ['mx1.example.net', true],
  ['MX1.Example.net.', true],
  ['a.example.com', true],
  ['example.com', false],
  ['a.b.example.com', false],
  ['mx2.example.net', false],
  ['aexample.com', false],
  ['com', false],
] as const) {
  test(`isInPolicy() of ${host} is ${is}`, () =>
    assert.equal(isInPolicy({ mx: ['mx1.example.net', '*.example.com'] }, host), is))
}
