/**
 * The two requests that a member may send to the Kubernetes API server: get and update one object. Node's own HTTPS client and
 * nothing else: a shard is started again and again under pressure, and the client library of Kubernetes would cost it 90 MB and a
 * second for what is a page of code here (the operator uses it: operator/runtime/connection.ts).
 *
 * Token and CA are files that the kubelet replaces: both are read again every few seconds, and at once after a 401. An answer is a
 * value; no answer, or none in time, is an exception, and then nobody knows whether the request was carried out.
 */
import { readFile } from 'node:fs/promises'
import { Agent, type RequestOptions, request } from 'node:https'
import type { Clock } from '#lib/ports/clock.ts'

export interface KubernetesAnswer {
  readonly status: number
  readonly body: string
}

export interface KubernetesApiOptions {
  /** As `https://10.96.0.1:443`. */
  readonly url: string
  readonly tokenFile: string
  readonly caFile: string
  readonly clock: Clock
}

const ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount'
const CREDENTIALS_LOOK_MS = 10_000
const KEEP_ALIVE_MS = 15_000
const ANSWER_BYTES_MAX = 2 * 1024 * 1024

/** Where a pod finds the API server and its own account. */
export function inClusterApi(env: Readonly<Record<string, string | undefined>>): Omit<KubernetesApiOptions, 'clock'> {
  const host = env['KUBERNETES_SERVICE_HOST'] ?? 'kubernetes.default.svc'
  const port = env['KUBERNETES_SERVICE_PORT_HTTPS'] ?? '443'
  const url = `https://${host.includes(':') ? `[${host}]` : host}:${port}`
  return { url, tokenFile: `${ACCOUNT_FOLDER}/token`, caFile: `${ACCOUNT_FOLDER}/ca.crt` }
}

interface Credentials {
  readonly token: string
  readonly ca: string
  readonly agent: Agent
  readonly readAtMs: number
}

export class KubernetesApi {
  readonly #options: KubernetesApiOptions
  #credentials: Credentials | null = null

  constructor(options: KubernetesApiOptions) {
    this.#options = options
  }

  /** @throws {Error} if no answer came before `deadlineMs` (monotonic). */
  async send(method: 'GET' | 'PUT', path: string, body: string | null, deadlineMs: number): Promise<KubernetesAnswer> {
    const first = await this.#send(method, path, body, deadlineMs)
    if (first.status !== 401) return first
    // Refused before anything was done; the token may have been replaced since it was read.
    this.#credentials = await this.#read()
    return this.#send(method, path, body, deadlineMs)
  }

  close(): void {
    this.#credentials?.agent.destroy()
    this.#credentials = null
  }

  async #send(method: string, path: string, body: string | null, deadlineMs: number): Promise<KubernetesAnswer> {
    const { clock, url } = this.#options
    const known = this.#credentials
    const fresh = known !== null && clock.monotonicMs() - known.readAtMs < CREDENTIALS_LOOK_MS
    const { token, agent } = fresh ? known : await this.#read()
    const options: RequestOptions = {
      method,
      agent,
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'application/json',
        'user-agent': 'twinpost-shard',
        ...(body === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
      },
    }
    const leftMs = deadlineMs - clock.monotonicMs()
    if (leftMs <= 0) throw new Error('no time was left to ask the API server')
    return new Promise((resolve, reject) => {
      const sent = request(url + path, options, (response) => {
        const chunks: Buffer[] = []
        let bytes = 0
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length
          if (bytes > ANSWER_BYTES_MAX) sent.destroy(new Error('the answer of the API server is too large'))
          else chunks.push(chunk)
        })
        response.on('end', () => {
          cancel()
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') })
        })
        response.on('error', fail)
      })
      const fail = (error: Error) => {
        cancel()
        reject(error)
      }
      const cancel = clock.after(leftMs, () => sent.destroy(new Error('the API server did not answer in time')))
      sent.on('error', fail)
      sent.end(body ?? undefined)
    })
  }

  async #read(): Promise<Credentials> {
    const { tokenFile, caFile, clock } = this.#options
    const [token, ca] = await Promise.all([readFile(tokenFile, 'utf8'), readFile(caFile, 'utf8')])
    const before = this.#credentials
    const keep = before !== null && before.ca === ca
    const agent = keep ? before.agent : new Agent({ ca, keepAlive: true, timeout: KEEP_ALIVE_MS, maxSockets: 4 })
    if (!keep) before?.agent.destroy()
    this.#credentials = { token: token.trim(), ca, agent, readAtMs: clock.monotonicMs() }
    return this.#credentials
  }
}
