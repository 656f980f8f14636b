import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkBans } from './bans.ts'
import { checkDependencies } from './dependencies.ts'
import { checkDeadFiles, checkFiles, checkHosts, checkReadmes } from './files.ts'
import { checkLayers, type Problem } from './layers.ts'
import { importsOf, readSource } from './source.ts'

const messages = (problems: readonly Problem[]) =>
  problems.map(({ path, line, message }) => `${path}:${line}: ${message}`)

const layerCases: [name: string, path: string, code: string, want: RegExp | null][] = [
  ['lets a service import lib', 'services/edge/a.ts', `import { a } from '#lib/errors/assert.ts'`, null],
  [
    'keeps a service from another service',
    'services/edge/a.ts',
    `import { b } from '#shard/log/log.ts'`,
    /services\/edge may import/,
  ],
  [
    'sees through a relative path',
    'services/edge/a.ts',
    `import { b } from '../shard/log.ts'`,
    /services\/edge may import/,
  ],
  [
    'sees a type-only import',
    'services/edge/a.ts',
    `import type { B } from '#shard/log/log.ts'`,
    /services\/edge may import/,
  ],
  ['sees a re-export', 'lib/imap/mod.ts', `export { b } from '#shard/log/log.ts'`, /lib may import itself/],
  ['sees an import() call', 'lib/log/a.ts', `const x = await import('#operator/main.ts')`, /lib may import itself/],
  [
    'sees an import over several lines',
    'lib/log/a.ts',
    `import {\n  a,\n  type B,\n} from '#edge/x.ts'`,
    /lib may import itself/,
  ],
  [
    'keeps the operator from services',
    'operator/main.ts',
    `import { b } from '#shard/log/log.ts'`,
    /operator may import/,
  ],
  ['lets the command line import schemas', 'cli/main.ts', `import { b } from '#operator/api/mail-node.ts'`, null],
  [
    'keeps the command line from controllers',
    'cli/main.ts',
    `import { b } from '#operator/controllers/mailnode/build.ts'`,
    /cli may import/,
  ],
  ['lets the simulator import the shard', 'sim/world.ts', `import { b } from '#shard/log/log.ts'`, null],
  [
    'lets end-to-end support use what is for tests',
    'e2e/support/a.ts',
    `import { b } from '#lib/a/testing/b.ts'`,
    null,
  ],
  [
    'keeps production code from what is for tests',
    'lib/a/a.ts',
    `import { b } from '#lib/a/testing/b.ts'`,
    /for tests/,
  ],
  ['keeps the simulator from the edge', 'sim/world.ts', `import { b } from '#edge/main.ts'`, /sim may import/],
  ['lets a test import the simulator', 'services/shard/a.test.ts', `import { b } from '#sim/disk.ts'`, null],
  ['keeps production code from the simulator', 'services/shard/a.ts', `import { b } from '#sim/disk.ts'`, /may import/],
  ['keeps production code from fixtures', 'lib/pop3/a.ts', `import { b } from './testing/client.ts'`, /is for tests/],
  [
    'wants the alias between houses',
    'services/edge/a.ts',
    `import { a } from '../../lib/errors/assert.ts'`,
    /use the alias/,
  ],
  [
    'keeps files out of protocol logic',
    'lib/imap/a.ts',
    `import { readFileSync } from 'node:fs'`,
    /protocol logic does no I\/O/,
  ],
  [
    'keeps sockets out of protocol logic',
    'lib/smtp/a.ts',
    `import { connect } from 'node:net'`,
    /protocol logic does no I\/O/,
  ],
  [
    'keeps HTTP/2 out of protocol logic',
    'lib/frames/a.ts',
    `import { connect } from 'node:http2'`,
    /protocol logic does no I\/O/,
  ],
  ['lets protocol logic name the type of a socket', 'lib/smtp/a.ts', `import type { Socket } from 'node:net'`, null],
  ['lets protocol logic hash', 'lib/sasl/a.ts', `import { createHash } from 'node:crypto'`, null],
  ['keeps ldapjs in the directory', 'services/edge/a.ts', `import ldap from 'ldapjs'`, /decommissioned/],
  ['is not fooled by a comment', 'lib/imap/a.ts', `// import { a } from 'node:fs'\n/* from 'node:net' */`, null],
  ['is not fooled by a string', 'lib/imap/a.ts', 'const a = "import { x } from \'node:fs\'"', null],
]
for (const [name, path, code, want] of layerCases) {
  test(`checkLayers() ${name}`, () => {
    const found = messages(checkLayers([readSource(path, code)]))
    if (want === null) assert.deepEqual(found, [])
    else {
      assert.equal(found.length, 1)
      assert.match(found[0] ?? '', want)
    }
  })
}

