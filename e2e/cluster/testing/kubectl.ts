/**
 * kubectl as a user runs it: what these tests do to a cluster is what people do. Every call has a bound, and a failure shows what was
 * printed.
 */
import { execFile } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'

const CALL_MS = 150_000
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024

export interface KubeJson {
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly uid: string
    readonly generation?: number
    readonly resourceVersion: string
    readonly creationTimestamp: string
    readonly deletionTimestamp?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly spec?: Readonly<Record<string, unknown>>
  readonly status?: Readonly<Record<string, unknown>>
}

export interface Pod extends KubeJson {
  readonly spec: { readonly nodeName?: string }
  readonly status: {
    readonly podIP?: string
    readonly conditions?: readonly { readonly type: string; readonly status: string }[]
    readonly containerStatuses?: readonly {
      readonly name: string
      readonly restartCount: number
      readonly containerID?: string
      readonly ready: boolean
    }[]
  }
}

export class Kubectl {
  readonly #kubeconfig: string

  constructor(kubeconfig: string) {
    this.#kubeconfig = kubeconfig
  }

  /** @param input Text for its standard input, as `-f -` wants it. @returns what it printed. */
  run(args: readonly string[], input = ''): Promise<string> {
    return new Promise((done, failed) => {
      const env = { ...process.env, KUBECONFIG: this.#kubeconfig }
      const child = execFile(
        'kubectl',
        args,
        { env, timeout: CALL_MS, maxBuffer: OUTPUT_BYTES_MAX },
        (error, stdout, stderr) => {
          if (error) failed(new Error(`kubectl ${args.join(' ')}: ${stderr.trim() || error.message}\n${stdout}`))
          else done(stdout)
        },
      )
      child.stdin?.end(input)
    })
  }

  /** Applies objects, in the order given. */
  async apply(objects: readonly unknown[]): Promise<void> {
    const list = { apiVersion: 'v1', kind: 'List', items: objects }
    await this.run(['apply', '--server-side', '--force-conflicts', '-f', '-'], JSON.stringify(list))
  }

  async get<T extends KubeJson = KubeJson>(...args: readonly string[]): Promise<T> {
    return JSON.parse(await this.run(['get', ...args, '-o', 'json']))
  }

  async list<T extends KubeJson = KubeJson>(...args: readonly string[]): Promise<readonly T[]> {
    return JSON.parse(await this.run(['get', ...args, '-o', 'json'])).items
  }

  pods(namespace: string, selector: string): Promise<readonly Pod[]> {
    return this.list<Pod>('pods', '-n', namespace, '-l', selector)
  }
}

export function isReady(pod: Pod): boolean {
  const ready = pod.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
  return ready && pod.metadata.deletionTimestamp === undefined
}

/** Looks until there is something; an attempt that throws counts as nothing, and is told when time is over. */
export async function until<T>(what: string, withinMs: number, attempt: () => Promise<T | null>): Promise<T> {
  let last: unknown = null
  for (const end = performance.now() + withinMs; performance.now() < end; ) {
    try {
      const value = await attempt()
      if (value !== null) return value
      last = null
    } catch (error) {
      last = error
    }
    await pause(250)
  }
  throw new Error(`Gave up after ${withinMs / 1_000} s waiting for ${what}`, { cause: last })
}
