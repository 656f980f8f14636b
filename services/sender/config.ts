/** What a sender can be told from outside: addresses, folders, neighbours, and the limits that administrators choose. */
import { z } from 'zod'
import { LOG_LEVELS } from '#lib/log/logger.ts'

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
  dnsServers: z
    .string()
    .nullable()
    .default(null)
    .describe('Name servers as address or address:port with commas between; null: those of the system.'),
  zoneFile: z
    .string()
    .nullable()
    .default(null)
    .describe('File of names in master format, in place of DNS: for one machine and tests.'),
  lettersMax: z.int().min(1).max(2_000).default(200).describe('Letters in its hands at once.'),
  tlsDir: z.string().describe('Folder with tls.crt, tls.key, ca.crt of the role edge.'),
  socketDir: z
    .string()
    .nullable()
    .default(null)
    .describe('Folder of the unix sockets of shards in this pod; null: none.'),
  shardHostPattern: z.string().describe('Name of a member, as {mailNode}-{member}.{mailNode}.default.svc.'),
  directoryUrl: z.string().describe('As ldaps://directory.default.svc:3636.'),
  directoryPasswordFile: z.string().describe('File with the password of cn=edge,ou=services.'),
  directoryCaFile: z
    .string()
    .nullable()
    .default(null)
    .describe("File with the authority of the directory's certificate; null: ca.crt of tlsDir."),
  baseDn: z.string().default('dc=twinpost').describe('Root of the directory.'),
  stopSeconds: z.int().min(1).default(20).describe('How long letters under way are waited for at the stop.'),
  logLevel: z.enum(LOG_LEVELS).default('info').describe('Least important log lines that are written.'),
})
export type SenderConfig = z.infer<typeof SenderConfig>