const banCases: [name: string, path: string, code: string, want: RegExp | null][] = [
  [
    'finds Date.now with its line',
    'services/shard/a.ts',
    'let a\nlet b = Date.now()',
    /a\.ts:2: Cannot call Date\.now/,
  ],
  ['finds Date.now handed on without a call', 'lib/imap/a.ts', 'const clock = Date.now', /Date\.now/],
  ['finds new Date()', 'lib/imap/a.ts', 'new Date( )', /new Date\(\)/],
  ['lets a date be made from a number', 'lib/imap/a.ts', 'new Date(5)', null],
  ['finds Math.random', 'operator/a.ts', 'Math.random()', /Math\.random/],
  ['finds setTimeout', 'services/edge/a.ts', 'setTimeout(f, 5)', /setTimeout/],
  ['finds code inside a template', 'services/edge/a.ts', 'log(`at $' + '{Date.now()}`)', /Date\.now/],
  ['lets a method be called setTimeout', 'services/edge/a.ts', 'socket.setTimeout(5)', null],
  ['lets the platform read the clock', 'lib/platform/a.ts', 'Date.now()', null],
  ['lets tests read the clock', 'lib/imap/a.test.ts', 'Date.now()', null],
  [
    'reads past a regular expression with a quote',
    'lib/imap/a.ts',
    `const r = /['"]/\nMath.random()`,
    /a\.ts:2: .*Math\.random/,
  ],
  ['reads past a division', 'lib/imap/a.ts', 'const r = a / b / Math.random()', /Math\.random/],
  ['is not fooled by a comment', 'lib/imap/a.ts', '/* Date.now() */ // Math.random()', null],
  ['is not fooled by a string', 'lib/imap/a.ts', `'Date.now()'`, null],
  ['finds a test that stands alone', 'lib/imap/a.test.ts', `test.only('x', f)`, /Cannot keep test\.only/],
  ['finds a test that is switched off', 'lib/imap/a.test.ts', `test('x', { skip: true }, f)`, /Cannot keep skip: true/],
  [
    'lets a test be skipped for a reason found at run time',
    'lib/imap/a.test.ts',
    `test('x', { skip: reason }, f)`,
    null,
  ],
]
for (const [name, path, code, want] of banCases) {
  test(`checkBans() ${name}`, () => {
    const found = messages(checkBans([readSource(path, code)], []))
    if (want === null) assert.deepEqual(found, [])
    else {
      assert.equal(found.length, 1)
      assert.match(found[0] ?? '', want)
    }
  })
}

test('checkBans() takes a named exception and wants it to be needed', () => {
  const exception = { path: 'lib/log/a.ts', ban: 'Date.now', reason: 'log lines' }
  const source = readSource('lib/log/a.ts', 'Date.now()')
  assert.deepEqual(checkBans([source], [exception]), [])
  assert.match(messages(checkBans([readSource('lib/log/a.ts', '')], [exception]))[0] ?? '', /not needed/)
})

test('importsOf() tells types from values', () => {
  const code = `import { type A, type B } from 'a'\nimport { type A, b } from 'b'\nimport type C from 'c'\nimport 'd'`
  assert.deepEqual(
    importsOf(readSource('x.ts', code)).map(({ specifier, typeOnly }) => [specifier, typeOnly]),
    [
      ['a', true],
      ['b', false],
      ['c', true],
      ['d', false],
    ],
  )
})

test('checkFiles() finds long files, vague names and files that do not say what they are for', () => {
  const long = readSource('lib/a/long.ts', `/** Long. */\n${'\n'.repeat(600)}`)
  const vague = readSource('lib/a/utils.ts', '/** What. */')
  const silent = readSource('lib/a/silent.ts', 'export const a = 1')
  const camel = readSource('lib/a/camelCase.ts', '/** Camel. */')
  assert.deepEqual(
    checkFiles([long, vague, silent, camel]).map(({ path }) => path),
    ['lib/a/long.ts', 'lib/a/utils.ts', 'lib/a/silent.ts', 'lib/a/camelCase.ts'],
  )
})

test('checkReadmes() wants a README for a room of weight and keeps it short', () => {
  const room = ['a', 'b', 'c', 'd', 'e'].map((name) => readSource(`lib/room/${name}.ts`, ''))
  assert.match(messages(checkReadmes(room, []))[0] ?? '', /lib\/room:1: .*no README/)
  assert.deepEqual(checkReadmes(room, [{ path: 'lib/room/README.md', text: '# room\n' }]), [])
  assert.match(
    messages(checkReadmes([], [{ path: 'lib/x/README.md', text: 'line\n'.repeat(41) }]))[0] ?? '',
    /41 lines/,
  )
})

