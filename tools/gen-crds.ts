/**
 * Writes crds/*.yaml and docs/reference/crds.md from the zod schemas of operator/api. With `--check` it writes nothing and
 * fails if a file differs from what it would write, or if one lies there that no kind makes.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { stringify } from 'yaml'
import { customResourceDefinition } from '#operator/api/crd.ts'
import { KINDS } from '#operator/api/mod.ts'
import { crdReference } from '#operator/api/reference.ts'

const root = join(import.meta.dirname, '..')
const HEADER = '# Generated from operator/api by `make generate`. Do not edit.\n'

const files = new Map<string, string>([['docs/reference/crds.md', crdReference(KINDS)]])
for (const kind of KINDS) {
  const yaml = stringify(customResourceDefinition(kind), { lineWidth: 120, aliasDuplicateObjects: false })
  files.set(`crds/${kind.plural}.yaml`, HEADER + yaml)
}

const check = process.argv.includes('--check')
const wrong: string[] = []
for (const [path, text] of files) {
  if (readOrEmpty(path) === text) continue
  wrong.push(path)
  if (check) continue
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}
for (const name of readdirSync(join(root, 'crds'))) {
  if (name.endsWith('.yaml') && !files.has(`crds/${name}`)) {
    console.error(`crds/${name}: no kind makes this file: remove it`)
    process.exitCode = 1
  }
}
for (const path of wrong)
  console.error(check ? `${path}: differs from operator/api: run make generate` : `wrote ${path}`)
if (check && wrong.length > 0) process.exitCode = 1

function readOrEmpty(path: string): string {
  try {
    return readFileSync(join(root, path), 'utf8')
  } catch {
    return ''
  }
}
