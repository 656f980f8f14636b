/** A small POP3 client over implicit TLS that gives back exact bytes. */
import { connect, type TLSSocket } from 'node:tls'
import type { DemoAccount, Endpoint } from './array.ts'

export class Pop3Client {
  readonly #socket: TLSSocket
  #buffer: Buffer = Buffer.alloc(0)
  /** What came since `#buffer` was last joined: joining at each chunk would copy a large letter hundreds of times. */
  #arrived: Buffer[] = []
  #wake: (() => void) | null = null
  #ended = false

  private constructor(socket: TLSSocket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#arrived.push(chunk)
      this.#wake?.()
    })
    const end = () => {
      this.#ended = true
      this.#wake?.()
    }
    socket.on('error', end)
    socket.on('close', end)
  }

  /** Connects and logs in. @throws with the server's `-ERR` line. */
  static async login(endpoint: Endpoint, ca: string, account: DemoAccount): Promise<Pop3Client> {
    const client = new Pop3Client(connect({ host: endpoint.host, port: endpoint.port, ca }))
    await client.#ok()
    await client.say(`USER ${account.address}`)
    await client.say(`PASS ${account.password}`)
    return client
  }

  async say(line: string): Promise<string> {
    this.#socket.write(`${line}\r\n`)
    return await this.#ok()
  }

  /** UIDLs by message number. */
  async uidls(): Promise<Map<number, string>> {
    await this.say('UIDL')
    const text = (await this.#multiLine()).toString('latin1')
    const rows = text.split('\r\n').filter((row) => row !== '')
    return new Map(rows.map((row) => [Number(row.split(' ')[0]), row.split(' ')[1] ?? '']))
  }

  /** The message's exact bytes, dots unstuffed. */
  async retrieve(number: number): Promise<Buffer> {
    await this.say(`RETR ${number}`)
    return await this.#multiLine()
  }

  async quit(): Promise<void> {
    await this.say('QUIT')
    this.#socket.destroy()
  }

  async #ok(): Promise<string> {
    const end = await this.#until('\r\n')
    const line = this.#take(end + 2)
      .subarray(0, end)
      .toString('latin1')
    if (!line.startsWith('+OK')) throw new Error(line)
    return line
  }

  async #multiLine(): Promise<Buffer> {
    if ((await this.#until('\r\n')) === 1 && this.#buffer[0] === 0x2e) {
      this.#take(3)
      return Buffer.alloc(0)
    }
    const end = await this.#until('\r\n.\r\n')
    const text = this.#take(end + 5)
      .subarray(0, end + 2)
      .toString('latin1')
    return Buffer.from(text.replace(/(^|\r\n)\.\./g, '$1.'), 'latin1')
  }

  /** Index of `mark`; waits for a growing share of new bytes before it joins and looks again. */
  async #until(mark: string): Promise<number> {
    for (let from = 0; ; ) {
      this.#buffer = Buffer.concat([this.#buffer, ...this.#arrived.splice(0)])
      const at = this.#buffer.indexOf(mark, from, 'latin1')
      if (at >= 0) return at
      from = Math.max(0, this.#buffer.length - mark.length)
      await this.#more()
    }
  }

  /** Waits until as much has come as was there, or the last bytes of an answer. */
  async #more(): Promise<void> {
    for (;;) {
      if (this.#ended && this.#arrived.length === 0) throw new Error('Connection closed')
      const bytes = this.#arrived.reduce((sum, chunk) => sum + chunk.length, 0)
      const last = this.#arrived.at(-1)
      if (last && (bytes >= this.#buffer.length || last.at(-1) === 0x0a)) return
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = null
    }
  }

  #take(length: number): Buffer {
    const taken = this.#buffer.subarray(0, length)
    this.#buffer = this.#buffer.subarray(length)
    return taken
  }
}
