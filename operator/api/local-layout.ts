/**
 * What the operator's local mode and the command line agree on: files below the state folder (`.twinpost`), and the answers
 * of the control interface on `operator.sock`. Everything of an array is below that one folder, but for sockets where its
 * path is too long for one.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import { DnsRecord } from './domain.ts'

/** A unix socket's name must fit into 108 bytes with its end mark (unix(7)); macOS has 104. */
const SOCKET_PATH_BYTES_MAX = 103
/** Longest name below the run folder: `<pod>/<volume>/shard-15.sock`. */
const SOCKET_NAME_BYTES_MAX = 60

export interface LocalLayout {
  readonly stateDir: string
  readonly stateFile: string
  readonly processesFile: string
  readonly hostsFile: string
  readonly endpointsFile: string
  /** DNS records of all Domains, for people. */
  readonly zoneFile: string
  /** The same for programs: `DomainRecords`. */
  readonly recordsFile: string
  readonly logsDir: string
  readonly volumesDir: string
  readonly mountsDir: string
  /** Sockets and other files of one life; removed at each start. */
  readonly runDir: string
  readonly secretsDir: string
  readonly ledgerDir: string
  /** What senders know of the world outside (`outside.zone`). */
  readonly outsideDir: string
  readonly cacheDir: string
  readonly caFile: string
  readonly operatorFile: string
  readonly operatorLog: string
  readonly controlSocket: string
}

/** @param stateDir Absolute. @param tmpDir Where short names can be made, as os.tmpdir() says. */
export function localLayout(stateDir: string, tmpDir: string): LocalLayout {
  const at = (...names: string[]) => join(stateDir, ...names)
  const fits = Buffer.byteLength(at('run')) + 1 + SOCKET_NAME_BYTES_MAX <= SOCKET_PATH_BYTES_MAX
  const short = join(tmpDir, `twinpost-${createHash('sha256').update(stateDir).digest('hex').slice(0, 10)}`)
  return {
    stateDir,
    stateFile: at('state.json'),
    processesFile: at('processes.json'),
    hostsFile: at('hosts'),
    endpointsFile: at('endpoints.json'),
    zoneFile: at('dns.zone'),
    recordsFile: at('dns.json'),
    logsDir: at('logs'),
    volumesDir: at('volumes'),
    mountsDir: at('mounts'),
    runDir: fits ? at('run') : short,
    secretsDir: at('secrets'),
    ledgerDir: at('ledger'),
    outsideDir: at('outside'),
    cacheDir: at('cache'),
    caFile: at('ca.crt'),
    operatorFile: at('operator.json'),
    operatorLog: at('logs', 'operator.log'),
    controlSocket: fits ? at('operator.sock') : join(short, 'operator.sock'),
  }
}

/** `operator.json`: who runs this array. */
export const OperatorRecord = z.object({
  pid: z.int().min(1),
  startedAt: z.string().describe('Start time of the process, see process-identity.ts: a pid alone names nobody.'),
})
export type OperatorRecord = z.infer<typeof OperatorRecord>

/** `processes.json`: what the operator started and has not seen end. */
export const ProcessRecords = z.array(OperatorRecord.extend({ name: z.string() }))
export type ProcessRecords = z.infer<typeof ProcessRecords>

/** The one domain that senders of a local array find outside (RFC 2606 section 2: nobody's). */
export const OUTSIDE_DOMAIN = 'outside.example'

const Endpoint = z.object({ host: z.string(), port: z.int() })
export type Endpoint = z.infer<typeof Endpoint>

/** `endpoints.json`: how to reach the array. */
export const Endpoints = z.object({
  smtp: Endpoint,
  submission: Endpoint,
  submissions: Endpoint,
  imap: Endpoint,
  imaps: Endpoint,
  pop3: Endpoint,
  pop3s: Endpoint,
  lmtp: Endpoint,
  nats: Endpoint,
  ldap: Endpoint,
  metrics: Endpoint,
  outside: Endpoint.describe('Where mail for other domains is sent: nobody listens there by himself.'),
  ca: z.string().describe('Path of the CA certificate that all of them can be checked with.'),
  accounts: z.array(z.object({ address: z.string(), password: z.string(), home: z.string() })),
})
export type Endpoints = z.infer<typeof Endpoints>

export const ProcessStatus = z.object({
  name: z.string(),
  pod: z.string(),
  container: z.string(),
  pid: z.int().nullable(),
  state: z.enum(['starting', 'running', 'waiting', 'stopped']),
  restarts: z.int(),
  ready: z.boolean(),
  reason: z.string().nullable().describe('Why it is not ready.'),
  uptimeS: z.number().nullable(),
  rssBytes: z.int().nullable(),
})
export type ProcessStatus = z.infer<typeof ProcessStatus>

export const LocalFilterPool = z.object({
  name: z.string(),
  engines: z.array(z.string()).describe('Engines that look at each letter.'),
  away: z
    .array(z.object({ engine: z.string(), where: z.string() }))
    .describe('Engines that the pool names and nobody answers for: they are not asked.'),
})
export type LocalFilterPool = z.infer<typeof LocalFilterPool>

/** Answer of `GET /status` on the control socket. */
export const OperatorStatus = z.object({
  phase: z.enum(['starting', 'ready', 'failed', 'stopping']),
  /** What it waits for, in words; empty when ready. */
  waitingFor: z.array(z.string()),
  /** What went wrong and will not mend itself, with the last lines of the log that tells why. */
  problems: z.array(z.string()),
  mailNodes: z.array(z.object({ name: z.string(), shards: z.int() })),
  domains: z.array(z.string()),
  stoppedMembers: z
    .array(z.string())
    .default([])
    .describe('Members that an administrator stopped: no process of them runs, and none is started.'),
  filterPools: z.array(LocalFilterPool).default([]),
  viruses: z
    .enum(['unknown', 'reject', 'quarantine', 'discard'])
    .default('unknown')
    .describe('What all edges do with a virus. unknown: not all show their letters to a pool that knows any.'),
  processes: z.array(ProcessStatus),
})
export type OperatorStatus = z.infer<typeof OperatorStatus>

/** `dns.json`: what each domain wants in the DNS. */
export const DomainRecords = z.array(
  z.object({
    name: z.string(),
    records: z.array(DnsRecord),
    zone: z.string(),
    mtaStsPolicy: z.string().optional(),
  }),
)
export type DomainRecords = z.infer<typeof DomainRecords>
