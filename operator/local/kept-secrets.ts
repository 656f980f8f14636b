/** Secrets that nothing can render again, as keys for signing, in one file of the local array: what etcd is in a cluster. */
import { z } from 'zod'
import { readJson, writeJson } from '#operator/cluster/local/state-files.ts'
import type { Secret } from '#operator/cluster/objects.ts'

const KeptSecrets = z.array(
  z.object({
    apiVersion: z.literal('v1'),
    kind: z.literal('Secret'),
    metadata: z.object({ name: z.string(), namespace: z.string(), labels: z.record(z.string(), z.string()) }),
    type: z.enum(['Opaque', 'kubernetes.io/tls']),
    stringData: z.record(z.string(), z.string()),
  }),
)

/** @throws {LocalClusterError} LOCAL_STATE if the file is there but cannot be used. */
export function openKeptSecrets(path: string): {
  readonly secrets: readonly Secret[]
  readonly save: (secret: Secret) => void
} {
  const secrets = readJson(path, KeptSecrets, [])
  const byKey = new Map<string, Secret>(secrets.map((secret) => [keyOf(secret), secret]))
  return {
    secrets,
    save(secret) {
      byKey.set(keyOf(secret), secret)
      writeJson(path, [...byKey.values()])
    },
  }
}

const keyOf = ({ metadata }: Secret) => `${metadata.namespace}/${metadata.name}`
