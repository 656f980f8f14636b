/** A name server on loopback that answers from a table, and can be made to fail, lie or be silent. */
import { createSocket, type Socket } from 'node:dgram'
import { createServer, type Server } from 'node:net'
import { type Answer, AUTHENTIC_DATA, decode, encode, type Packet, TRUNCATED_RESPONSE } from 'dns-packet'
import type { NameServer } from '../udp-resolver.ts'

/** `forge`: an answer with another number comes first. `other-name`: an answer to another question. */
export type Mood = 'good' | 'silent' | 'servfail' | 'truncate' | 'forge' | 'other-name' | 'garbage' | 'secure'

export class FakeNameServer {
  readonly names = new Map<string, Answer[]>()
  mood: Mood = 'good'
  questions = 0
  readonly #udp: Socket
  readonly #tcp: Server
  at: NameServer = { address: '127.0.0.1', port: 0 }

  constructor() {
    this.#udp = createSocket('udp4')
    this.#tcp = createServer((socket) => {
      socket.on('error', () => socket.destroy())
      socket.on('data', (chunk: Buffer) => {
        const reply = encode(this.#answer(decode(chunk.subarray(2)), 0))
        const length = Buffer.alloc(2)
        length.writeUInt16BE(reply.length)
        socket.write(length)
        socket.write(reply)
      })
    })
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#tcp.listen(0, '127.0.0.1', resolve))
    const bound = this.#tcp.address()
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0
    await new Promise<void>((resolve) => this.#udp.bind(port, '127.0.0.1', resolve))
    this.at = { address: '127.0.0.1', port }
    this.#udp.on('message', (bytes, from) => {
      this.questions++
      const question = decode(bytes)
      const send = (packet: Buffer) => this.#udp.send(packet, from.port, from.address)
      if (this.mood === 'silent') return
      if (this.mood === 'garbage') send(Buffer.from('garbage'))
      if (this.mood === 'forge') send(encode({ ...this.#answer(question, 0), id: ((question.id ?? 0) + 1) % 65_536 }))
      if (this.mood === 'other-name') {
        send(encode({ ...this.#answer(question, 0), questions: [{ type: 'MX', name: 'evil.example' }] }))
      }
      if (this.mood === 'garbage') return
      if (this.mood === 'truncate') send(encode({ ...this.#answer(question, TRUNCATED_RESPONSE), answers: [] }))
      else send(encode(this.#answer(question, this.mood === 'secure' ? AUTHENTIC_DATA : 0)))
    })
    return this
  }

  async stop(): Promise<void> {
    this.#udp.close()
    await new Promise((resolve) => this.#tcp.close(resolve))
  }

  #answer(question: Packet, flags: number): Packet {
    const [asked] = question.questions ?? []
    const all = asked === undefined ? undefined : this.names.get(asked.name.toLowerCase())
    const fitting = all?.filter(({ type }) => type === asked?.type || type === 'CNAME') ?? []
    const code = this.mood === 'servfail' ? 2 : all === undefined ? 3 : 0
    return {
      type: 'response',
      id: question.id ?? 0,
      flags: flags | code,
      questions: question.questions ?? [],
      answers: fitting.flatMap((one) => [one, ...this.#behind(one, asked?.type)]),
    }
  }

  #behind(one: Answer, type: string | undefined): Answer[] {
    if (one.type !== 'CNAME') return []
    return (this.names.get(one.data) ?? []).filter((next) => next.type === type)
  }
}
