/**
 * Calls that let time, chance or the outside into code that must run in the simulator (EXAMPLES section 8), and tests that
 * do not run. Exceptions are named here, each with its reason; an exception that is no longer needed is an error too.
 */
import { isTest, isTool, type Problem } from './layers.ts'
import { lineOf, type SourceText } from './source.ts'

export interface Exception {
  readonly path: string
  readonly ban: string
  readonly reason: string
}

/** Parts of the tree that are rims: they meet the real world on purpose. */
const RIMS: readonly string[] = ['lib/platform/', 'sim/', 'e2e/', 'bench/', 'cli/', 'tools/']

export const EXCEPTIONS: readonly Exception[] = []

const BANS: readonly { readonly name: string; readonly pattern: RegExp; readonly instead: string }[] = [
  { name: 'Date.now', pattern: /\bDate\.now\b/g, instead: 'take a Clock (#lib/ports/clock.ts)' },
  { name: 'new Date()', pattern: /\bnew Date\(\s*\)/g, instead: 'take a Clock (#lib/ports/clock.ts)' },
  { name: 'performance.now', pattern: /\bperformance\.now\b/g, instead: 'take a Clock (#lib/ports/clock.ts)' },
  { name: 'Math.random', pattern: /\bMath\.random\b/g, instead: 'take a Random (#lib/ports/random.ts)' },
  { name: 'setTimeout', pattern: /(?<![.\w])setTimeout\s*\(/g, instead: 'use Clock.after' },
  { name: 'setInterval', pattern: /(?<![.\w])setInterval\s*\(/g, instead: 'use Clock.after' },
]
const TEST_BANS = [
  { pattern: /\b(?:test|it|describe|suite)\.(only|skip|todo)\b/g, what: 'a test that is switched off or alone' },
  { pattern: /\b(only|skip|todo):\s*true\b/g, what: 'a test that is switched off or alone' },
]

export function checkBans(sources: readonly SourceText[], exceptions: readonly Exception[] = EXCEPTIONS): Problem[] {
  const problems: Problem[] = []
  const used = new Set<Exception>()
  for (const source of sources) {
    const report = (offset: number, message: string) =>
      problems.push({ path: source.path, line: lineOf(source.text, offset), message })
    if (isTest(source.path)) {
      for (const ban of TEST_BANS) {
        for (const match of source.code.matchAll(ban.pattern))
          report(match.index, `Cannot keep ${match[0]}: ${ban.what}`)
      }
      continue
    }
    if (isTool(source) || RIMS.some((rim) => source.path.startsWith(rim))) continue
    for (const ban of BANS) {
      for (const match of source.code.matchAll(ban.pattern)) {
        const exception = exceptions.find((entry) => entry.path === source.path && entry.ban === ban.name)
        if (exception) used.add(exception)
        else report(match.index, `Cannot call ${ban.name} here: ${ban.instead}`)
      }
    }
  }
  for (const exception of exceptions) {
    if (!used.has(exception)) {
      problems.push({
        path: exception.path,
        line: 1,
        message: `Exception for ${exception.ban} is not needed: remove it from tools/tidy/bans.ts`,
      })
    }
  }
  return problems
}
