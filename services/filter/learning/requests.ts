/**
 * HTTP over connections that others have accepted: lessons in, the memory out. Who asks is known by the certificate of the connection.
 * Invariant: a request holds no more than `LESSON_BYTES_MAX`, and a connection that says nothing is closed.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { Logger } from '#lib/log/logger.ts'
import { identityFromAltNames, type Role } from '#lib/tls/roles.ts'
import type { BayesMemory } from '../bayes/memory.ts'
import { LESSON_BYTES_MAX } from '../limits.ts'
import type { FilterMetrics } from '../metrics.ts'
import { learn } from './lessons.ts'

const MAY_TEACH: readonly Role[] = ['member', 'cli']
const IDLE_MS = 30_000

export interface LearningOptions {
  /** Null: no engine of this pool learns. */
  readonly memory: BayesMemory | null
  readonly logger: Logger
  readonly metrics: FilterMetrics
}

export class LearningRequests {
  readonly #options: LearningOptions
  readonly #server: Server
  readonly #roles = new WeakMap<object, Role>()

  constructor(options: LearningOptions) {
    this.#options = options
    this.#server = createServer({ keepAliveTimeout: IDLE_MS, requestTimeout: IDLE_MS }, (request, response) => {
      this.#answer(request, response).catch((err: unknown) => {
        options.logger.warn({ err }, 'cannot take a lesson')
        response.destroy()
      })
    })
  }

  /** @returns false: this role has nothing to say here. */
  accept(socket: TLSSocket): boolean {
    const role = identityFromAltNames(socket.getPeerCertificate().subjectaltname)?.role
    if (role === undefined || (role !== 'filter' && !MAY_TEACH.includes(role))) return false
    this.#roles.set(socket, role)
    this.#server.emit('connection', socket)
    return true
  }

  close(): void {
    this.#server.closeAllConnections()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { memory, metrics } = this.#options
    const role = this.#roles.get(request.socket)
    const end = (status: number) => response.writeHead(status, { 'Content-Length': 0 }).end()
    if (request.method === 'GET' && request.url === '/memory' && role === 'filter') {
      if (memory === null) end(404)
      else response.writeHead(200, { 'Content-Type': 'application/octet-stream' }).end(memory.snapshot())
      return
    }
    if (request.method !== 'POST' || request.url !== '/lessons' || role === undefined || !MAY_TEACH.includes(role)) {
      request.resume()
      end(role === 'filter' ? 403 : 404)
      return
    }
    const kind = request.headers['x-lesson']
    const owner = request.headers['x-owner']
    const letter = await bodyOf(request)
    if ((kind !== 'junk' && kind !== 'other') || letter === null || typeof owner !== 'string') end(400)
    else if (memory === null) end(404)
    else {
      metrics.lessons.inc({ kind, outcome: learn(memory, { kind, owner, letter }) ? 'learned' : 'known' })
      end(204)
    }
  }
}

/** @returns null: larger than a lesson may be. */
async function bodyOf(request: IncomingMessage): Promise<Buffer | null> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of request) {
    const buffer: Buffer = piece
    bytes += buffer.length
    if (bytes > LESSON_BYTES_MAX) return null
    pieces.push(buffer)
  }
  return Buffer.concat(pieces)
}
