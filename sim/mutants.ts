/**
 * Mutants: wrong versions of single functions, by which the simulator proves that it would notice. The services know nothing of
 * them: a resolve hook puts `sim/mutants/NAME.ts` in the place of one module; that file passes everything on and replaces
 * what it breaks.
 */
import { registerHooks } from 'node:module'

/** Mutant to the module in whose place it stands. */
export const MUTANTS: Readonly<Record<string, string>> = {
  'skip-sync': 'services/shard/log/durability.ts',
  'skip-directory-sync': 'services/shard/log/durability.ts',
  'ignore-checksum': 'lib/bytes/crc32c.ts',
  'no-truncate': 'services/shard/log/tail.ts',
  'cut-rotten': 'services/shard/log/tail.ts',
  'trust-tail': 'services/shard/log/segments.ts',
  'reuse-epoch': 'services/shard/log/epochs.ts',
}

/** @returns False if there is no such mutant. Must run before the module is first loaded. */
export function installMutant(name: string): boolean {
  const module = MUTANTS[name]
  if (module === undefined) return false
  const original = new URL(`../${module}`, import.meta.url).href
  const replacement = new URL(`./mutants/${name}.ts`, import.meta.url).href
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const resolved = nextResolve(specifier, context)
      return resolved.url === original && context.parentURL !== replacement
        ? { ...resolved, url: replacement }
        : resolved
    },
  })
  return true
}
