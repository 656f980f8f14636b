/** Settings of a filter; `node services/filter/main.ts --help` prints them. */
import { z } from 'zod'
import { logLevel } from '#lib/config/settings.ts'
import { parseEngineAddress } from './engines/foreign.ts'

const name = z
  .string()
  .max(63)
  .regex(/^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/)
  .describe('Name of the engine in headers, metrics and logs.')
const timeoutMs = z.int().min(10).max(300_000)
const bytesMax = z.int().min(1024)
const concurrency = z.int().min(1).max(10_000).default(50).describe('Letters shown to the engine at once.')
const MIB = 1024 * 1024

const address = z
  .string()
  .refine((text) => parseEngineAddress(text) !== null, 'must be host:port, [address]:port or the path of a unix socket')
  .transform((text) => parseEngineAddress(text) ?? { path: text })
  .describe('As clamd.mail.svc:3310 or /run/clamav/clamd.ctl.')

export const EngineConfig = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('signatures'),
    name: name.default('signatures'),
    bytesMax: bytesMax.default(64 * MIB),
    timeoutMs: timeoutMs.default(10_000),
    patterns: z
      .array(z.strictObject({ name: z.string().min(1).max(128), base64: z.base64().min(8).max(4096) }))
      .max(10_000)
      .default([])
      .describe('Bytes that must not be in a letter. The test file of EICAR is always known.'),
  }),
  z.strictObject({
    kind: z.literal('attachments'),
    name: name.default('attachments'),
    concurrency,
    bytesMax: bytesMax.default(64 * MIB),
    timeoutMs: timeoutMs.default(10_000),
  }),
  z.strictObject({
    kind: z.literal('bayes'),
    name: name.default('bayes'),
    concurrency,
    bytesMax: bytesMax.default(4 * MIB),
    timeoutMs: timeoutMs.default(10_000),
  }),
  z.strictObject({
    kind: z.literal('phishing'),
    name: name.default('phishing'),
    concurrency,
    bytesMax: bytesMax.default(4 * MIB),
    timeoutMs: timeoutMs.default(10_000),
    protect: z
      .array(z.string().min(3).max(253))
      .max(1_000)
      .default([])
      .describe("Domains that no other may look like, beside the recipients' own."),
  }),
  z.strictObject({
    kind: z.literal('clamd'),
    name: name.default('clamd'),
    address,
    concurrency,
    bytesMax: bytesMax.default(64 * MIB),
    timeoutMs: timeoutMs.default(30_000),
  }),
  z.strictObject({
    kind: z.literal('spamd'),
    name: name.default('spamd'),
    address,
    concurrency,
    bytesMax: bytesMax.default(MIB),
    timeoutMs: timeoutMs.default(30_000),
  }),
  z.strictObject({
    kind: z.literal('rspamd'),
    name: name.default('rspamd'),
    url: z.url({ protocol: /^https?$/ }).describe('Its normal worker, as http://rspamd.mail.svc:11333.'),
    concurrency,
    bytesMax: bytesMax.default(16 * MIB),
    timeoutMs: timeoutMs.default(10_000),
  }),
])
export type EngineConfig = z.infer<typeof EngineConfig>

export const FilterConfig = z.object({
  listenHost: z.string().describe('Address of the milter and metrics ports: the pod address.'),
  port: z.int().min(1).max(65_535).default(9150).describe('Port of the milter protocol.'),
  metricsPort: z.int().min(1).max(65_535).default(9151).describe('Port of /metrics, /livez, /readyz.'),
  pod: z.string().min(1).default('filter').describe('Name of the pod, for logs.'),
  tlsDir: z
    .string()
    .nullable()
    .default(null)
    .describe(
      'Folder with tls.crt, tls.key, ca.crt: mail servers must then come with TLS and a certificate of role edge. null: plain, for mail servers of others.',
    ),
  engines: z
    .array(EngineConfig)
    .min(1)
    .max(16)
    .refine(
      (engines) => new Set(engines.map((engine) => engine.name)).size === engines.length,
      'names of engines must differ',
    )
    .describe('What looks at each letter, all at once.'),
  learnedSignsLog2: z
    .int()
    .min(10)
    .max(26)
    .default(20)
    .describe('Signs of letters that a bayes engine can know, as a power of two: 20 are a million in 12 MiB.'),
  learnedFile: z
    .string()
    .nullable()
    .default(null)
    .describe('File that keeps what was learned over a restart; null: only the other pods of the pool do.'),
  peersHost: z
    .string()
    .nullable()
    .default(null)
    .describe(
      'Name that stands for all pods of the pool: a new one asks them what was learned; null: it stands alone.',
    ),
  letterBytesMax: z
    .int()
    .min(1024)
    .default(128 * MIB)
    .describe('Of a larger letter the beginning is judged.'),
  memoryBytesMax: z
    .int()
    .min(MIB)
    .default(512 * MIB)
    .describe('Letters in memory, all together; beyond it letters are refused for now with 451.'),
  connectionsMax: z.int().min(1).default(2000).describe('Connections of mail servers; more are closed at once.'),
  stopSeconds: z.int().min(1).default(20).describe('Bound of a clean stop: letters in flight are judged first.'),
  logLevel: logLevel(),
})
export type FilterConfig = z.infer<typeof FilterConfig>
