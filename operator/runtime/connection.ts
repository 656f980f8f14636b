/**
 * The one way from this process to the Kubernetes API server: where it is and who we are (kubeconfig or service account, read by
 * @kubernetes/client-node), and one pool of connections for all requests and watches.
 *
 * The library's own clients make a new pool, so a new TLS session, for every request, have no bound on how long an answer may
 * take, and read the CA from disk each time. Here credentials are looked at every few seconds; when certificates changed, a new pool
 * takes over and the old one ends with its last request. A 401 makes them be read anew and the request repeated once: it was
 * refused before anything was done.
 */
import type { RequestOptions } from 'node:https'
import type { Readable } from 'node:stream'
import type { KubeConfig } from '@kubernetes/client-node'
import { Agent, type Dispatcher, request } from 'undici'
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { KubeError } from './api-error.ts'

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Path with query. */
  readonly path: string
  readonly body?: string
  readonly contentType?: string
  /** application/json without it. */
  readonly accept?: string
  /** What is being done, for messages: `apply Service mail/n1`. */
  readonly doing: string
  /** Bound of the whole answer; for streams of its beginning. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export interface ApiAnswer {
  readonly status: number
  readonly retryAfter: string | null
  readonly body: string
}

export interface ApiStream {
  readonly status: number
  readonly retryAfter: string | null
  readonly body: Readable
}

export interface ApiConnection {
  /** Namespace of the context or service account, if it says one. */
  readonly namespace: string | null
  /** @throws {KubeError} KUBE_UNREACHABLE, KUBE_TIMEOUT, KUBE_CONFIG; every answer of the server is a value. */
  request(request: ApiRequest): Promise<ApiAnswer>
  /** As `request`, but the body comes as it arrives; the caller destroys it. */
  stream(request: ApiRequest): Promise<ApiStream>
  close(): Promise<void>
}

export interface ConnectionOptions {
  /** Reads the configuration; called again after a 401. */
  readonly load: () => KubeConfig
  readonly clock: Clock
  readonly userAgent: string
}

export const REQUEST_TIMEOUT_MS = 10_000
const CREDENTIALS_LOOK_MS = 10_000
const CONNECT_TIMEOUT_MS = 5_000
const KEEP_ALIVE_MS = 30_000
const TCP_KEEP_ALIVE_MS = 15_000

interface Credentials {
  readonly server: string
  readonly headers: Readonly<Record<string, string>>
  readonly tls: {
    readonly ca?: string
    readonly cert?: string
    readonly key?: string
    readonly servername?: string
    readonly rejectUnauthorized?: boolean
  }
}

