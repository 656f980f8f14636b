/** What an edge can be told from outside: addresses, folders, neighbours, and the limits that administrators choose. */
import { isIP } from 'node:net'
import { z } from 'zod'
import {
  directorySettings,
  dnsSettings,
  logLevel,
  natsCaFile,
  shardHostPattern,
  socketDir,
} from '#lib/config/settings.ts'
import { FILTER_LEVELS, FilterWish } from '#lib/filter/settings.ts'

const port = (fallback: number, what: string) =>
  z.int().min(0).max(65_535).nullable().default(fallback).describe(`${what}; null: no such listener.`)

export const FilterConfig = z.strictObject({
  name: z.string().min(1).max(63).default('filter').describe('Name of the pool, in metrics and logs.'),
  host: z
    .string()
    .min(1)
    .describe('Name that stands for all pods of the pool, as the headless Service filter.mail.svc, or an address.'),
  port: z.int().min(1).max(65_535).default(9150).describe('Port of the milter protocol.'),
  tls: z
    .boolean()
    .default(true)
    .describe('Mutual TLS with a pool of ours; false: plain, for milters of others on trusted networks.'),
  onFailure: z
    .enum(['tempfail', 'accept'])
    .default('tempfail')
    .describe('What becomes of a letter that no pod judges: 451, or taken and marked.'),
  required: z
    .array(z.string().min(1).max(63))
    .max(16)
    .default([])
    .describe('Engines of the pool without whose look a letter is not taken.'),
  onVirus: z
    .enum(['quarantine', 'reject', 'discard'])
    .default('reject')
    .describe('What becomes of a letter with a virus.'),
  onAttachment: z
    .enum(['tag', 'junk', 'quarantine', 'reject'])
    .default('junk')
    .describe('The same for a dangerous attachment.'),
  onImage: z.enum(['tag', 'junk', 'quarantine']).default('junk').describe('The same for an indecent image.'),
  level: z
    .enum(FILTER_LEVELS)
    .default('standard')
    .describe('How much spam people want to see who, and whose Domain, say nothing of it (docs/filtering.md).'),
  allow: FilterWish.shape.allow.describe(
    'Authors whose letters come in, if their domain is proved: addresses, domains.',
  ),
  deny: FilterWish.shape.deny.describe('Authors and senders whose letters go to Junk.'),
  patienceMs: z
    .int()
    .min(100)
    .max(300_000)
    .default(60_000)
    .describe('How long pods are tried for a letter that is in memory.'),
})
export type FilterConfig = z.infer<typeof FilterConfig>

const network = z.string().refine(isNetwork, 'an address or a network, as 192.0.2.0/24 or 2001:db8::/32, is wanted')
const listName = z.string().regex(/^([a-z0-9_-]{1,63}\.)+[a-z0-9-]{1,63}$/)

/** What is asked of clients that bring mail from outside; all of it is off unless it is set. */
export const ClientPolicyConfig = z.strictObject({
  dnsLists: z
    .array(listName)
    .max(16)
    .default([])
    .describe('Lists in the DNS (RFC 5782): mail of addresses that one of them has is refused.'),
  dnsAllowLists: z
    .array(listName)
    .max(16)
    .default([])
    .describe('Lists whose addresses are taken whatever else is found out about them.'),
  reverseName: z.boolean().default(false).describe('Refuses addresses without a name that leads back to them.'),
  senderDomain: z
    .boolean()
    .default(false)
    .describe('Refuses senders whose domain does not exist or takes no mail (RFC 7505).'),
  ownNameIsForged: z.boolean().default(true).describe('Refuses clients that call themselves by our own name.'),
  recipientsPerMinute: z
    .int()
    .min(0)
    .default(0)
    .describe('Recipients that one address, or one /64 of IPv6, may name in a minute at this edge; 0: any number.'),
  greetingDelayMs: z
    .int()
    .min(0)
    .max(30_000)
    .default(0)
    .describe('The greeting waits so long; who speaks before it is refused.'),
  trusted: z
    .array(network)
    .max(256)
    .default([])
    .describe('Networks of which nothing of this is asked, as those of another MX of ours.'),
})
export type ClientPolicyConfig = z.infer<typeof ClientPolicyConfig>

function isNetwork(text: string): boolean {
  const [address = '', prefix, ...others] = text.split('/')
  const bits = isIP(address) === 6 ? 128 : isIP(address) === 4 ? 32 : -1
  if (others.length > 0 || bits === -1) return false
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits)
}

