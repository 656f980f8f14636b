/** What a sender can be told from outside: addresses, folders, neighbours, and the limits that administrators choose. */
import { z } from 'zod'
import { directorySettings, dnsSettings, logLevel, shardHostPattern, socketDir } from '#lib/config/settings.ts'

/** Settings of a sender process; `node services/sender/main.ts --help` prints them. */
export const SenderConfig = z.object({
  pod: z
    .string()
    .min(1)
    .default('sender')
    .describe('Name of the pod (n1-0), for logs and for finding the shards in it.'),
  mailNode: z.string().min(1).describe('Name of the MailNode whose shards are served.'),
  shards: z.int().min(1).max(16).describe('How many shards the MailNode has.'),
  hostname: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/)
    .describe('Name said in EHLO, in lower case; the address that others see should lead back to it.'),
  listenHost: z.string().describe('Address of the pod: the metrics port.'),
  metricsPort: z.int().min(0).max(65_535).default(9140).describe('Port of /metrics, /livez, /readyz.'),
  egressAddress: z
    .string()
    .nullable()
    .default(null)
    .describe('Address of this machine that connections come from; null: as the system likes.'),
  remotePort: z.int().min(1).max(65_535).default(25).describe('Port of remote servers: 25, but for tests.'),
  tls: z
    .enum(['opportunistic', 'required', 'never'])
    .default('opportunistic')
    .describe('TLS to remote servers: where they have it, always, or never.'),
  remoteCaFile: z
    .string()
    .nullable()
    .default(null)
    .describe(
      'File with authorities (PEM) that vouch for servers of domains with an MTA-STS policy; null: those that Node knows.',
    ),
  ...dnsSettings(),
  sealFile: z
    .string()
    .nullable()
    .default(null)
    .describe(
      'File with the words that open the keys of Domains in the directory; null: letters of Domains with keys wait.',
    ),
  lettersMax: z.int().min(1).max(2_000).default(200).describe('Letters in its hands at once.'),
  tlsDir: z.string().describe('Folder with tls.crt, tls.key, ca.crt of the role edge.'),
  socketDir: socketDir(),
  shardHostPattern: shardHostPattern(),
  ...directorySettings('edge'),
  stopSeconds: z.int().min(1).default(20).describe('How long letters under way are waited for at the stop.'),
  logLevel: logLevel(),
})
export type SenderConfig = z.infer<typeof SenderConfig>
