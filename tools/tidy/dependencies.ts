/**
 * Every dependency is known by name and reason: package.json, docs/dependencies.md and the imports agree. The packages that
 * the project was asked to build on each have an import in production code, or docs/dependencies.md says why not.
 */
import { isTest, type Problem, packageOf, resolveSpecifier } from './layers.ts'
import { importsOf, type SourceText } from './source.ts'

/** The packages the project was asked to build on; `nats` came out as @nats-io/* in its third version. */
export const ASKED_PACKAGES: readonly string[] = [
  '@kubernetes/client-node',
  'smtp-server',
  'imapflow',
  'mailparser',
  'ldapjs',
  '@nats-io/nats-core',
  '@nats-io/jetstream',
  '@nats-io/transport-node',
  'prom-client',
  'pino',
]
/** Scripts that are run by hand and print figures. */
const MEASURING = /\/measure\//
const REGISTER = 'docs/dependencies.md'
const REASON_CHARACTERS_MIN = 20
const PRODUCTION = /^(lib|services|operator|cli)\//

export interface PackageManifest {
  readonly dependencies: readonly string[]
  readonly devDependencies: readonly string[]
}

export function checkDependencies(
  sources: readonly SourceText[],
  manifest: PackageManifest,
  register: string,
): Problem[] {
  const problems: Problem[] = []
  const report = (path: string, message: string) => problems.push({ path, line: 1, message })
  const production = new Map<string, string>()
  const anywhere = new Set<string>()
  for (const source of sources) {
    for (const { specifier } of importsOf(source)) {
      if (specifier.startsWith('node:') || resolveSpecifier(source.path, specifier) !== null) continue
      const name = packageOf(specifier)
      anywhere.add(name)
      if (PRODUCTION.test(source.path) && !isTest(source.path) && !MEASURING.test(source.path))
        production.set(name, source.path)
    }
  }
  const reasons = reasonsOf(register)
  const declared = [...manifest.dependencies, ...manifest.devDependencies]
  for (const name of declared) {
    if (!reasons.has(name)) report(REGISTER, `Says nothing about the dependency ${name}: give its reason in a line`)
  }
  for (const name of reasons.keys()) {
    if (!declared.includes(name) && !ASKED_PACKAGES.includes(name))
      report(REGISTER, `Names ${name}, which package.json does not have`)
  }
  for (const [name, path] of production) {
    if (!manifest.dependencies.includes(name))
      report(path, `Imports ${name}, which is not in dependencies of package.json`)
  }
  for (const name of anywhere) {
    if (!declared.includes(name)) report('package.json', `Does not declare ${name}, which is imported`)
  }
  for (const name of ASKED_PACKAGES) {
    if (!production.has(name) && !/\bnot (yet )?used\b/i.test(reasons.get(name) ?? '')) {
      report(REGISTER, `${name} has no import in production code: give the reason after "not used" or "not yet used"`)
    }
  }
  return problems
}

/** Lines of a table or list that begin with a package name in backquotes; the rest of the line is the reason. */
function reasonsOf(register: string): Map<string, string> {
  const reasons = new Map<string, string>()
  for (const line of register.split('\n')) {
    const match = /^\s*[|*-]\s*`([^`]+)`(.*)$/.exec(line)
    const reason = match?.[2]?.replace(/[|\s]+/g, ' ').trim() ?? ''
    if (match?.[1] && reason.length >= REASON_CHARACTERS_MIN) reasons.set(match[1], reason)
  }
  return reasons
}
