/**
 * A whole array for one spec file: its own root folder, its own loopback addresses, started and stopped by the same command
 * that a user types. Several may run beside each other and beside the user's own.
 */
import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type DeployOptions, writeDeploy } from './deploy.ts'
import { endAtExit, unmountBelow } from './orphans.ts'
import type { SmallDisk } from './small-disk.ts'

export interface Endpoint {
  readonly host: string
  readonly port: number
}

export interface DemoAccount {
  readonly address: string
  readonly password: string
  readonly home: string
}

export const ENDPOINT_NAMES = [
  'smtp',
  'submission',
  'submissions',
  'imap',
  'imaps',
  'pop3',
  'pop3s',
  'lmtp',
  'nats',
  'ldap',
  'metrics',
  'outside',
] as const
export type EndpointName = (typeof ENDPOINT_NAMES)[number]

export type Endpoints = Readonly<Record<EndpointName, Endpoint>> & {
  readonly ca: string
  readonly accounts: readonly DemoAccount[]
}

export interface ShardLine {
  readonly shard: string
  readonly epoch: number
  readonly primary: { readonly member: string | number; readonly pid: number } | null
  readonly mirror: { readonly member: string | number; readonly pid: number } | null
  readonly inSync: readonly (string | number)[]
  /** In words: what is going on and why. */
  readonly phase: string | null
  readonly fenced: readonly string[]
  readonly replicas: readonly {
    readonly member: string
    readonly role: string | null
    readonly phase: string
    readonly commitLsn: number
  }[]
}

export interface ProcessLine {
  readonly name: string
  readonly pod: string
  readonly container: string
  readonly pid: number
  readonly state: string
  readonly restarts: number
}

export interface ArrayStatus {
  readonly shards: readonly ShardLine[]
  readonly processes: readonly ProcessLine[]
}

export interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const REPOSITORY = resolve(import.meta.dirname, '../..')
const COMMAND_TIMEOUT_MS = 120_000

export class TestArray {
  readonly root: string
  readonly #deploy: string
  #endpoints: Endpoints | null = null

  private constructor(root: string, deploy: string) {
    this.root = root
    this.#deploy = deploy
    endAtExit(root)
  }

  /** @param options Without them the array of `deploy/local`, as `make up` starts it, but that no shard goes back by itself. */
  static async start(options: DeployOptions & { readonly disks?: readonly SmallDisk[] } = {}): Promise<TestArray> {
    const root = mkdtempSync(join(tmpdir(), 'tp-'))
    const array = new TestArray(root, writeDeploy(join(REPOSITORY, 'deploy/local'), join(root, 'deploy'), options))
    try {
      for (const disk of options.disks ?? []) disk.mount(array.volumeFolder(disk.pod))
      await array.up()
    } catch (error) {
      await array.remove()
      throw error
    }
    return array
  }

