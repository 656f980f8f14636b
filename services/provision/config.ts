import { z } from 'zod'
import { LOG_LEVELS } from '#lib/log/logger.ts'

/** Settings of the provisioning service; `node services/provision/main.ts --help` prints them. */
export const ProvisionConfig = z.object({
  listenHost: z.string().describe('Address of the metrics port: the pod address.'),
  metricsPort: z.int().min(1).max(65_535).default(9130).describe('Port of /metrics, /livez, /readyz.'),
  pod: z.string().min(1).default('provision').describe('Name of the pod, for logs.'),
  tlsDir: z
    .string()
    .describe('Folder with tls.crt, tls.key, ca.crt of the role provision; its CA is trusted everywhere.'),
  directoryUrl: z.string().describe('As ldaps://directory.default.svc:3636.'),
  directoryPasswordFile: z.string().describe('File with the password of cn=provision,ou=services.'),
  directoryCaFile: z
    .string()
    .nullable()
    .default(null)
    .describe("File with the authority of the directory's certificate; null: ca.crt of tlsDir."),
  baseDn: z.string().default('o=twinpost').describe('Suffix of the directory tree.'),
  natsUrl: z.string().describe('As tls://nats.default.svc:4222.'),
  natsPasswordFile: z.string().describe('File with the password of the NATS user provision.'),
  natsCaFile: z
    .string()
    .nullable()
    .default(null)
    .describe("File with the authority of NATS' certificate; null: ca.crt of tlsDir."),
  natsReplicas: z.int().min(1).max(5).default(1).describe('Copies of each stream: 3 in a NATS cluster.'),
  shardHostPattern: z.string().describe('Name of a member, as {mailNode}-{member}.{mailNode}.default.svc.'),
  shardPatienceMs: z
    .int()
    .min(100)
    .default(2_000)
    .describe('How long one try looks for the primary of a shard before the command goes back to the queue.'),
  stopSeconds: z.int().min(1).default(10).describe('Bound of a clean stop: then the process exits anyway.'),
  logLevel: z.enum(LOG_LEVELS).default('info').describe('Least severe level that is logged.'),
})
export type ProvisionConfig = z.infer<typeof ProvisionConfig>