test('checkDeadFiles() finds what no program reaches, follows workers, and tells when only tests use it', () => {
  const sources = [
    readSource('services/edge/main.ts', `import './used.ts'\nnew Worker(new URL('./worker.ts', import.meta.url))`),
    readSource('services/edge/used.ts', ''),
    readSource('services/edge/worker.ts', ''),
    readSource('services/edge/dead.ts', ''),
    readSource('services/edge/tested.ts', ''),
    readSource('services/edge/testing/client.ts', ''),
    readSource('services/edge/tested.test.ts', `import './tested.ts'\nimport './testing/client.ts'`),
  ]
  assert.deepEqual(messages(checkDeadFiles(sources)), [
    'services/edge/dead.ts:1: Nothing uses this file',
    'services/edge/tested.ts:1: Only tests use this file',
  ])
})

test('checkDeadFiles() follows a string that names a folder, and a tool whose comment says how to run it', () => {
  const byName = 'await import(`./mutants/$' + '{name}.ts`)'
  const sources = [
    readSource('sim/main.ts', byName),
    readSource('sim/mutants/a.ts', ''),
    readSource('services/shard/log/make.ts', "/** Makes it: `node services/shard/log/make.ts`. */\nimport './made.ts'"),
    readSource('services/shard/log/made.ts', ''),
  ]
  assert.deepEqual(messages(checkDeadFiles(sources)), [])
})

test('checkHosts() finds the host of a package registry', () => {
  const host = ['registry', 'npmjs', 'org'].join('.')
  const found = checkHosts([{ path: 'a.md', text: `first\nhttps://${host}/x` }])
  assert.deepEqual(messages(found), [
    `a.md:2: Cannot name the registry host ${host}: the machine's own settings choose it`,
  ])
})

const ASKED = [
  '| `@kubernetes/client-node` | not yet used: comes with the Kubernetes adapter |',
  '| `smtp-server` | the SMTP server of the edge |',
  '| `imapflow` | not used in production: real client in tests |',
  '| `mailparser` | not used: nothing needs a parsed view yet |',
  '| `ldapjs` | LDAP server of the embedded directory |',
  '| `@nats-io/nats-core` | client of NATS, its core part |',
  '| `@nats-io/jetstream` | client of NATS JetStream |',
  '| `@nats-io/transport-node` | client of NATS, its TCP transport |',
  '| `prom-client` | metrics in the Prometheus format |',
  '| `pino` | structured logs, one line each |',
]
const importing = readSource(
  'services/edge/main.ts',
  [
    'smtp-server',
    'ldapjs',
    '@nats-io/nats-core',
    '@nats-io/jetstream',
    '@nats-io/transport-node',
    'prom-client',
    'pino',
  ]
    .map((name) => `import '${name}'`)
    .join('\n'),
)
const manifest = {
  dependencies: [
    'smtp-server',
    'ldapjs',
    '@nats-io/nats-core',
    '@nats-io/jetstream',
    '@nats-io/transport-node',
    'prom-client',
    'pino',
    'imapflow',
    'mailparser',
  ],
  devDependencies: [],
}

test('checkDependencies() is content when manifest, register and imports agree', () =>
  assert.deepEqual(checkDependencies([importing], manifest, ASKED.join('\n')), []))

test('checkDependencies() finds a dependency without a reason', () => {
  const found = checkDependencies([importing], { ...manifest, devDependencies: ['left-pad'] }, ASKED.join('\n'))
  assert.match(messages(found)[0] ?? '', /Says nothing about the dependency left-pad/)
})

test('checkDependencies() finds an asked package that is neither imported nor explained', () => {
  const register = ASKED.map((line) =>
    line.includes('mailparser') ? '| `mailparser` | parses letters into parts |' : line,
  )
  const found = checkDependencies([importing], manifest, register.join('\n'))
  assert.match(messages(found)[0] ?? '', /mailparser has no import in production code/)
})

test('checkDependencies() finds an undeclared import and a name that package.json lacks', () => {
  const undeclared = readSource('services/edge/x.ts', `import 'zod/v4'`)
  const register = [...ASKED, '| `gone` | was here some releases ago |'].join('\n')
  const found = messages(checkDependencies([importing, undeclared], manifest, register))
  assert.equal(found.length, 3)
  assert.match(found.join('\n'), /Names gone[\s\S]*Imports zod[\s\S]*Does not declare zod/)
})
