/**
 * A Kubernetes API without nodes: etcd and kube-apiserver on loopback in a folder of their own, ready in seconds, for tests of
 * whatever talks to the API and to look around by hand:
 *
 *     node tools/kube/api-server.ts        # prints KUBECONFIG, ends with Ctrl-C and leaves nothing
 *
 * There are no controllers, no scheduler and no kubelets: a StatefulSet makes no pods here, deleting an owner deletes nothing
 * else. RBAC is in force; `TOKENS` are its users. Wants the programs of `make kube-tools`.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, get } from 'node:https'
import { createServer } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Users of every such API server, by name: token and groups. */
const TOKENS = {
  admin: { token: 'admin-token', groups: ['system:masters'] },
  /** May do nothing until a test binds a role to it. */
  nobody: { token: 'nobody-token', groups: [] },
} as const
export type ApiUser = keyof typeof TOKENS

const READY_TIMEOUT_MS = 120_000
const LOOK_MS = 100

export interface ApiServer {
  readonly url: string
  /** PEM of the authority of the server's certificate. */
  readonly ca: string
  readonly caFile: string
  readonly etcdUrl: string
  /** Path of a kubeconfig for `user`. */
  kubeconfig(user?: ApiUser): string
  token(user?: ApiUser): string
  /** Ends kube-apiserver at once, as a crash would; etcd goes on. */
  kill(): Promise<void>
  /** Starts kube-apiserver again on the same port and data; resolves when it is ready. */
  restart(): Promise<void>
  /** Forgets all versions of objects but the present ones, so that older ones get 410. */
  compact(): Promise<void>
  /** Ends both and removes all that they wrote. */
  stop(): Promise<void>
}

/** Folder with the programs, or null where `make kube-tools` has not run. */
export function controlPlaneFolder(): string | null {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  const folder = join(process.env['TWINPOST_KUBE_DIR'] ?? join(cache, 'twinpost-kube'), 'bin')
  return existsSync(join(folder, 'etcd')) && existsSync(join(folder, 'kube-apiserver')) ? folder : null
}

/** Why tests of the API cannot run here, or false: what `node:test` takes as `skip`. */
export function whyNoApiServer(): string | false {
  return controlPlaneFolder() === null && 'no etcd and kube-apiserver here: run make kube-tools once'
}

export async function startApiServer(): Promise<ApiServer> {
  const programs = controlPlaneFolder()
  if (programs === null) throw new Error('Cannot start an API server: run make kube-tools first')
  const folder = mkdtempSync(join(tmpdir(), 'twinpost-kube-api-'))
  const [etcdPort, etcdPeerPort, port] = await freePorts(3)
  const etcdUrl = `http://127.0.0.1:${etcdPort}`
  const url = `https://127.0.0.1:${port}`
  const certFolder = join(folder, 'certs')
  const caFile = join(certFolder, 'apiserver.crt')
  writeCredentials(folder)

  const etcd = run(join(programs, 'etcd'), folder, 'etcd', [
    `--data-dir=${join(folder, 'etcd')}`,
    `--listen-client-urls=${etcdUrl}`,
    `--advertise-client-urls=${etcdUrl}`,
    `--listen-peer-urls=http://127.0.0.1:${etcdPeerPort}`,
    '--unsafe-no-fsync=true',
    '--log-level=warn',
  ])
  const serve = () =>
    run(join(programs, 'kube-apiserver'), folder, 'kube-apiserver', [
      `--etcd-servers=${etcdUrl}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${port}`,
      '--advertise-address=127.0.0.1',
      '--endpoint-reconciler-type=none',
      `--cert-dir=${certFolder}`, // makes its own certificate there
      '--service-cluster-ip-range=10.96.0.0/16',
      '--authorization-mode=RBAC',
      '--disable-admission-plugins=ServiceAccount', // wants a controller that makes accounts
      `--token-auth-file=${join(folder, 'tokens.csv')}`,
      '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
      `--service-account-key-file=${join(folder, 'sa.pub')}`,
      `--service-account-signing-key-file=${join(folder, 'sa.key')}`,
      '--v=1',
    ])
  let server = serve()
  const ready = () => untilReady(url, caFile, server, join(folder, 'kube-apiserver.log'))
  const stop = async () => {
    await end(server)
    await end(etcd)
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await ready()
  } catch (error) {
    await stop()
    throw error
  }
  return {
    url,
    ca: readFileSync(caFile, 'utf8'),
    caFile,
    etcdUrl,
    kubeconfig: (user = 'admin') => writeKubeconfig(folder, url, caFile, user),
    token: (user = 'admin') => TOKENS[user].token,
    kill: () => end(server),
    async restart() {
      await end(server)
      server = serve()
      await ready()
    },
    compact: () => compactEtcd(etcdUrl),
    stop,
  }
}

