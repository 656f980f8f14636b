/** A raw SMTP dialogue: sends exactly the bytes it is given and shows every reply. No library decides anything for it. */
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Endpoint } from './array.ts'

export interface Reply {
  readonly code: number
  readonly text: string
}

export class SmtpDialogue {
  #socket: Socket
  #buffer = ''
  #replies: Reply[] = []
  #waiting: ((reply: Reply | null) => void)[] = []
  #lines: string[] = []
  #ended = false

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#listen()
  }

  /** Connects and reads the greeting. */
  static async open(endpoint: Endpoint, tls: { readonly ca: string } | null = null): Promise<SmtpDialogue> {
    const socket = tls
      ? connectTls({ host: endpoint.host, port: endpoint.port, ca: tls.ca })
      : connect(endpoint.port, endpoint.host)
    socket.setNoDelay(true)
    const dialogue = new SmtpDialogue(socket)
    const greeting = await dialogue.reply()
    if (greeting.code !== 220) throw new Error(`Greeting was ${greeting.code} ${greeting.text}`)
    return dialogue
  }

  /** Sends a line and reads its reply. */
  async say(line: string): Promise<Reply> {
    this.#socket.write(`${line}\r\n`)
    return await this.reply()
  }

  send(bytes: Uint8Array | string): void {
    this.#socket.write(bytes)
  }

  /** The next reply. @throws if the server closed without one. */
  async reply(): Promise<Reply> {
    const ready = this.#replies.shift()
    if (ready) return ready
    if (this.#ended) throw new Error('Connection closed')
    const reply = await new Promise<Reply | null>((resolve) => this.#waiting.push(resolve))
    if (!reply) throw new Error('Connection closed')
    return reply
  }

  async startTls(ca: string): Promise<void> {
    const ready = await this.say('STARTTLS')
    if (ready.code !== 220) throw new Error(`STARTTLS: ${ready.code} ${ready.text}`)
    this.#socket.removeAllListeners('data')
    this.#socket = await new Promise<Socket>((resolve, reject) => {
      const socket = connectTls({ socket: this.#socket, ca, checkServerIdentity: () => undefined }, () =>
        resolve(socket),
      )
      socket.once('error', reject)
    })
    this.#listen()
  }

  /** One whole transaction after EHLO; `body` is dot-stuffed here. Gives the last reply. */
  async deliver(from: string, to: readonly string[], body: Uint8Array): Promise<Reply> {
    for (const line of [`MAIL FROM:<${from}>`, ...to.map((one) => `RCPT TO:<${one}>`), 'DATA']) {
      const reply = await this.say(line)
      if (reply.code >= 400) {
        await this.say('RSET')
        return reply
      }
    }
    this.send(dotStuffed(body))
    this.send('.\r\n')
    return await this.reply()
  }

  close(): void {
    this.#socket.destroy()
  }

  #listen(): void {
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk.toString('latin1')))
    const end = () => {
      this.#ended = true
      for (const waiting of this.#waiting.splice(0)) waiting(null)
    }
    this.#socket.on('error', end)
    this.#socket.on('close', end)
  }

  #receive(text: string): void {
    this.#buffer += text
    for (let end = this.#buffer.indexOf('\r\n'); end >= 0; end = this.#buffer.indexOf('\r\n')) {
      const line = this.#buffer.slice(0, end)
      this.#buffer = this.#buffer.slice(end + 2)
      this.#lines.push(line.slice(4))
      if (line[3] === '-') continue
      const reply = { code: Number(line.slice(0, 3)), text: this.#lines.join('\n') }
      this.#lines = []
      const waiting = this.#waiting.shift()
      if (waiting) waiting(reply)
      else this.#replies.push(reply)
    }
  }
}

/** RFC 5321 section 4.5.2, in latin1 so that every byte stays itself. */
export function dotStuffed(body: Uint8Array): Buffer {
  const text = Buffer.from(body).toString('latin1')
  return Buffer.from(
    text.replace(/^\./gm, (dot, at: number) => (at === 0 || text[at - 1] === '\n' ? '..' : dot)),
    'latin1',
  )
}