export function openConnection(options: ConnectionOptions): ApiConnection {
  const { load, clock, userAgent } = options
  let config = readConfig(load)
  let seen: { readonly credentials: Credentials; readonly atMs: number } | null = null
  let pool: { readonly dispatcher: Agent; readonly tls: string } | null = null

  const credentials = async (): Promise<Credentials> => {
    if (seen && clock.monotonicMs() - seen.atMs < CREDENTIALS_LOOK_MS) return seen.credentials
    seen = { credentials: await credentialsOf(config), atMs: clock.monotonicMs() }
    return seen.credentials
  }
  const poolFor = ({ tls }: Credentials): Agent => {
    const text = JSON.stringify(tls)
    if (pool?.tls === text) return pool.dispatcher
    void pool?.dispatcher.close() // ends with its last request
    const dispatcher = new Agent({
      allowH2: false, // one connection per watch costs little, and one that hangs stops nobody else
      connect: { ...tls, timeout: CONNECT_TIMEOUT_MS, keepAliveInitialDelay: TCP_KEEP_ALIVE_MS },
      keepAliveTimeout: KEEP_ALIVE_MS,
      bodyTimeout: 0, // bounds are ours: per request, or the watch's own inactivity limit
      headersTimeout: 0,
    })
    pool = { dispatcher, tls: text }
    return dispatcher
  }
  const send = async (wanted: ApiRequest, signal: AbortSignal): Promise<Dispatcher.ResponseData> => {
    const { server, headers, tls } = await credentials()
    return request(server + wanted.path, {
      method: wanted.method,
      dispatcher: poolFor({ server, headers, tls }),
      signal,
      ...(wanted.body === undefined ? {} : { body: wanted.body }),
      headers: {
        ...headers,
        accept: wanted.accept ?? 'application/json',
        'user-agent': userAgent,
        ...(wanted.body === undefined ? {} : { 'content-type': wanted.contentType ?? 'application/json' }),
      },
    })
  }
  const authorized = async (wanted: ApiRequest, signal: AbortSignal): Promise<Dispatcher.ResponseData> => {
    const first = await send(wanted, signal)
    if (first.statusCode !== 401) return first
    await first.body.dump()
    config = readConfig(load)
    seen = null
    return send(wanted, signal)
  }
  /** Runs `use` within the bound; what the bound or the network ends comes out as a KubeError. */
  const bounded = async <T>(
    wanted: ApiRequest,
    use: (signal: AbortSignal, begun: () => void) => Promise<T>,
  ): Promise<T> => {
    const abort = new AbortController()
    const timeoutMs = wanted.timeoutMs ?? REQUEST_TIMEOUT_MS
    const cancel = clock.after(timeoutMs, () => {
      const message = `Cannot ${wanted.doing}: the API server did not answer within ${timeoutMs} ms`
      abort.abort(new KubeError('KUBE_TIMEOUT', message))
    })
    const signal = wanted.signal ? AbortSignal.any([abort.signal, wanted.signal]) : abort.signal
    try {
      return await use(signal, cancel)
    } catch (cause) {
      if (cause instanceof KubeError) throw cause
      if (signal.aborted && signal.reason instanceof KubeError) throw signal.reason
      throw new KubeError('KUBE_UNREACHABLE', `Cannot ${wanted.doing}: ${errorMessage(cause)}`, { cause })
    } finally {
      cancel()
    }
  }
  return {
    namespace: namespaceOf(config),
    request: (wanted) =>
      bounded(wanted, async (signal) => {
        const response = await authorized(wanted, signal)
        return { status: response.statusCode, retryAfter: retryAfterOf(response), body: await response.body.text() }
      }),
    stream: (wanted) =>
      bounded(wanted, async (signal, begun) => {
        const response = await authorized(wanted, signal)
        begun() // from here on the caller watches the time
        return { status: response.statusCode, retryAfter: retryAfterOf(response), body: response.body }
      }),
    async close() {
      await pool?.dispatcher.destroy()
    },
  }
}

function readConfig(load: () => KubeConfig): KubeConfig {
  try {
    return load()
  } catch (cause) {
    throw new KubeError('KUBE_CONFIG', `Cannot read how to reach the API server: ${errorMessage(cause)}`, { cause })
  }
}

async function credentialsOf(config: KubeConfig): Promise<Credentials> {
  const cluster = config.getCurrentCluster()
  if (cluster === null) {
    throw new KubeError('KUBE_CONFIG', 'Cannot find the API server: set KUBECONFIG, or run inside a cluster')
  }
  if (cluster.proxyUrl) {
    throw new KubeError('KUBE_CONFIG', `Cannot use the proxy ${cluster.proxyUrl} of the kubeconfig: give a direct way`)
  }
  const found: RequestOptions = { headers: {} }
  try {
    await config.applyToHTTPSOptions(found)
  } catch (cause) {
    throw new KubeError('KUBE_CONFIG', `Cannot read the credentials for the API server: ${errorMessage(cause)}`, {
      cause,
    })
  }
  const pem = (value: unknown) => (value === undefined || value === null ? undefined : String(value))
  const [ca, cert, key] = [pem(found.ca), pem(found.cert), pem(found.key)]
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(found.headers ?? {})) headers[name.toLowerCase()] = String(value).trim()
  if (typeof found.auth === 'string') headers['authorization'] = `Basic ${Buffer.from(found.auth).toString('base64')}`
  return {
    server: cluster.server.replace(/\/$/, ''),
    headers,
    tls: {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(found.servername === undefined ? {} : { servername: found.servername }),
      ...(found.rejectUnauthorized === undefined ? {} : { rejectUnauthorized: found.rejectUnauthorized }),
    },
  }
}

function namespaceOf(config: KubeConfig): string | null {
  return config.getContextObject(config.getCurrentContext())?.namespace ?? null
}

function retryAfterOf(response: Dispatcher.ResponseData): string | null {
  const value = response.headers['retry-after']
  return typeof value === 'string' ? value : null
}