function writeCredentials(folder: string): void {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  writeFileSync(join(folder, 'sa.key'), privateKey, { mode: 0o600 })
  writeFileSync(join(folder, 'sa.pub'), publicKey)
  mkdirSync(join(folder, 'certs'))
  const lines = Object.entries(TOKENS).map(
    ([name, { token, groups }]) => `${token},${name},${name},"${groups.join(',')}"`,
  )
  writeFileSync(join(folder, 'tokens.csv'), `${lines.join('\n')}\n`, { mode: 0o600 })
}

/** Names in it carry the port: clients of several servers in one process keep their caches apart by name. */
function writeKubeconfig(folder: string, url: string, caFile: string, user: ApiUser): string {
  const name = `twinpost-${new URL(url).port}`
  const path = join(folder, `${user}.kubeconfig`)
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server: url, 'certificate-authority': caFile } }],
    users: [{ name: `${name}-${user}`, user: { token: TOKENS[user].token } }],
    contexts: [{ name, context: { cluster: name, user: `${name}-${user}` } }],
    'current-context': name,
  }
  writeFileSync(path, JSON.stringify(config), { mode: 0o600 }) // JSON is YAML
  return path
}

function run(program: string, folder: string, name: string, args: readonly string[]): ChildProcess {
  const log = openSync(join(folder, `${name}.log`), 'a')
  const child = spawn(program, args, { stdio: ['ignore', log, log] })
  closeSync(log)
  // A test that fails in the middle leaves no server behind.
  const endWithUs = () => child.kill('SIGKILL')
  process.once('exit', endWithUs)
  child.once('exit', () => process.off('exit', endWithUs))
  return child
}

function gone(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

/** Ends a process by its id, as a crash would: etcd keeps what was acknowledged, and a clean end takes ten times as long. */
async function end(child: ChildProcess): Promise<void> {
  if (gone(child)) return
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGKILL')
  await exited
}

async function untilReady(url: string, caFile: string, server: ChildProcess, logFile: string): Promise<void> {
  const endAtMs = performance.now() + READY_TIMEOUT_MS
  while (!(existsSync(caFile) && (await answers(`${url}/readyz`, caFile)))) {
    if (gone(server)) throw new Error(`kube-apiserver ended:\n${readFileSync(logFile, 'utf8').slice(-2_000)}`)
    if (performance.now() > endAtMs) throw new Error('kube-apiserver is not ready after two minutes')
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}

function answers(url: string, caFile: string): Promise<boolean> {
  const agent = new Agent({ ca: readFileSync(caFile), keepAlive: false })
  return new Promise((resolve) => {
    const headers = { authorization: `Bearer ${TOKENS.admin.token}` }
    get(url, { agent, headers, timeout: 2_000 }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    }).on('error', () => resolve(false))
  })
}

/** By etcd's JSON gateway: the present revision is the oldest that stays. */
async function compactEtcd(etcdUrl: string): Promise<void> {
  const post = async (path: string, body: unknown): Promise<unknown> => {
    const response = await fetch(`${etcdUrl}/v3/${path}`, { method: 'POST', body: JSON.stringify(body) })
    if (!response.ok) throw new Error(`etcd said ${response.status} to ${path}: ${await response.text()}`)
    return response.json()
  }
  const found = (await post('kv/range', { key: btoa('compact_rev_key') })) as { header?: { revision?: string } }
  await post('kv/compaction', { revision: found.header?.revision ?? '0', physical: true })
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject)
          server.listen(0, '127.0.0.1', () => {
            const address = server.address()
            resolve(typeof address === 'object' && address !== null ? address.port : 0)
          })
        }),
    ),
  )
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const began = performance.now()
  const server = await startApiServer()
  console.log(`# ready after ${((performance.now() - began) / 1_000).toFixed(1)} s; Ctrl-C ends it`)
  console.log(`export KUBECONFIG=${server.kubeconfig()}`)
  const stop = () => server.stop().then(() => process.exit(0))
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
}
