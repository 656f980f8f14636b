import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressWord, bytesWord, wordsOf } from './administered.ts'
import { parseCommandLine } from './arguments.ts'
import { type CommandContext, CommandFailure } from './context.ts'
import { speaker } from './messages/mod.ts'

function contextOf(...words: string[]): CommandContext {
  const line = parseCommandLine(['status'])
  assert.ok(line.kind === 'command')
  const unused = () => assert.fail('nothing is printed')
  const layout = {} as CommandContext['layout'] // not looked at
  return { words, options: line.options, layout, sourceDir: '', say: speaker('en'), print: unused, complain: unused }
}

const sizes: [text: string, want: number | null | undefined][] = [
  ['0', 0],
  ['1024', 1024],
  ['1k', 1024],
  ['500M', 500 * 1024 ** 2],
  ['2GiB', 2 * 1024 ** 3],
  ['1tb', 1024 ** 4],
  ['none', null],
  ['NONE', null],
  ['', undefined],
  ['-1', undefined],
  ['1.5G', undefined],
  ['much', undefined],
  ['999999999999999T', undefined],
]
for (const [text, want] of sizes) test(`bytesWord(${text})`, () => assert.equal(bytesWord(text), want))

test('wordsOf() takes as many words as a command has names for', () => {
  assert.deepEqual(wordsOf(contextOf('a', 'b'), 'c', 'A', 'B'), ['a', 'b'])
  assert.deepEqual(wordsOf(contextOf('a', 'b', 'd'), 'c', 'A', 'B...'), ['a', 'b', 'd'])
  assert.deepEqual(wordsOf(contextOf('a'), 'c', 'A', '[B...]'), ['a'])
  for (const wrong of [[], ['a'], ['a', 'b', 'd']])
    assert.throws(() => wordsOf(contextOf(...wrong), 'c', 'A', 'B'), CommandFailure)
  assert.throws(() => wordsOf(contextOf('a'), 'c', 'A', 'B...'), CommandFailure)
})

test('addressWord() brings an address to its one form, or refuses it', () => {
  assert.equal(addressWord(contextOf(), 'Anna@Bücher.example'), 'anna@xn--bcher-kva.example')
  for (const wrong of [undefined, 'anna', 'a+b@c.example'])
    assert.throws(() => addressWord(contextOf(), wrong), CommandFailure)
})
