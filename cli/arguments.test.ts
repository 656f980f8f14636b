import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCommandLine } from './arguments.ts'

const helps: [name: string, argv: string[]][] = [
  ['no words', []],
  ['--help', ['status', '--help']],
  ['-h', ['-h']],
  ['help', ['help', '--lang', 'zh-CN']],
]
for (const [name, argv] of helps) {
  test(`parseCommandLine() takes ${name} as a wish for help`, () => assert.equal(parseCommandLine(argv).kind, 'help'))
}

const mistakes: [name: string, argv: string[], names: RegExp][] = [
  ['an unknown option', ['status', '--frob'], /--frob/],
  ['an option without its value', ['logs', '--lines'], /--lines/],
  ['a format that is none', ['status', '-o', 'xml'], /xml/],
  ['a number that is none', ['logs', '-n', 'many'], /many/],
  ['a member that is none', ['promote', '--member', '2'], /--member 2/],
  ['a negative number', ['logs', '--lines=-5'], /-5/],
]
for (const [name, argv, names] of mistakes) {
  test(`parseCommandLine() names ${name}`, () => {
    const found = parseCommandLine(argv)
    assert.equal(found.kind, 'mistake')
    assert.match(found.kind === 'mistake' ? found.problem : '', names)
  })
}

test('parseCommandLine() separates words and options in any order', () => {
  const found = parseCommandLine(['-o', 'json', 'account', '--quota', '100', 'list', '--lang', 'en'])
  assert.equal(found.kind, 'command')
  assert.deepEqual(found.kind === 'command' ? found.words : null, ['account', 'list'])
  assert.deepEqual(found.kind === 'command' ? [found.options.output, found.options.quotaBytes, found.lang] : null, [
    'json',
    100,
    'en',
  ])
})
