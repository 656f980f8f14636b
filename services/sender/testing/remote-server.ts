/** A mail server of another domain on loopback, that takes letters or misbehaves as it is told. */
import { createServer, type Server, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/** Where it stops answering, or ends the connection. `dot`: behind the final dot. */
export type Step = 'connect' | 'ehlo' | 'mail' | 'rcpt' | 'data' | 'body' | 'dot'

export interface TakenLetter {
  readonly from: string
  readonly to: readonly string[]
  readonly body: string
  readonly secure: boolean
}

export class RemoteServer {
  readonly letters: TakenLetter[] = []
  /** Lines behind the first of EHLO. */
  extensions = ['PIPELINING', '8BITMIME', 'SIZE 100000000']
  /** Reply to RCPT by address; else 250. */
  recipient: (address: string) => string = () => '250 2.1.5 ok'
  end: () => string = () => '250 2.0.0 taken'
  greeting = '220 mx.example.net ESMTP'
  hangAt: Step | null = null
  dropAt: Step | null = null
  /** For STARTTLS; null: not offered. */
  tls: { readonly cert: string; readonly key: string } | null = null
  /** The connection begins with TLS. */
  implicitTls = false
  /** `user:password` that is taken, over TLS only; null: no AUTH. */
  login: string | null = null
  /** Who has logged in on each connection that did. */
  readonly logins: string[] = []
  /** The handshake fails. */
  brokenTls = false
  connections = 0
  /** Connections open at once, at most. */
  peak = 0
  /** Called when the whole letter is there, before the answer. */
  onLetter: () => Promise<void> = async () => undefined
  port = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  constructor() {
    this.#server = createServer((socket) => this.#serve(socket))
  }

  async start(address = '127.0.0.1', port = 0): Promise<this> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, address, resolve)
    })
    const bound = this.#server.address()
    this.port = typeof bound === 'object' && bound !== null ? bound.port : 0
    return this
  }

  /** Ends all connections, as servers do with idle ones. */
  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async stop(): Promise<void> {
    this.hangUp()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #serve(raw: Socket): void {
    this.connections++
    this.#sockets.add(raw)
    this.peak = Math.max(this.peak, this.#sockets.size)
    raw.on('error', () => raw.destroy())
    raw.once('close', () => this.#sockets.delete(raw))
    if (this.#at('connect', raw)) return
    if (this.implicitTls && this.tls !== null) {
      const secure = new TLSSocket(raw, { isServer: true, ...this.tls })
      secure.on('error', () => raw.destroy())
      secure.write(`${this.greeting}\r\n`)
      this.#talk(secure, true)
      return
    }
    raw.write(`${this.greeting}\r\n`)
    this.#talk(raw, false)
  }

  #talk(socket: Socket, secure: boolean): void {
    let input = ''
    let letter: string | null = null
    let from = ''
    let to: string[] = []
    const say = (line: string) => socket.write(`${line}\r\n`)
    const take = async (chunk: Buffer) => {
      input += chunk.toString('latin1')
      for (;;) {
        if (letter !== null) {
          if (this.#at('body', socket)) return
          const end = `\r\n${input}`.indexOf('\r\n.\r\n')
          if (end === -1) return
          const body = `\r\n${input}`.slice(2, end + 2).replace(/^\.\./gm, '.')
          input = input.slice(end + 3)
          letter = null
          this.letters.push({ from, to, body, secure })
          await this.onLetter()
          if (this.#at('dot', socket)) return
          say(this.end())
          to = []
          continue
        }
        const line = input.indexOf('\r\n')
        if (line === -1) return
        const said = input.slice(0, line)
        input = input.slice(line + 2)
        const verb = said.slice(0, 4).toUpperCase()
        const path = /<(.*?)>/.exec(said)?.[1] ?? ''
        if (verb === 'EHLO') {
          if (this.#at('ehlo', socket)) return
          const offered =
            this.tls !== null && !secure
              ? [...this.extensions, 'STARTTLS']
              : [...this.extensions, ...(this.login !== null && secure ? ['AUTH PLAIN'] : [])]
          const lines = ['mx.example.net', ...offered]
          say(lines.map((one, i) => `250${i === lines.length - 1 ? ' ' : '-'}${one}`).join('\r\n'))
        } else if (verb === 'STAR' && this.tls !== null) {
          socket.removeAllListeners('data')
          say('220 go')
          if (this.brokenTls) socket.once('data', () => socket.end('this is no TLS'))
          else {
            const upgraded = new TLSSocket(socket, { isServer: true, ...this.tls })
            upgraded.on('error', () => socket.destroy())
            this.#talk(upgraded, true)
          }
          return
        } else if (verb === 'AUTH') {
          const [, user = '', password = ''] = Buffer.from(said.slice(11), 'base64').toString().split('\0')
          if (`${user}:${password}` === this.login) {
            this.logins.push(user)
            say('235 2.7.0 ok')
          } else say('535 5.7.8 no')
        } else if (verb === 'MAIL') {
          if (this.#at('mail', socket)) return
          from = path
          to = []
          say('250 2.1.0 ok')
        } else if (verb === 'RCPT') {
          if (this.#at('rcpt', socket)) return
          const reply = this.recipient(path)
          if (reply.startsWith('2')) to.push(path)
          say(reply)
        } else if (verb === 'DATA') {
          if (this.#at('data', socket)) return
          letter = ''
          say('354 go')
        } else if (verb === 'QUIT') {
          say('221 bye')
          socket.end()
        } else say('250 ok')
      }
    }
    let queue = Promise.resolve()
    socket.on('data', (chunk: Buffer) => {
      queue = queue.then(() => take(chunk))
    })
    socket.on('error', () => socket.destroy())
  }

  /** @returns Whether nothing more is said. */
  #at(step: Step, socket: Socket): boolean {
    if (this.dropAt === step) socket.destroy()
    return this.dropAt === step || this.hangAt === step
  }
}
