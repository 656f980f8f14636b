/**
 * An SMTP client for load: one write for MAIL, RCPT and DATA (RFC 2920), one for the letter, no events or promises of its
 * own beyond one per step. It costs a fraction of the servers it loads.
 */
import type { Socket } from 'node:net'
import type { Endpoint } from '../target.ts'
import { open } from './connection.ts'
import { SmtpReplies, type SmtpReply } from './smtp-replies.ts'

export class SmtpClient {
  readonly #socket: Socket
  readonly #replies = new SmtpReplies()
  #received: SmtpReply[] = []
  #wanted = 0
  #settle: ((error: Error | null) => void) | null = null
  #ended: Error | null = null

  private constructor(endpoint: Endpoint) {
    this.#socket = open({
      endpoint,
      context: null,
      onData: (chunk) => {
        this.#received.push(...this.#replies.push(chunk))
        if (this.#received.length >= this.#wanted) this.#finish(null)
      },
      onEnd: (error) => {
        this.#ended ??= error
        this.#finish(this.#ended)
      },
    })
  }

  /** Connects and greets. */
  static async connect(endpoint: Endpoint): Promise<SmtpClient> {
    const client = new SmtpClient(endpoint)
    expectCodes(await client.#take(1), [220])
    client.#socket.write('EHLO bench.localhost\r\n')
    expectCodes(await client.#take(1), [250])
    return client
  }

  /** Sends one letter and resolves when the server has taken it: `pieces` are its bytes, with no line that begins with a dot. */
  async send(recipient: string, pieces: readonly Buffer[]): Promise<void> {
    this.#socket.write(`MAIL FROM:<bench@sender.test>\r\nRCPT TO:<${recipient}>\r\nDATA\r\n`)
    expectCodes(await this.#take(3), [250, 250, 354])
    this.#socket.cork()
    for (const piece of pieces) this.#socket.write(piece)
    this.#socket.write('.\r\n')
    this.#socket.uncork()
    expectCodes(await this.#take(1), [250])
  }

  async quit(): Promise<void> {
    this.#socket.write('QUIT\r\n')
    expectCodes(await this.#take(1), [221])
    this.#socket.destroy()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  async #take(count: number): Promise<SmtpReply[]> {
    if (this.#received.length < count) {
      if (this.#ended) throw this.#ended
      this.#wanted = count
      await new Promise<void>((resolve, reject) => {
        this.#settle = (error) => (error === null ? resolve() : reject(error))
      })
    }
    return this.#received.splice(0, count)
  }

  #finish(error: Error | null): void {
    const settle = this.#settle
    this.#settle = null
    settle?.(error)
  }
}

function expectCodes(replies: readonly SmtpReply[], codes: readonly number[]): void {
  for (const [index, reply] of replies.entries()) {
    if (reply.code !== codes[index])
      throw new Error(`The server said "${reply.text}" where ${codes[index]} was expected`)
  }
}
