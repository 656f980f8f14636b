/** Which ledger a shard uses: the settings say so, and nothing else in the shard differs between a cluster and one machine. */
import { known } from '#lib/errors/assert.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { inClusterApi, KubernetesApi } from './kubernetes-api.ts'
import { KubernetesLedger } from './kubernetes-ledger.ts'
import { SqliteLedger } from './sqlite-ledger.ts'
import type { Ledger } from './types.ts'

export interface LedgerSettings {
  readonly ledgerFile?: string | undefined
  readonly ledgerNamespace?: string | undefined
}

/** @param env The environment of the process: the kubelet says there where the API server is. */
export function openLedger(
  settings: LedgerSettings,
  clock: Clock,
  env: Readonly<Record<string, string | undefined>>,
): Ledger {
  if (settings.ledgerFile !== undefined) return new SqliteLedger(settings.ledgerFile)
  const namespace = known(settings.ledgerNamespace, 'the settings name one ledger')
  return new KubernetesLedger({ api: new KubernetesApi({ ...inClusterApi(env), clock }), namespace, clock })
}
