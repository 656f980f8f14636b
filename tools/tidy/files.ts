/**
 * Rules about whole files: their length, their name, their opening comment, READMEs of rooms, files that nothing uses, and
 * hosts of package registries (a clone must work with whatever registry its machine is set up for).
 */
import { isTest, isTool, type Problem, resolveSpecifier } from './layers.ts'
import { importsOf, type SourceText } from './source.ts'

const FILE_LINES_MAX = 600 // aim at 250, look hard at 400; beyond this nobody reads a file as a whole
const README_LINES_MAX = 40
/** From so many production files on a room needs a README. */
const ROOM_FILES_WITHOUT_README = 4
const VAGUE_NAMES = /(^|\/)(utils?|helpers?|misc|common|shared)\.ts$/
const REGISTRY_HOSTS = [
  ['registry', 'npmjs', 'org'],
  ['registry', 'yarnpkg', 'com'],
  ['npmmirror', 'com'],
  ['pypi', 'org'],
  ['pythonhosted', 'org'],
  ['proxy', 'golang', 'org'],
].map((labels) => labels.join('.'))

export interface TextFile {
  readonly path: string
  readonly text: string
}

export function checkFiles(sources: readonly SourceText[]): Problem[] {
  const problems: Problem[] = []
  for (const { path, text } of sources) {
    const lines = text.split('\n').length
    if (!isTest(path) && lines > FILE_LINES_MAX) {
      problems.push({ path, line: FILE_LINES_MAX, message: `File has ${lines} lines: at most ${FILE_LINES_MAX}` })
    }
    if (VAGUE_NAMES.test(path))
      problems.push({ path, line: 1, message: 'Name says nothing: call the file after what it holds' })
    if (!/^[a-z0-9][a-z0-9.-]*\.ts$/.test(path.slice(path.lastIndexOf('/') + 1))) {
      problems.push({ path, line: 1, message: 'File names are kebab-case' })
    }
    if (!isTest(path) && !/\/\*\*/.test(text.slice(0, /^export /m.exec(text)?.index ?? text.length))) {
      problems.push({ path, line: 1, message: 'No comment before the first export says what the file is for' })
    }
  }
  return problems
}

/** The folders that must have a README if they have weight: `lib/<room>`, services and their rooms, every other house. */
function roomsOf(path: string): string[] {
  const parts = path.split('/')
  const [top = '', second = ''] = parts
  if (top === 'lib') return [`lib/${second}`]
  if (top !== 'services') return [top]
  return parts.length > 3 ? [`services/${second}`, parts.slice(0, 3).join('/')] : [`services/${second}`]
}

/** @param readmes All README.md of the repository but the one at its top. */
export function checkReadmes(sources: readonly SourceText[], readmes: readonly TextFile[]): Problem[] {
  const problems: Problem[] = []
  for (const { path, text } of readmes) {
    const lines = text.trimEnd().split('\n').length
    if (lines > README_LINES_MAX) {
      problems.push({ path, line: README_LINES_MAX, message: `README has ${lines} lines: at most ${README_LINES_MAX}` })
    }
  }
  const sizes = new Map<string, number>()
  for (const { path } of sources) {
    for (const room of isTest(path) ? [] : roomsOf(path)) sizes.set(room, (sizes.get(room) ?? 0) + 1)
  }
  for (const [room, files] of sizes) {
    if (files > ROOM_FILES_WITHOUT_README && !readmes.some(({ path }) => path === `${room}/README.md`)) {
      problems.push({ path: room, line: 1, message: `Room of ${files} files has no README.md` })
    }
  }
  return problems
}

/** Files that no program here reaches and that stay all the same, each with its reason. */
export const KEPT: readonly { readonly path: string; readonly reason: string }[] = [
  { path: 'lib/ldap/contract.ts', reason: 'the suite that the tests of every directory server run' },
  { path: 'lib/ldap/contract-changes.ts', reason: 'the second part of that suite' },
]

const FILE_NAMED = /^(\.\.?\/|#)\S*\.ts$/
const FOLDER_NAMED = /^(\.\.?\/)+([a-z0-9-]+\/)+$/

/** Programs that something outside of TypeScript starts: containers, the command line, make. */
function isEntry(source: SourceText): boolean {
  const { path } = source
  const named =
    /(^|\/)([a-z0-9-]+-)?main\.ts$/.test(path) || /^tools\/[^/]+\.ts$/.test(path) || /^(e2e|bench)\//.test(path)
  return named || isTool(source) || KEPT.some((kept) => kept.path === path)
}

/**
 * Files that no program reaches. A file counts as reached by an import or by a string that names it (workers are started
 * by URL; a string that names a folder, as `./mutants/${name}.ts` does, reaches all of it). Files for tests count as reached by tests; production code that only tests reach does not count.
 */
export function checkDeadFiles(sources: readonly SourceText[]): Problem[] {
  const byPath = new Map(sources.map((source) => [source.path, source]))
  const paths = [...byPath.keys()]
  const reach = (starts: readonly string[]) => {
    const seen = new Set<string>()
    const open = [...starts]
    for (let path = open.pop(); path !== undefined; path = open.pop()) {
      const source = byPath.get(path)
      if (!source || seen.has(path)) continue
      seen.add(path)
      for (const specifier of referencesOf(source)) {
        const target = resolveSpecifier(path, specifier)
        if (target?.endsWith('/')) open.push(...paths.filter((other) => other.startsWith(target)))
        else if (target) open.push(target)
      }
    }
    return seen
  }
  const entries = sources.filter((source) => isEntry(source) && !isTest(source.path))
  const production = reach(entries.map((source) => source.path))
  const tests = reach(paths.filter((path) => path.endsWith('.test.ts')))
  return paths
    .filter((path) => !path.endsWith('.test.ts') && !production.has(path) && !(isTest(path) && tests.has(path)))
    .map((path) => ({
      path,
      line: 1,
      message: tests.has(path) ? 'Only tests use this file' : 'Nothing uses this file',
    }))
}

function referencesOf(source: SourceText): string[] {
  const named = source.strings
    .map(({ value }) => value)
    .filter((value) => FILE_NAMED.test(value) || FOLDER_NAMED.test(value))
  return [...importsOf(source).map((found) => found.specifier), ...named]
}

export function checkHosts(files: readonly TextFile[]): Problem[] {
  return files.flatMap(({ path, text }) =>
    REGISTRY_HOSTS.filter((host) => text.includes(host)).map((host) => ({
      path,
      line: text.slice(0, text.indexOf(host)).split('\n').length,
      message: `Cannot name the registry host ${host}: the machine's own settings choose it`,
    })),
  )
}
