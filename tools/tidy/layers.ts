/**
 * Which house may import which (docs/architecture.md, "The houses"). Paths are relative to the repository with `/`.
 * Tests may reach across houses; what runs in production may not. `sim` and `e2e` are tests as a whole: they may use what is made
 * for tests.
 */
import { posix } from 'node:path'
import { importsOf, lineOf, type SourceText } from './source.ts'

export interface Problem {
  readonly path: string
  readonly line: number
  readonly message: string
}

/** Files that only tests load: they may import what tests may. */
export function isTest(path: string): boolean {
  return /\.test\.ts$|\.fixture\.ts$|(^|\/)testing(\/|\.ts$)/.test(path)
}

/** A program for the people who work on the tree: its opening comment says how to run it, as `node <its path>`. */
export function isTool(source: SourceText): boolean {
  const opening = /^\/\*\*[\s\S]*?\*\//.exec(source.text)?.[0] ?? ''
  return (
    opening.includes(`node ${source.path}`) &&
    !/(^|-)main\.ts$/.test(source.path.slice(source.path.lastIndexOf('/') + 1))
  )
}

/** `lib`, `services/edge`, `operator`, `cli`, ...: the unit whose imports are ruled. */
export function houseOf(path: string): string {
  const [top = '', second = ''] = path.split('/')
  return top === 'services' ? `services/${second}` : top
}

/** Per house the path prefixes it may import, itself apart. */
function allowedPrefixes(house: string): readonly string[] {
  if (house.startsWith('services/')) return ['lib/']
  switch (house) {
    case 'operator':
      return ['lib/']
    case 'cli':
    case 'tools':
    case 'e2e':
    case 'bench':
      return ['lib/', 'operator/api/']
    case 'sim':
      return ['lib/', 'services/shard/']
    default:
      return []
  }
}

export const ALIASES: Readonly<Record<string, string>> = {
  '#lib/': 'lib/',
  '#shard/': 'services/shard/',
  '#edge/': 'services/edge/',
  '#operator/': 'operator/',
  '#sim/': 'sim/',
}

/** The repository path that a specifier names from `importer`, or null for a package or a module of Node. */
export function resolveSpecifier(importer: string, specifier: string): string | null {
  if (specifier.startsWith('.')) return posix.join(posix.dirname(importer), specifier)
  for (const [alias, folder] of Object.entries(ALIASES)) {
    if (specifier.startsWith(alias)) return folder + specifier.slice(alias.length)
  }
  return null
}

/** Rooms of `lib` that are protocol logic: bytes in, bytes out, no I/O (EXAMPLES section 7). */
export const PURE_ROOMS: readonly string[] = [
  'imap',
  'pop3',
  'smtp',
  'sieve',
  'milter',
  'sasl',
  'mime',
  'mail',
  'bytes',
  'frames',
  'letter',
  'ports',
  'errors',
].map((room) => `lib/${room}/`)
const IMPURE_MODULES =
  /^node:(fs|net|http|https|http2|tls|dgram|dns|sqlite|timers|child_process|worker_threads|cluster|readline|os)(\/|$)/

/** Packages that only one part of the tree may use, with the reason. */
const PACKAGE_HOMES: Readonly<Record<string, { readonly prefixes: readonly string[]; readonly reason: string }>> = {
  ldapjs: {
    prefixes: ['services/directory/'],
    reason: 'it is decommissioned upstream: only the embedded directory uses it',
  },
  pino: { prefixes: ['lib/log/'], reason: 'one place decides what a log line is' },
  'prom-client': { prefixes: ['lib/metrics/'], reason: 'one place names the series' },
}

export function checkLayers(sources: readonly SourceText[]): Problem[] {
  const problems: Problem[] = []
  for (const source of sources) {
    if (isTest(source.path) || isTool(source)) continue
    const house = houseOf(source.path)
    for (const { specifier, typeOnly, offset } of importsOf(source)) {
      const report = (message: string) =>
        problems.push({ path: source.path, line: lineOf(source.text, offset), message })
      const target = resolveSpecifier(source.path, specifier)
      if (target === null) {
        const home = PACKAGE_HOMES[packageOf(specifier)]
        if (home && !home.prefixes.some((prefix) => source.path.startsWith(prefix))) {
          report(`Cannot import ${specifier} here: ${home.reason}`)
        }
        if (!typeOnly && IMPURE_MODULES.test(specifier) && PURE_ROOMS.some((room) => source.path.startsWith(room))) {
          report(`Cannot import ${specifier} here: protocol logic does no I/O, it comes in through a port`)
        }
        continue
      }
      if (target.startsWith('../')) report(`Cannot import ${specifier}: it lies outside the repository`)
      else if (isTest(target) && house !== 'sim' && house !== 'e2e')
        report(`Cannot import ${specifier}: production code does not import what is for tests`)
      else if (houseOf(target) !== house && !allowedPrefixes(house).some((prefix) => target.startsWith(prefix))) {
        report(`Cannot import ${target}: ${house} may import ${['itself', ...allowedPrefixes(house)].join(', ')}`)
      } else if (houseOf(target) !== house && specifier.startsWith('.')) {
        report(`Cannot import ${specifier}: between houses use the alias (#lib/..., #shard/...)`)
      }
    }
  }
  return problems
}

/** `@nats-io/jetstream/internal` is `@nats-io/jetstream`. */
export function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}
