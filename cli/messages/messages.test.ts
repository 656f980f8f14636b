import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { CATALOGUES, chooseLanguage, speaker } from './mod.ts'

const placeholders = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort()

test('every language has the same keys as English, none empty', () => {
  const keys = Object.keys(CATALOGUES.en).sort()
  for (const [language, catalogue] of Object.entries(CATALOGUES)) {
    assert.deepEqual(Object.keys(catalogue).sort(), keys, language)
    for (const [key, text] of Object.entries(catalogue)) assert.notEqual(text.trim(), '', `${language} ${key}`)
  }
})

test('every language fills in the same values as English', () => {
  const { en, ...others } = CATALOGUES
  for (const [language, catalogue] of Object.entries(others)) {
    for (const [key, text] of Object.entries(en)) {
      const translated = Object.entries(catalogue).find(([name]) => name === key)?.[1] ?? ''
      assert.deepEqual(placeholders(translated), placeholders(text), `${language} ${key}`)
    }
  }
})

test('every key is used by a command', () => {
  const folder = join(import.meta.dirname, '..')
  const code = globSync('{*,commands/*,mail/*}.ts', { cwd: folder })
    .map((path) => readFileSync(join(folder, path), 'utf8'))
    .join()
  for (const key of Object.keys(CATALOGUES.en)) assert.ok(code.includes(`'${key}'`), key)
})

test('the usage texts name the same commands and options', () => {
  const words = (text: string) => [...text.matchAll(/(?:^|\s)(--[a-z]+|-[a-z](?=,))/g)].map((match) => match[1])
  assert.deepEqual(words(CATALOGUES['zh-CN'].usage), words(CATALOGUES.en.usage))
})

const choices: [name: string, wished: string | undefined, env: Record<string, string>, want: string | null][] = [
  ['follows LANG', undefined, { LANG: 'zh_CN.UTF-8' }, 'zh-CN'],
  ['lets LC_ALL win', undefined, { LANG: 'zh_CN.UTF-8', LC_ALL: 'C' }, 'en'],
  ['lets --lang win', 'zh-CN', { LANG: 'C' }, 'zh-CN'],
  ['takes English without a locale', undefined, {}, 'en'],
  ['skips an empty LC_ALL', undefined, { LC_ALL: '', LANG: 'zh_TW' }, 'zh-CN'],
  ['refuses a language it does not have', 'de', {}, null],
]
for (const [name, wished, env, want] of choices) {
  test(`chooseLanguage() ${name}`, () => assert.equal(chooseLanguage(wished, env), want))
}

test('speaker() fills in values and leaves unknown ones visible', () => {
  const say = speaker('en')
  assert.equal(say('waitingFor', { what: 'x' }), 'still waiting for x')
  assert.equal(say('waitingFor'), 'still waiting for {what}')
})
