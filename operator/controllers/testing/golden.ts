/** Compares rendered objects with a YAML file that people review; `UPDATE=1` rewrites the file. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { stringify } from 'yaml'

export function assertGolden(path: string, objects: readonly unknown[]): void {
  const text = objects
    .map((object) => stringify(object, { lineWidth: 120, aliasDuplicateObjects: false }))
    .join('---\n')
  assertGoldenText(path, text)
}

export function assertGoldenText(path: string, text: string): void {
  if (process.env['UPDATE'] === '1') {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    return
  }
  assert.ok(existsSync(path), `${path} is missing: run with UPDATE=1 and review it`)
  assert.equal(text, readFileSync(path, 'utf8'))
}
