/** A client that says exactly the bytes it is told, over TCP or TLS, and waits for what it is told to wait for. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls, TLSSocket } from 'node:tls'
import type { TlsMaterial } from '#lib/tls/material.ts'

export class WireClient {
  #socket: Socket
  #received = ''
  #ended = false
  #wake: () => void = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#attach()
  }

  static async open(port: number): Promise<WireClient> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true })
    await once(socket, 'connect')
    return new WireClient(socket)
  }

  static async openTls(port: number, tls: TlsMaterial): Promise<WireClient> {
    const socket = connectTls({ host: '127.0.0.1', port, ca: tls.ca })
    await once(socket, 'secureConnect')
    return new WireClient(socket)
  }

  #attach(): void {
    this.#socket.on('data', (chunk: Buffer) => {
      this.#received += chunk.toString('latin1')
      this.#wake()
    })
    const end = () => {
      this.#ended = true
      this.#wake()
    }
    this.#socket.on('end', end)
    this.#socket.on('close', end)
    this.#socket.on('error', end)
  }

  send(text: string | Buffer): void {
    this.#socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text)
  }

  /** Sends and resolves when the bytes are handed to the kernel, so that the next send is a segment of its own. */
  async sendAlone(text: string | Buffer): Promise<void> {
    await new Promise<void>((sent) => this.#socket.write(Buffer.from(text), () => setImmediate(sent)))
  }

  /** Takes everything up to the end of the first match. Rejects if the connection ends before. */
  async expect(pattern: RegExp): Promise<string> {
    for (;;) {
      const match = pattern.exec(this.#received)
      if (match) {
        const taken = this.#received.slice(0, match.index + match[0].length)
        this.#received = this.#received.slice(taken.length)
        return taken
      }
      if (this.#ended) throw new Error(`Connection ended; wanted ${pattern}, have ${JSON.stringify(this.#received)}`)
      await new Promise<void>((wake) => {
        this.#wake = wake
      })
    }
  }

  /** One SMTP reply, its lines without the last CRLF. */
  async reply(): Promise<string> {
    return (await this.expect(/(?:^|\r\n)\d{3}(?: [^\r\n]*)?\r\n/)).trimEnd()
  }

  /** Sends a command and takes its reply. */
  async ask(command: string): Promise<string> {
    this.send(`${command}\r\n`)
    return await this.reply()
  }

  /** Everything until the server ends the connection. */
  async rest(): Promise<string> {
    while (!this.#ended) {
      await new Promise<void>((wake) => {
        this.#wake = wake
      })
    }
    return this.#received
  }

  async startTls(tls: TlsMaterial): Promise<void> {
    this.#socket.removeAllListeners()
    const secure = connectTls({ socket: this.#socket, ca: tls.ca, host: '127.0.0.1' })
    await once(secure, 'secureConnect')
    this.#socket = secure
    this.#attach()
  }

  /** What ties this TLS connection to a proof (RFC 9266). */
  channelBinding(): { type: string; data: Buffer } {
    if (!(this.#socket instanceof TLSSocket)) throw new Error('No TLS to bind to')
    const data = this.#socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0))
    return { type: 'tls-exporter', data }
  }

  /** Ends the sending side only. */
  end(): void {
    this.#socket.end()
  }

  close(): void {
    this.#socket.destroy()
  }
}
