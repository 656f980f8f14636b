import { z } from 'zod'
import { logLevel } from '#lib/config/settings.ts'
import { QUARANTINE_MS } from './mailbox/limits.ts'
import { RETENTION_MS } from './upkeep/limits.ts'

const Settings = z.object({
  mailNode: z
    .string()
    .regex(/^[a-z]([a-z0-9-]{0,50}[a-z0-9])?$/)
    .describe('Name of the MailNode.'),
  shardIndex: z.int().min(0).max(15).describe('Which shard of the MailNode this process holds a replica of.'),
  pod: z
    .string()
    .regex(/^[a-z][a-z0-9-]*-[01]$/)
    .describe('Name of the pod, <mailnode>-<member>.'),
  podUid: z.string().min(1).describe('UID of the pod: the identity of this life, beside the name.'),
  listenHost: z.string().describe('Address for other pods: the pod address.'),
  dataDir: z.string().describe('The volume; the replica directory is <dataDir>/shard-<index>.'),
  socketDir: z.string().describe("Folder of unix sockets that only this pod's containers mount."),
  tlsDir: z.string().describe('Folder with tls.crt, tls.key, ca.crt of the role member.'),
  ledgerFile: z.string().optional().describe('SQLite file of the local ledger, shared by all members.'),
  ledgerNamespace: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/)
    .optional()
    .describe('Namespace of the Leases <mailnode>-<shard> that are the ledger in Kubernetes, in place of ledgerFile.'),
  fenceFile: z
    .string()
    .nullable()
    .default(null)
    .describe(
      'File that says `true` or `false`: whether this replica must not be primary; null: only commands say so.',
    ),
  metricsPort: z.int().min(1).max(65_535).describe('Port of /metrics, /livez, /readyz.'),
  shardHostPattern: z
    .string()
    .describe('Name of a member, as {mailNode}-{member}.{mailNode}.default.svc: where the other replica is.'),
  durabilityInbound: z
    .enum(['required', 'preferred'])
    .default('required')
    .describe('Mail from outside: required asks senders to come again (451) while there is one copy.'),
  degradedAfterSeconds: z
    .int()
    .min(-1)
    .default(120)
    .describe('With required: how long until one copy is enough, with an alarm. -1: never.'),
  durabilityUsers: z
    .enum(['required', 'preferred'])
    .default('preferred')
    .describe('Submission, APPEND, flags: preferred goes on with one copy at once.'),
  giveBackAfterSeconds: z
    .int()
    .min(-1)
    .default(300)
    .describe(
      'After so long with both members in sync a shard goes back to the member it prefers. -1: never by itself.',
    ),
  backupArchive: z
    .string()
    .nullable()
    .default(null)
    .describe(
      'Folder, of another machine at best, or s3://BUCKET/PREFIX that what is committed is written to; null: no backup.',
    ),
  backupEndpoint: z.url().nullable().default(null).describe('Of the bucket; null: that of Amazon in the region.'),
  backupRegion: z.string().default('us-east-1').describe('Of the bucket.'),
  backupSecretDir: z
    .string()
    .nullable()
    .default(null)
    .describe(
      'Folder with the files `secret`, which encrypts the backup, and for a bucket `accessKeyId` and `secretAccessKey`; null: none of them.',
    ),
  backupEverySeconds: z.int().min(1).default(10).describe('How often what is new is written to the backup.'),
  backupBaseEveryHours: z
    .int()
    .min(1)
    .default(168)
    .describe('How often the whole log is written anew, so that older backups can go.'),
  backupKeepHours: z.int().min(1).default(336).describe('How far back in time a restore can go.'),
  expungedRetentionSeconds: z
    .int()
    .min(1)
    .default(RETENTION_MS / 1_000)
    .describe('How long the bytes of an expunged message stay on disk at least; on a full disk an hour at most.'),
  learnHost: z
    .string()
    .nullable()
    .default(null)
    .describe('Name of all pods of a filter pool that is told what users call junk, as default-filter.mail.svc.'),
  learnPort: z.int().min(1).max(65_535).default(9150).describe('Its milter port.'),
  quarantineSeconds: z
    .int()
    .min(1)
    .default(QUARANTINE_MS / 1_000)
    .describe('How long a letter stays in quarantine.'),
  quarantineDigests: z
    .boolean()
    .default(false)
    .describe('Whether people hear each day, by a letter, what was kept back from them.'),
  messageBytesMax: z
    .int()
    .min(64 * 1024)
    .max(512 * 1024 * 1024)
    .default(50 * 1024 * 1024)
    .describe('Largest letter that is stored (APPENDLIMIT and SIZE), in bytes.'),
  hostname: z.string().min(1).default('localhost').describe('Name under which notifications about letters are sent.'),
  sessionsMax: z.int().min(1).default(20_000).describe('Most client sessions at once on this replica.'),
  stopSeconds: z
    .int()
    .min(1)
    .default(10)
    .describe('Bound of a clean stop, half of it for handing over: then the process exits anyway.'),
  logLevel: logLevel(),
})

/** Settings of one shard replica's process; `node services/shard/main.ts --help` prints them. */
export const ShardConfig = Settings.refine(
  ({ ledgerFile, ledgerNamespace }) => (ledgerFile === undefined) !== (ledgerNamespace === undefined),
  { path: ['ledgerFile'], message: 'set either ledgerFile or ledgerNamespace: a shard has one ledger' },
)
export type ShardConfig = z.infer<typeof ShardConfig>