  get endpoints(): Endpoints {
    if (!this.#endpoints) throw new Error('The array was not started')
    return this.#endpoints
  }

  /** The CA's certificate in PEM: clients of the tests verify like everybody's clients should. */
  get ca(): string {
    return readFileSync(this.endpoints.ca, 'utf8')
  }

  account(name: string): DemoAccount {
    const account = this.endpoints.accounts.find((candidate) => candidate.address.startsWith(`${name}@`))
    if (!account) throw new Error(`No demo account ${name}`)
    return account
  }

  /** Runs `./twinpost ...` for this array; the caller looks at the exit code. */
  command(...args: readonly string[]): Promise<CommandResult> {
    return new Promise((done) => {
      execFile(
        join(REPOSITORY, 'twinpost'),
        args,
        {
          env: { ...process.env, TWINPOST_ROOT: this.root, LANG: 'C.UTF-8' },
          timeout: COMMAND_TIMEOUT_MS,
          maxBuffer: 16 * 1024 * 1024,
        },
        (error, stdout, stderr) => {
          const code = error ? (typeof error.code === 'number' ? error.code : 1) : 0
          done({ code, stdout, stderr })
        },
      )
    })
  }

  /** Begins `./twinpost ...`, so that it can be killed in the middle. */
  begin(...args: readonly string[]): { readonly ended: Promise<void>; over(): boolean; kill(): void } {
    const env = { ...process.env, TWINPOST_ROOT: this.root, LANG: 'C.UTF-8' }
    const child = spawn(join(REPOSITORY, 'twinpost'), args, { env, stdio: 'ignore' })
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    const over = () => child.exitCode !== null || child.signalCode !== null
    return { ended, over, kill: () => void child.kill('SIGKILL') }
  }

  /** Like `command`, but a non-zero exit code is an error that shows what was printed. */
  async must(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.command(...args)
    if (code !== 0) throw new Error(`twinpost ${args.join(' ')} ended with ${code}\n${stdout}\n${stderr}`)
    return stdout
  }

  async up(): Promise<string> {
    const printed = await this.must('up', '--no-show', '--deploy', this.#deploy)
    this.#endpoints = JSON.parse(readFileSync(join(this.root, 'endpoints.json'), 'utf8'))
    return printed
  }

  async down(): Promise<void> {
    await this.must('down')
  }

  async status(): Promise<ArrayStatus> {
    return JSON.parse(await this.must('status', '-o', 'json'))
  }

  async shard(name: string): Promise<ShardLine> {
    const { shards } = await this.status()
    const found = shards.find((candidate) => candidate.shard === name)
    if (!found) throw new Error(`No shard ${name} in ${shards.map((one) => one.shard).join(', ')}`)
    return found
  }

  /** Where a member (`n1-0`, or its number) keeps its replica of a shard. */
  replicaFolder(shard: string, member: string | number): string {
    const [mailNode = '', index = ''] = shard.split('/')
    return join(this.volumeFolder(`${mailNode}-${String(member).replace(/^.*-/, '')}`), `shard-${index}`)
  }

  /** The folder behind the claim of a pod. */
  volumeFolder(pod: string): string {
    return join(this.root, 'volumes', `data-${pod}`)
  }

  async process(name: string): Promise<ProcessLine> {
    const { processes } = await this.status()
    const found = processes.find((candidate) => candidate.name === name)
    if (!found) throw new Error(`No process ${name} in ${processes.map((one) => one.name).join(', ')}`)
    return found
  }

  /** Ends one process the hard way; the local cluster starts it again. */
  async kill(name: string): Promise<number> {
    const { pid } = await this.process(name)
    process.kill(pid, 'SIGKILL')
    return pid
  }

  /** The address of a pod (`n1-0`): its edge listens there too, so that a spec can choose by which one it goes in. */
  podAddress(pod: string): string {
    const line = readFileSync(join(this.root, 'hosts'), 'utf8')
      .split('\n')
      .find((one) => one.split(' ').some((name) => name.startsWith(`${pod}.`)))
    const address = line?.split(' ')[0]
    if (address === undefined) throw new Error(`No address of ${pod} in ${this.root}/hosts`)
    return address
  }

  /** Names of this file come before those of all, for the processes of one pod. */
  hostsFileOf(pod: string): string {
    return join(this.root, `hosts.${pod}`)
  }

  /** An endpoint of the edge in one pod. */
  at(pod: string, endpoint: EndpointName): Endpoint {
    return { host: this.podAddress(pod), port: this.endpoints[endpoint].port }
  }

  /** What the containers of a pod have logged in all of their lives. */
  log(pod: string, container: string): string {
    return readFileSync(join(this.root, 'logs', `${pod}-${container}.log`), 'utf8')
  }

  async remove(): Promise<void> {
    if (existsSync(join(this.root, 'state.json'))) await this.command('down')
    unmountBelow(this.root)
    rmSync(this.root, { recursive: true, force: true })
  }
}
