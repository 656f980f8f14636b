/**
 * A whole array for one spec file: its own root folder, its own loopback addresses, started and stopped by the same command
 * that a user types. Several may run beside each other and beside the user's own.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

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
  readonly replicas: readonly { readonly member: string; readonly role: string | null; readonly phase: string }[]
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
  #endpoints: Endpoints | null = null

  constructor(root: string) {
    this.root = root
  }

  static async start(): Promise<TestArray> {
    const array = new TestArray(mkdtempSync(join(tmpdir(), 'tp-')))
    try {
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

  /** Like `command`, but a non-zero exit code is an error that shows what was printed. */
  async must(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.command(...args)
    if (code !== 0) throw new Error(`twinpost ${args.join(' ')} ended with ${code}\n${stdout}\n${stderr}`)
    return stdout
  }

  async up(): Promise<string> {
    const printed = await this.must('up', '--no-show')
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
    const pod = `${mailNode}-${String(member).replace(/^.*-/, '')}`
    const volumes = join(this.root, 'volumes')
    const volume = readdirSync(volumes).find((one) => one.endsWith(pod))
    if (volume === undefined) throw new Error(`No volume of ${pod} in ${volumes}`)
    return join(volumes, volume, `shard-${index}`)
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

  async remove(): Promise<void> {
    if (existsSync(join(this.root, 'state.json'))) await this.command('down')
    rmSync(this.root, { recursive: true, force: true })
  }
}
