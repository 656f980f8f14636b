import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readSource } from '../tidy/source.ts'
import { checkCodes, errorReference, findCatalogues } from './errors.ts'
import { findSeries, metricsReference } from './metrics.ts'

const root = join(import.meta.dirname, '../..')
const LOG_CODE = `export const LOG_ERRORS = {
  LOG_BUSY: { smtp: '451 4.3.2', retry: true, meaning: 'Full.' },
} as const satisfies Record<string, ErrorSpec>

export class LogError extends CodedError<keyof typeof LOG_ERRORS> {
}
`

const catalogueCases: [name: string, code: string, places: number, problems: RegExp | null][] = [
  ['finds a catalogue and its class', LOG_CODE, 1, null],
  [
    'follows a type alias in the same file',
    LOG_CODE.replace('keyof typeof LOG_ERRORS>', 'LogErrorCode>').concat(
      '\nexport type LogErrorCode = keyof typeof LOG_ERRORS\n',
    ),
    1,
    null,
  ],
  ['refuses codes that are only a union', `export class TlsError extends CodedError<'TLS_HANDSHAKE'> {`, 0, /TlsError/],
  ['refuses a union over several lines', `export class TlsError extends CodedError<\n  'A' | 'B'\n> {`, 0, /TlsError/],
  ['refuses a class without codes', 'export class AnyError extends CodedError {', 0, /AnyError/],
  ['refuses a catalogue without a class', 'export const TLS_ERRORS = {\n}', 0, /TLS_ERRORS/],
]
for (const [name, code, count, want] of catalogueCases) {
  test(`findCatalogues() ${name}`, () => {
    const { places, problems } = findCatalogues([readSource('lib/log/errors.ts', code)])
    assert.equal(places.length, count)
    if (want === null) assert.deepEqual(problems, [])
    else assert.match(problems.map(({ message }) => message).join('\n'), want)
  })
}

const place = { path: 'lib/log/errors.ts', className: 'LogError' }
const busy = { smtp: '451 4.3.2', retry: true, meaning: 'Full | busy.' }

test('checkCodes() refuses a code of two catalogues', () => {
  const problems = checkCodes([
    { ...place, constant: 'LOG_ERRORS', codes: { LOG_BUSY: busy } },
    { ...place, constant: 'INDEX_ERRORS', codes: { LOG_BUSY: busy } },
  ])
  assert.match(problems.map(({ message }) => message).join(), /LOG_BUSY is in LOG_ERRORS already/)
})

test('errorReference() writes a row per code and replies in order', () => {
  const page = errorReference(
    [{ ...place, constant: 'LOG_ERRORS', codes: { LOG_BUSY: busy } }],
    [
      { code: 552, text: '5.3.4 The letter is too large' },
      { code: 451, text: '4.3.0 Later' },
    ],
  )
  assert.match(page, /^\| `LOG_BUSY` \| 451 4\.3\.2 \| {2}\| yes \| Full \\\| busy\. \|$/m)
  assert.match(page, /\| 451 \| 4\.3\.0 \| Later \|\n\| 552 \| 5\.3\.4 \| The letter is too large \|\n$/)
})

// biome-ignore lint/suspicious/noTemplateCurlyInString: source text
const MAKER = 'const gauge = (name: string, help: string) => new Gauge({ name: `twinpost_s_${name}`, help })'

const seriesCases: [name: string, code: string, names: string[], problems: RegExp | null][] = [
  [
    'reads name, labels and help',
    `new Counter({ name: 'twinpost_a_total', help: 'A.', labelNames: ['x'] })`,
    ['twinpost_a_total'],
    null,
  ],
  [
    'reads what a maker makes',
    `${MAKER}\ngauge('epoch', 'E.')\ngauge('lsn', "L's.")`,
    ['twinpost_s_epoch', 'twinpost_s_lsn'],
    null,
  ],
  ['refuses a maker that nothing calls', MAKER, [], /gauge/],
  ['refuses a name that it cannot read', 'new Histogram({ name, help })', [], /Histogram/],
  [
    'refuses a series without help',
    `new Gauge({ name: 'twinpost_a' })\nconst x = { help: 'not its help' }`,
    [],
    /Gauge/,
  ],
]
for (const [name, code, names, want] of seriesCases) {
  test(`findSeries() ${name}`, () => {
    const { series, problems } = findSeries([readSource('services/edge/metrics.ts', code)])
    assert.deepEqual(
      series.map((one) => one.name),
      names,
    )
    if (want === null) assert.deepEqual(problems, [])
    else assert.match(problems.map(({ message }) => message).join('\n'), want)
  })
}

test('metricsReference() leaves out no series that the tree names', () => {
  const sources = globSync('{lib,services,operator,cli}/**/*.ts', { cwd: root })
    .filter((path) => !path.endsWith('.test.ts'))
    .map((path) => readSource(path, readFileSync(join(root, path), 'utf8')))
  const page = readFileSync(join(root, 'docs/reference/metrics.md'), 'utf8')
  // Read another way than findSeries() does: any string of our names that is the name of a series.
  for (const { path, strings } of sources) {
    for (const { value } of strings) {
      if (/^twinpost_[a-z_]+_[a-z]+$/.test(value)) assert.ok(page.includes(`\`${value}\``), `${value} of ${path}`)
    }
  }
  assert.ok(metricsReference(findSeries(sources).series, []).includes('twinpost_shard_epoch'))
})
