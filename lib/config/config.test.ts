import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { type ConfigSources, loadConfig } from './config.ts'

const Schema = z.object({
  shardPort: z.int().min(1).max(65_535).default(7100).describe('Port of the shard.'),
  dataDir: z.string(),
  tls: z.boolean().default(true),
  names: z.array(z.string()).default([]),
})

function sources(argv: string[], env: Record<string, string> = {}, files: Record<string, string> = {}): ConfigSources {
  return {
    argv,
    env,
    readFile: (path) => {
      const text = files[path]
      if (text === undefined) throw new Error('ENOENT')
      return text
    },
  }
}

test('loadConfig() lets arguments win over variables, variables over the file, the file over defaults', () => {
  const result = loadConfig(
    'shard',
    Schema,
    sources(
      ['--config', 'a.yaml', '--set', 'dataDir=/c'],
      { TWINPOST_SHARD_PORT: '7200', TWINPOST_NAMES: '["x"]' },
      { 'a.yaml': 'shardPort: 7300\ndataDir: /a\ntls: false\n' },
    ),
  )
  assert.deepEqual(result, { kind: 'config', config: { shardPort: 7200, dataDir: '/c', tls: false, names: ['x'] } })
})

const wrong: [name: string, from: ConfigSources, message: RegExp][] = [
  ['an unknown variable', sources([], { TWINPOST_SHARD_PROT: '1' }), /TWINPOST_SHARD_PROT.*no such setting/],
  ['an unknown key in the file', sources(['--config', 'f'], {}, { f: 'dataDir: /a\nport: 3' }), /port/],
  ['an unknown key in --set', sources(['--set', 'nope=1']), /nope/],
  ['an unknown argument', sources(['--daemon']), /--daemon/],
  ['a number that is none', sources(['--set', 'dataDir=/a'], { TWINPOST_SHARD_PORT: 'many' }), /shardPort/],
  ['a file that is not there', sources(['--config', 'gone.yaml']), /gone\.yaml/],
  ['a missing required key', sources([]), /dataDir/],
]
for (const [name, from, message] of wrong) {
  test(`loadConfig() refuses ${name}`, () => assert.throws(() => loadConfig('shard', Schema, from), { message }))
}

test('loadConfig() prints every setting with its variable and default for --help', () => {
  const result = loadConfig('shard', Schema, sources(['--help']))
  assert.ok(result.kind === 'help')
  assert.match(result.text, /shardPort {2}TWINPOST_SHARD_PORT {2}integer {2}default 7100\n {6}Port of the shard\./)
  assert.match(result.text, /dataDir {2}TWINPOST_DATA_DIR {2}string {2}required/)
})
