/**
 * Writes crds/*.yaml, their form in charts/twinpost and docs/reference/crds.md from the zod schemas of operator/api. With `--check` it writes nothing and
 * fails if a file differs from what it would write, or if one lies there that no kind makes.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { customResourceDefinition } from '#operator/api/crd.ts'
import { KINDS } from '#operator/api/mod.ts'
import { crdReference } from '#operator/api/reference.ts'
import { crdTemplate } from './chart/crd-template.ts'
import { settleGeneratedFiles } from './reference/generated-files.ts'

const root = join(import.meta.dirname, '..')
const HEADER = '# Generated from operator/api by `make generate`. Do not edit.\n'

const files = new Map<string, string>([['docs/reference/crds.md', crdReference(KINDS)]])
for (const kind of KINDS) {
  const yaml = stringify(customResourceDefinition(kind), { lineWidth: 120, aliasDuplicateObjects: false })
  files.set(`crds/${kind.plural}.yaml`, HEADER + yaml)
  files.set(`charts/twinpost/templates/crds/${kind.plural}.yaml`, HEADER + crdTemplate(yaml))
}

for (const name of readdirSync(join(root, 'crds'))) {
  if (name.endsWith('.yaml') && !files.has(`crds/${name}`)) {
    console.error(`crds/${name}: no kind makes this file: remove it`)
    process.exitCode = 1
  }
}
settleGeneratedFiles(root, files, 'operator/api', process.argv.includes('--check'))
