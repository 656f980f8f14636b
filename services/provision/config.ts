import { z } from 'zod'
import { directorySettings, logLevel, natsCaFile, shardHostPattern } from '#lib/config/settings.ts'

/** Settings of the provisioning service; `node services/provision/main.ts --help` prints them. */
export const ProvisionConfig = z.object({
  listenHost: z.string().describe('Address of the metrics port: the pod address.'),
  metricsPort: z.int().min(1).max(65_535).default(9130).describe('Port of /metrics, /livez, /readyz.'),
  pod: z.string().min(1).default('provision').describe('Name of the pod, for logs.'),
  tlsDir: z
    .string()
    .describe('Folder with tls.crt, tls.key, ca.crt of the role provision; its CA is trusted everywhere.'),
  ...directorySettings('provision'),
  natsUrl: z.string().describe('As tls://nats.default.svc:4222.'),
  natsPasswordFile: z.string().describe('File with the password of the NATS user provision.'),
  natsCaFile: natsCaFile(),
  natsReplicas: z.int().min(1).max(5).default(1).describe('Copies of each stream: 3 in a NATS cluster.'),
  shardHostPattern: shardHostPattern(),
  shardPatienceMs: z
    .int()
    .min(100)
    .default(2_000)
    .describe('How long one try looks for the primary of a shard before the command goes back to the queue.'),
  stopSeconds: z.int().min(1).default(10).describe('Bound of a clean stop: then the process exits anyway.'),
  logLevel: logLevel(),
})
export type ProvisionConfig = z.infer<typeof ProvisionConfig>
