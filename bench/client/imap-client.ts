/** An IMAP client for load: one command at a time, answers counted rather than parsed. */
import type { Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import type { Account, Endpoint } from '../target.ts'
import { open } from './connection.ts'
import { type ImapResponse, ImapResponses } from './imap-responses.ts'

export interface CommandResult {
  readonly untagged: readonly { readonly text: string; readonly literalBytes: number }[]
}

export class ImapClient {
  readonly #socket: Socket
  readonly #responses = new ImapResponses()
  #waiting: { resolve(responses: ImapResponse[]): void; reject(error: Error): void } | null = null
  /** What ends the wait: a tag, a continuation, or the greeting (null). */
  #until: 'greeting' | 'continuation' | 'tag' = 'greeting'
  #gathered: ImapResponse[] = []
  #ended: Error | null = null
  #number = 0

  private constructor(endpoint: Endpoint, context: SecureContext, localAddress: string | undefined) {
    this.#socket = open({
      endpoint,
      context,
      localAddress,
      onData: (chunk) => {
        for (const response of this.#responses.push(chunk)) this.#take(response)
      },
      onEnd: (error) => {
        this.#ended ??= error
        this.#waiting?.reject(this.#ended)
        this.#waiting = null
      },
    })
  }

  /** Connects and logs in. */
  static async connect(
    endpoint: Endpoint,
    context: SecureContext,
    account: Account,
    localAddress?: string,
  ): Promise<ImapClient> {
    const client = new ImapClient(endpoint, context, localAddress)
    await client.#wait('greeting')
    await client.run(`LOGIN "${account.address}" "${account.password}"`)
    return client
  }

  /** Sends a command and resolves with its untagged responses. @throws if it does not end with OK. */
  async run(command: string): Promise<CommandResult> {
    this.#socket.write(`a${++this.#number} ${command}\r\n`)
    return this.#result(command, await this.#wait('tag'))
  }

  /** APPEND with a literal that the server must ask for, as clients without LITERAL+ send it. */
  async append(mailbox: string, letter: Buffer): Promise<CommandResult> {
    this.#socket.write(`a${++this.#number} APPEND ${mailbox} {${letter.length}}\r\n`)
    await this.#wait('continuation')
    this.#socket.cork()
    this.#socket.write(letter)
    this.#socket.write('\r\n')
    this.#socket.uncork()
    return this.#result('APPEND', await this.#wait('tag'))
  }

  /** Enters IDLE and stays there. */
  async idle(): Promise<void> {
    this.#socket.write(`a${++this.#number} IDLE\r\n`)
    await this.#wait('continuation')
    this.#socket.setTimeout(0)
  }

  /** What ended the connection, or null while it stands. */
  get ended(): Error | null {
    return this.#ended
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #result(command: string, responses: readonly ImapResponse[]): CommandResult {
    const untagged = []
    for (const response of responses) {
      if (response.kind === 'untagged') untagged.push({ text: response.text, literalBytes: response.literalBytes })
      else if (response.kind === 'tagged' && response.status !== 'OK') {
        throw new Error(`The server said "${response.status} ${response.text}" to ${command.slice(0, 60)}`)
      }
    }
    return { untagged }
  }

  #wait(until: 'greeting' | 'continuation' | 'tag'): Promise<ImapResponse[]> {
    if (this.#ended) return Promise.reject(this.#ended)
    this.#until = until
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
    })
  }

  #take(response: ImapResponse): void {
    this.#gathered.push(response)
    // A refusal ends every wait, so that it is told instead of waited out.
    const over = response.kind === 'tagged' || response.kind === this.#until || this.#until === 'greeting'
    if (!over || this.#waiting === null) return
    const { resolve, reject } = this.#waiting
    const gathered = this.#gathered
    this.#waiting = null
    this.#gathered = []
    if (response.kind === 'tagged' && this.#until !== 'tag') reject(new Error(`The server said "${response.text}"`))
    else resolve(gathered)
  }
}