/** Settings of an edge process; `node services/edge/main.ts --help` prints them. */
export const EdgeConfig = z.object({
  pod: z.string().min(1).default('edge').describe('Name of the pod (n1-0), for logs and for finding the shards in it.'),
  hostname: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/)
    .describe('Name that clients see in greetings and Received fields, in lower case.'),
  listenHost: z.string().describe('Address of the pod: all listeners and the metrics port.'),
  serviceAddress: z
    .string()
    .nullable()
    .default(null)
    .describe('One more address for the mail ports, shared with other edges by SO_REUSEPORT; null in Kubernetes.'),
  smtpPort: port(2525, 'Mail from other servers'),
  lmtpPort: port(2424, 'LMTP for the array itself and trusted networks: no authentication'),
  submissionPort: port(2587, 'Submission with STARTTLS'),
  submissionsPort: port(2465, 'Submission over TLS'),
  imapPort: port(2143, 'IMAP with STARTTLS'),
  imapsPort: port(2993, 'IMAP over TLS'),
  pop3Port: port(2110, 'POP3 with STLS'),
  pop3sPort: port(2995, 'POP3 over TLS'),
  metricsPort: z.int().min(0).max(65_535).default(9100).describe('Port of /metrics, /livez, /readyz.'),
  publicTlsDir: z.string().describe('Folder with tls.crt and tls.key: what mail clients are shown.'),
  tlsDir: z.string().describe('Folder with tls.crt, tls.key, ca.crt of the role edge.'),
  socketDir: socketDir(),
  shardHostPattern: shardHostPattern(),
  ...directorySettings('edge'),
  natsUrl: z
    .string()
    .nullable()
    .default(null)
    .describe('As tls://nats.default.svc:4222; null: caches live by their age alone.'),
  natsPasswordFile: z.string().nullable().default(null).describe('File with the password of the NATS user edge.'),
  natsCaFile: natsCaFile(),
  postmaster: z
    .string()
    .nullable()
    .default(null)
    .describe('Address that gets mail for postmaster and abuse where a Domain has no such address.'),
  showClientAddress: z
    .boolean()
    .default(false)
    .describe("Whether the Received field of submitted mail tells the user's address to all who read the letter."),
  messageBytesMax: z
    .int()
    .min(64 * 1024)
    .max(512 * 1024 * 1024)
    .default(50 * 1024 * 1024)
    .describe('Largest letter taken (SIZE), in bytes.'),
  bodyBudgetBytes: z
    .int()
    .min(0)
    .default(128 * 1024 * 1024)
    .describe('Bytes of letters held in memory by all connections together; beyond it DATA gets 452.'),
  recipientsMax: z.int().min(1).max(10_000).default(1000).describe('Recipients of one transaction.'),
  scram: z
    .boolean()
    .default(true)
    .describe(
      'Whether SCRAM-SHA-256 is offered: every account must have keys in the directory. App passwords have none.',
    ),
  pop3LoginDelaySeconds: z
    .int()
    .min(0)
    .max(3600)
    .default(0)
    .describe('How long after a POP3 login the next one of the account is refused at this edge; 0: not at all.'),
  sharing: z
    .boolean()
    .default(false)
    .describe(
      'Whether IMAP users may share mailboxes (ACL). Only accounts of one shard reach each other: docs/imap.md, Shared mailboxes.',
    ),
  oidcIssuer: z
    .url()
    .nullable()
    .default(null)
    .describe('OpenID Connect issuer whose access tokens (JWT) log in by OAUTHBEARER and XOAUTH2; null: none.'),
  oidcAudience: z.string().default('twinpost').describe('What the aud of such a token must name.'),
  oidcAddressClaim: z.string().default('email').describe('Claim of such a token that has the mail address.'),
  connectionsMax: z.int().min(1).default(20_000).describe('Connections of all listeners together.'),
  connectionsPerAddressMax: z.int().min(1).default(200).describe('Connections of one client address.'),
  sessionsPerAccountMax: z.int().min(1).default(100).describe('IMAP and POP3 sessions of one account at this edge.'),
  recipientPatienceMs: z.int().min(0).default(8_000).describe('How long RCPT waits for the primary of a shard.'),
  recipientMemoryMs: z
    .int()
    .min(0)
    .max(10_000)
    .default(1_000)
    .describe("How long a shard's yes to a recipient is believed; the delivery itself is always asked."),
  deliveryPatienceMs: z.int().min(0).default(25_000).describe('How long the end of DATA waits for a commit: then 451.'),
  sessionPatienceMs: z.int().min(0).default(8_000).describe('How long a login waits for the primary of a shard.'),
  authentication: z
    .enum(['off', 'mark', 'enforce'])
    .default('off')
    .describe(
      'SPF, DKIM, ARC and DMARC of letters from outside: not asked, written down, or what DMARC asks for is done too.',
    ),
  clientPolicy: ClientPolicyConfig.nullable()
    .default(null)
    .describe('What is asked of clients that bring mail from outside, as JSON; null: nothing.'),
  proxyNetworks: z
    .array(network)
    .max(256)
    .default([])
    .describe("Networks of proxies that tell the client's address by the PROXY protocol, version 1 or 2, as JSON."),
  ...dnsSettings(),
  filter: FilterConfig.nullable()
    .default(null)
    .describe('Filter pool that looks at letters from outside and from users, as JSON; null: nobody does.'),
  stopSeconds: z.int().min(1).default(25).describe('Bound of a clean stop: letters in flight have that long.'),
  logLevel: logLevel(),
})
export type EdgeConfig = z.infer<typeof EdgeConfig>
