/**
 * The letter that `up` sends to another domain: submitted as a user does, through the queue of the author's shard and a sender, to a
 * server that stands for the world outside. That one is here: it takes one letter and looks at it.
 */
import { randomUUID } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { sleep } from '#lib/ports/clock.ts'
import { type Action, SmtpReceiver } from '#lib/smtp/mod.ts'
import { type Endpoints, OUTSIDE_DOMAIN } from '#operator/api/local-layout.ts'
import { letterText, TIMEOUT_MS, transportTo } from './show-letter.ts'

const LINES = ['. A line that begins with a dot stays as it is.']
const LETTER_BYTES_MAX = 1024 * 1024

export interface OutsideFacts {
  readonly from: string
  readonly to: string
  /** What the server at submission said. */
  readonly reply: string
  readonly bytes: number
  /** From the reply at submission to the end of the letter outside. */
  readonly ms: number
}

/** @throws if the letter did not come within 15 s, or with other bytes */
export async function sendOutside(endpoints: Endpoints, ca: string, subject: string): Promise<OutsideFacts> {
  const [account] = endpoints.accounts
  if (!account) throw new Error('there is no account to write from')
  const to = `friend@${OUTSIDE_DOMAIN}`
  const token = randomUUID()
  const raw = Buffer.from(letterText({ from: `<${account.address}>`, to, subject, token }, LINES), 'utf8')
  const sink = await OutsideServer.listen(endpoints.outside)
  try {
    const transport = transportTo(endpoints.submission, ca, { user: account.address, pass: account.password })
    const { response } = await transport.sendMail({ envelope: { from: account.address, to: [to] }, raw })
    transport.close()
    const sentMs = nodeClock.monotonicMs()
    const letter = await sink.letterWith(token, TIMEOUT_MS)
    if (!letter.subarray(-raw.length).equals(raw)) throw new Error('the letter came out with other bytes')
    const ms = Math.round(nodeClock.monotonicMs() - sentMs)
    return { from: account.address, to, reply: response, bytes: letter.length, ms }
  } finally {
    await sink.close()
  }
}

/** Takes every letter and keeps it for as long as it listens. */
class OutsideServer {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #letters: Buffer[] = []

  static async listen({ host, port }: Endpoints['outside']): Promise<OutsideServer> {
    const server = new OutsideServer()
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject)
      server.#server.listen(port, host, resolve)
    })
    return server
  }

  private constructor() {
    this.#server = createServer((socket) => this.#serve(socket))
  }

  async letterWith(token: string, withinMs: number): Promise<Buffer> {
    const deadline = nodeClock.monotonicMs() + withinMs
    for (;;) {
      const found = this.#letters.find((letter) => letter.includes(token))
      if (found !== undefined) return found
      if (nodeClock.monotonicMs() >= deadline) throw new Error(`it did not come out within ${withinMs / 1000} s`)
      await sleep(nodeClock, 10)
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    const receiver = new SmtpReceiver({
      hostname: `mx.${OUTSIDE_DOMAIN}`,
      banner: 'ESMTP',
      protocol: 'smtp',
      tls: false,
      startTls: false,
      loginRequired: false,
      sizeMax: LETTER_BYTES_MAX,
      recipientsMax: 10,
      smtpUtf8: false,
      dsn: false,
    })
    let pieces: Buffer[] = []
    const take = (action: Action) => {
      if (action.kind === 'body') pieces.push(Buffer.from(action.piece))
      else if (action.kind === 'letter-end') {
        this.#letters.push(Buffer.concat(pieces))
        pieces = []
        receiver.settleLetter([{ code: 250, text: '2.0.0 Taken' }])
      } else if (action.kind === 'close') socket.end()
      else if (action.kind !== 'letter-abandoned') receiver.settle(null)
    }
    const run = () => {
      for (let action = receiver.next(); action !== null; action = receiver.next()) take(action)
      const said = receiver.takeOutput()
      if (said !== '') socket.write(said, 'latin1')
    }
    socket.on('data', (chunk: Buffer) => {
      receiver.push(chunk)
      run()
    })
    receiver.greet()
    run()
  }
}
