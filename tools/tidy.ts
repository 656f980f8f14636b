/**
 * The rules of this tree that no compiler knows: which house imports which, where time and chance may come in, how long a
 * file may be, which packages are used and why. Prints every broken rule and exits with 1 if there is one.
 * Read next: tidy/layers.ts, tidy/bans.ts, tidy/files.ts, tidy/dependencies.ts.
 */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkBans } from './tidy/bans.ts'
import { checkDependencies } from './tidy/dependencies.ts'
import { checkDeadFiles, checkFiles, checkHosts, checkReadmes, type TextFile } from './tidy/files.ts'
import { checkLayers } from './tidy/layers.ts'
import { readSource } from './tidy/source.ts'

const root = join(import.meta.dirname, '..')
const HOUSES = ['lib', 'services', 'operator', 'cli', 'sim', 'e2e', 'bench', 'tools']
const TEXTS = ['*', '.*', '{docs,deploy,crds,.ci,tools,bench,e2e}/**/*.{md,yaml,yml,json,sh,mod,sum,ts}', '.ci/run']

const read = (path: string): TextFile => ({ path, text: readFileSync(join(root, path), 'utf8') })
const glob = (pattern: string | string[]): string[] =>
  globSync(pattern, { cwd: root, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort()

const sources = glob(HOUSES.map((house) => `${house}/**/*.ts`)).map((path) => readSource(path, read(path).text))
const readmes = glob(HOUSES.map((house) => `${house}/**/README.md`)).map(read)
const manifest: unknown = JSON.parse(read('package.json').text)
const register = 'docs/dependencies.md'

const problems = [
  ...checkLayers(sources),
  ...checkBans(sources),
  ...checkFiles(sources),
  ...checkReadmes(sources, readmes),
  ...checkDeadFiles(sources),
  ...checkHosts(glob(TEXTS).map(read)),
  ...checkDependencies(
    sources,
    { dependencies: namesIn(manifest, 'dependencies'), devDependencies: namesIn(manifest, 'devDependencies') },
    existsSync(join(root, register)) ? read(register).text : '',
  ),
]
for (const { path, line, message } of problems) console.error(`${path}:${line}: ${message}`)
if (problems.length > 0) {
  console.error(`tidy: ${problems.length} broken rules`)
  process.exitCode = 1
}

function namesIn(value: unknown, key: string): string[] {
  if (typeof value !== 'object' || value === null || !(key in value)) return []
  const record: unknown = Object.entries(value).find(([name]) => name === key)?.[1]
  return typeof record === 'object' && record !== null ? Object.keys(record) : []
}
