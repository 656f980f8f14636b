/**
 * Mutants: wrong versions of single functions, by which the simulator proves that it would notice. The services know nothing of
 * them: a resolve hook puts `sim/mutants/NAME.ts` in the place of one module; that file passes everything on and replaces
 * what it breaks.
 */
import { registerHooks } from 'node:module'
import type { WorldName } from './one-history.ts'
import type { Weakness } from './pair/damage.ts'

export interface Mutant {
  /** In whose place it stands. */
  readonly module: string
  /** The world whose histories must notice it. */
  readonly world: WorldName
  /** What is wrong with a disk in all of its histories, where only then the mistake matters. */
  readonly weakness?: Weakness
}

export const MUTANTS: Readonly<Record<string, Mutant>> = {
  'skip-sync': { world: 'log', module: 'services/shard/log/durability.ts' },
  'skip-directory-sync': { world: 'log', module: 'services/shard/log/durability.ts' },
  'ignore-checksum': { world: 'log', module: 'lib/bytes/crc32c.ts' },
  'no-truncate': { world: 'log', module: 'services/shard/log/tail.ts' },
  'cut-rotten': { world: 'log', module: 'services/shard/log/tail.ts' },
  'trust-tail': { world: 'log', module: 'services/shard/log/segments.ts' },
  'reuse-epoch': { world: 'log', module: 'services/shard/log/epochs.ts' },
  'ack-before-mirror': { world: 'pair', module: 'services/shard/roles/entries.ts' },
  'ack-alone-before-swap': { world: 'pair', module: 'services/shard/roles/entries.ts' },
  'reuse-epoch-after-restart': { world: 'pair', module: 'services/shard/roles/entries.ts' },
  'promote-stale': { world: 'pair', module: 'services/shard/roles/decide-mirror.ts' },
  'expose-before-commit': { world: 'pair', module: 'services/shard/mailbox/commit-pipeline.ts' },
  'ignore-epoch': { world: 'pair', module: 'services/shard/roles/decide-primary.ts' },
  'settle-unknown-by-reread': { world: 'pair', module: 'services/shard/ledger/agent.ts' },
  'truncate-committed': { world: 'pair', module: 'services/shard/replication/cut-allowed.ts' },
  'cut-ahead': { world: 'pair', module: 'services/shard/replication/mirror-ahead.ts' },
  'trust-cut-end': { world: 'pair', module: 'services/shard/roles/log-end.ts', weakness: 'rot' },
  'recover-without-jump': { world: 'pair', module: 'services/shard/roles/recovery-jump.ts' },
  'compact-beyond-horizon': { world: 'pair', module: 'services/shard/upkeep/upkeep.ts' },
  'flip-before-delta': { world: 'moves', module: 'services/shard/move/decide.ts' },
  'own-before-moved': { world: 'moves', module: 'services/shard/move/decide.ts' },
  'delete-before-flip': { world: 'moves', module: 'services/shard/move/decide.ts' },
}

/** @returns Null if there is no such mutant. Must run before the module is first loaded. */
export function installMutant(name: string): Mutant | null {
  const mutant = MUTANTS[name]
  if (mutant === undefined) return null
  const original = new URL(`../${mutant.module}`, import.meta.url).href
  const replacement = new URL(`./mutants/${name}.ts`, import.meta.url).href
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const resolved = nextResolve(specifier, context)
      return resolved.url === original && context.parentURL !== replacement
        ? { ...resolved, url: replacement }
        : resolved
    },
  })
  return mutant
}
