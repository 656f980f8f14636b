/**
 * Questions to one name server over TLS (RFC 7858): the way on which AD may be believed where the server is another machine. One connection
 * carries many questions at a time and rests when nothing was asked for a while; whoever answers must have a certificate for the name.
 */
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { Clock } from '#lib/ports/clock.ts'

const IDLE_MS = 30_000
/** RFC 1035 section 4.2.2: each message after its length. */
const LENGTH_BYTES = 2

export interface TlsServer {
  /** Name or address to connect to. */
  readonly address: string
  readonly port: number
  /** What its certificate must be for. */
  readonly name: string
  /** Authorities that may have signed it, asked for each connection; null: those of the system. */
  readonly ca: () => string | null
}

interface Waiting {
  /** @returns Whether it is the answer. */
  readonly take: (message: Buffer) => boolean
  readonly failed: (error: Error) => void
}

export class TlsChannel {
  readonly #server: TlsServer
  readonly #clock: Clock
  readonly #waiting = new Set<Waiting>()
  #socket: TLSSocket | null = null
  #input = Buffer.alloc(0)
  /** Messages that have come. */
  #heard = 0
  #cancelIdle: () => void = () => undefined

  constructor(server: TlsServer, clock: Clock) {
    this.#server = server
    this.#clock = clock
  }

  /** @param take Sees each message that comes until it returns true. @returns What gives the question up. */
  ask(question: Buffer, take: Waiting['take'], failed: Waiting['failed']): () => void {
    let answered = false
    const heard = this.#heard
    const waiting: Waiting = {
      take(message) {
        answered = true // whoever takes it gives the question up at once
        answered = take(message)
        return answered
      },
      failed,
    }
    this.#waiting.add(waiting)
    this.#cancelIdle()
    const length = Buffer.alloc(LENGTH_BYTES)
    length.writeUInt16BE(question.length)
    const socket = this.#open()
    socket.ref()
    socket.write(Buffer.concat([length, question]))
    return () => {
      this.#waiting.delete(waiting)
      // Nothing has come since then: the other side may be gone without a word, and whoever asks next gets another connection. One
      // name that takes long is no reason.
      if (!answered && heard === this.#heard) this.#over(socket, new Error('the server is silent'))
      else if (this.#waiting.size === 0) this.#rest()
    }
  }

  /** Written before the handshake is over waits for its end, and for the certificate to be good. */
  #open(): TLSSocket {
    if (this.#socket !== null) return this.#socket
    const { address, port, name, ca } = this.#server
    const authorities = ca()
    const socket = connectTls({
      host: address,
      port,
      servername: name,
      ALPNProtocols: ['dot'],
      ...(authorities === null ? {} : { ca: authorities }),
    })
    this.#socket = socket
    this.#input = Buffer.alloc(0)
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('error', (error) => this.#over(socket, error))
    socket.on('close', () => this.#over(socket, new Error('the connection ended')))
    return socket
  }

  #take(chunk: Buffer): void {
    this.#input = Buffer.concat([this.#input, chunk])
    while (this.#input.length >= LENGTH_BYTES) {
      const end = LENGTH_BYTES + this.#input.readUInt16BE(0)
      if (this.#input.length < end) return
      const message = this.#input.subarray(LENGTH_BYTES, end)
      this.#input = this.#input.subarray(end)
      this.#heard++
      for (const waiting of this.#waiting) if (waiting.take(message)) break
    }
  }

  #over(socket: TLSSocket, error: Error): void {
    if (this.#socket !== socket) return
    this.#socket = null
    this.#cancelIdle()
    socket.destroy()
    for (const waiting of [...this.#waiting]) waiting.failed(error)
  }

  #rest(): void {
    this.#cancelIdle()
    this.#cancelIdle = this.#clock.after(IDLE_MS, () => this.close())
    this.#socket?.unref()
  }

  /** Ends the connection; the next question opens another. */
  close(): void {
    const socket = this.#socket
    this.#socket = null
    this.#cancelIdle()
    socket?.destroy()
  }
}
