import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type CsvRecord, parseCsv } from './csv.ts'

async function parse(...chunks: string[]): Promise<CsvRecord[]> {
  const found: CsvRecord[] = []
  for await (const record of parseCsv(stream(chunks))) found.push(record)
  return found
}

async function* stream(chunks: readonly string[]): AsyncGenerator<string> {
  yield* chunks
}

const cases: [name: string, text: string, want: string[][]][] = [
  [
    'plain fields',
    'a,b\nc,d\n',
    [
      ['a', 'b'],
      ['c', 'd'],
    ],
  ],
  [
    'CRLF and no end',
    'a,b\r\nc,d',
    [
      ['a', 'b'],
      ['c', 'd'],
    ],
  ],
  [
    'empty fields',
    'a,,\n,,b\n',
    [
      ['a', '', ''],
      ['', '', 'b'],
    ],
  ],
  ['quotes, separators and line ends within quotes', '"a,""b""","c\nd"\n', [['a,"b"', 'c\nd']]],
  ['empty quotes', '"",x\n', [['', 'x']]],
  [
    'semicolons',
    'address;name\na@b.c;A, B\n',
    [
      ['address', 'name'],
      ['a@b.c', 'A, B'],
    ],
  ],
  ['tabs and a byte order mark', '\ufeffa\tb\n', [['a', 'b']]],
  [
    'blanks around fields, blank lines',
    ' a , b \n\n  \nc,d\n',
    [
      ['a', 'b'],
      ['c', 'd'],
    ],
  ],
]
for (const [name, text, want] of cases)
  test(`parseCsv() reads ${name}, however it is cut`, async () => {
    assert.deepEqual(
      (await parse(text)).map(({ fields }) => fields),
      want,
    )
    assert.deepEqual(
      (await parse(...text)).map(({ fields }) => fields),
      want,
    )
  })

test('parseCsv() numbers the lines of the file', async () => {
  const found = await parse('a,b\n"x\ny",1\n\nc,d\n')
  assert.deepEqual(
    found.map(({ line }) => line),
    [1, 2, 5],
  )
})

for (const [name, text, line] of [
  ['a quote that is never closed', 'a,b\n"c,d\n', 2],
  ['text behind a quote', 'a,b\n"c"d,e\n', 2],
  ['a record without end', `a\n"${'x'.repeat(70_000)}`, 2],
] as const)
  test(`parseCsv() refuses ${name} and says where`, async () => {
    await assert.rejects(parse(text), { name: 'CsvError', line })
  })

test('parseCsv() reads back whatever was written by the rules', async () => {
  const field = fc.string({ maxLength: 8 }).map((text) => text.replaceAll('\r', ''))
  const rows = fc.array(fc.array(field, { minLength: 2, maxLength: 4 }), { minLength: 1, maxLength: 4 })
  const head = ['a', 'b', 'c', 'd'] // says that the comma separates
  await fc.assert(
    fc.asyncProperty(rows, fc.integer({ min: 1, max: 9 }), async (wanted, size) => {
      const all = [head, ...wanted]
      const text = all.map((row) => row.map((one) => `"${one.replaceAll('"', '""')}"`).join(',')).join('\n')
      const chunks = text.match(new RegExp(`[\\s\\S]{1,${size}}`, 'g')) ?? []
      assert.deepEqual(
        (await parse(...chunks)).map(({ fields }) => [...fields]),
        all,
      )
    }),
  )
})
