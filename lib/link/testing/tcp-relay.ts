/**
 * A network that a test can break: takes TCP connections and carries their bytes to a target, as fast as told, or not at all.
 * A cut holds bytes and ends of connections back, as TCP does while packets are lost; what was held goes on when it is healed.
 */
import { connect, createServer, type Server, type Socket } from 'node:net'

export interface Place {
  readonly host: string
  readonly port: number
}

export type Carriage =
  | { readonly kind: 'cut' }
  | {
      readonly kind: 'open'
      /** How much later each byte arrives. */
      readonly latencyMs?: number
      readonly bytesPerSecond?: number
    }

/** `there`: from who dialled to the target. */
export type Direction = 'there' | 'back'

const QUEUE_BYTES_MAX = 256 * 1024

export class TcpRelay {
  readonly place: Place
  readonly #server: Server
  readonly #pipes = new Set<Pipe>()
  readonly #sockets = new Set<Socket>()
  readonly #carriage: Record<Direction, Carriage> = { there: { kind: 'open' }, back: { kind: 'open' } }
  readonly #carried: Record<Direction, number> = { there: 0, back: 0 }
  #connections = 0

  private constructor(server: Server, place: Place, target: Place) {
    this.#server = server
    this.place = place
    server.on('connection', (socket) => this.#carry(socket, target))
  }

  /** @param listen Port 0: any. */
  static async listen(listen: Place, target: Place): Promise<TcpRelay> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(listen, resolve)
    })
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : listen.port
    return new TcpRelay(server, { host: listen.host, port }, target)
  }

  /** How many connections were taken so far. */
  get connections(): number {
    return this.#connections
  }

  /** Bytes that arrived so far. */
  carried(direction: Direction): number {
    return this.#carried[direction]
  }

  set(carriage: Carriage, ...directions: readonly Direction[]): void {
    for (const direction of directions.length > 0 ? directions : (['there', 'back'] as const)) {
      this.#carriage[direction] = carriage
    }
    for (const pipe of this.#pipes) pipe.pump()
  }

  cut(...directions: readonly Direction[]): void {
    this.set({ kind: 'cut' }, ...directions)
  }

  heal(): void {
    this.set({ kind: 'open' })
  }

  async close(): Promise<void> {
    for (const pipe of this.#pipes) pipe.stop()
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #carry(near: Socket, target: Place): void {
    this.#connections++
    const far = connect({ ...target, allowHalfOpen: true })
    this.#add(near, far, 'there')
    this.#add(far, near, 'back')
  }

  #add(source: Socket, sink: Socket, direction: Direction): void {
    source.setNoDelay(true)
    this.#sockets.add(source)
    const pipe = new Pipe(
      source,
      sink,
      () => this.#carriage[direction],
      (bytes) => {
        this.#carried[direction] += bytes
      },
    )
    this.#pipes.add(pipe)
    source.once('close', () => this.#sockets.delete(source))
    sink.once('close', () => {
      pipe.stop()
      this.#pipes.delete(pipe)
    })
  }
}

type Held = { readonly dueMs: number; readonly what: Buffer | 'end' | 'destroy' }

/** One direction of one connection. */
class Pipe {
  readonly #source: Socket
  readonly #sink: Socket
  readonly #carriage: () => Carriage
  readonly #arrived: (bytes: number) => void
  #queue: Held[] = []
  #queuedBytes = 0
  #freeAtMs = 0
  #timer: NodeJS.Timeout | null = null
  #waitsForDrain = false

  constructor(source: Socket, sink: Socket, carriage: () => Carriage, arrived: (bytes: number) => void) {
    this.#arrived = arrived
    this.#source = source
    this.#sink = sink
    this.#carriage = carriage
    source.on('data', (chunk: Buffer) => {
      this.#queuedBytes += chunk.length
      this.#hold(chunk)
    })
    source.on('end', () => this.#hold('end'))
    source.on('error', () => this.#hold('destroy'))
    source.on('close', () => this.#hold('destroy'))
    sink.on('drain', () => {
      this.#waitsForDrain = false
      this.pump()
    })
    this.pump()
  }

  pump(): void {
    const carriage = this.#carriage()
    if (carriage.kind === 'cut') {
      this.#source.pause()
      return
    }
    while (this.#timer === null && !this.#waitsForDrain) {
      const held = this.#queue[0]
      const now = performance.now()
      if (held === undefined) break
      const atMs = Math.max(held.dueMs, this.#freeAtMs)
      if (atMs > now) {
        this.#timer = setTimeout(() => {
          this.#timer = null
          this.pump()
        }, atMs - now)
        break
      }
      this.#queue.shift()
      if (held.what === 'destroy') this.#sink.destroy()
      else if (held.what === 'end') this.#sink.end()
      else {
        this.#queuedBytes -= held.what.length
        this.#arrived(held.what.length)
        if (carriage.bytesPerSecond) this.#freeAtMs = now + (held.what.length / carriage.bytesPerSecond) * 1_000
        this.#waitsForDrain = !this.#sink.write(held.what)
      }
    }
    if (this.#queuedBytes < QUEUE_BYTES_MAX) this.#source.resume()
    else this.#source.pause()
  }

  stop(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#queue = []
  }

  #hold(what: Held['what']): void {
    const carriage = this.#carriage()
    this.#queue.push({ dueMs: performance.now() + (carriage.kind === 'open' ? (carriage.latencyMs ?? 0) : 0), what })
    this.pump()
  }
}
