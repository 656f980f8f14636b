/** A shard that keeps what it is given and answers as it is told, behind the real link server on a unix socket. */
import { EventEmitter, once } from 'node:events'
import type { Duplex } from 'node:stream'
import { type Frame, FrameDecoder } from '#lib/frames/codec.ts'
import { decodeQueueRequest, type QueueRequest } from '#lib/frames/queue.ts'
import {
  type DeliverBegin,
  type DeliveryOutcome,
  decodeDeliverBegin,
  decodeDeliverEnd,
  decodeHello,
  decodeRecipientsCheck,
  decodeSessionOpen,
  encodeDeliverResult,
  encodeRecipientsVerdict,
  encodeRefusal,
  encodeSessionOpened,
  FrameType,
  type RecipientQuery,
  type RecipientVerdict,
  type Refusal,
  type SessionOpen,
} from '#lib/frames/shard-protocol.ts'
import { shardSocketPath } from '#lib/link/address.ts'
import { writeFrame } from '#lib/link/rpc-client.ts'
import { type LinkServer, listenLinks } from '#lib/link/server.ts'
import { type AccountId, toShardName } from '#lib/mail/types.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'

export interface FakeLetter {
  readonly traceId: string
  readonly reversePath: string
  readonly recipients: readonly {
    readonly account: AccountId
    readonly deliveryId: string
    readonly mailbox: string
    readonly headerBlock: string
  }[]
  readonly body: Buffer
  /** What is to leave, of a submission. */
  readonly queue: QueueRequest | null
  /** It came in more than one frame. */
  readonly streamed: boolean
}

type Begin = DeliverBegin & { readonly queue: QueueRequest | null }

export interface FakeSession {
  readonly open: SessionOpen
  readonly stream: Duplex
}

/** Events: `letter` (FakeLetter), `aborted`, `session` (FakeSession). */
export class FakeShard extends EventEmitter {
  readonly letters: FakeLetter[] = []
  /** How many questions each recipientsCheck frame held. */
  readonly checks: number[] = []
  verdict: (query: RecipientQuery) => RecipientVerdict = () => ({ kind: 'ok' })
  outcome: (account: AccountId, letter: FakeLetter) => DeliveryOutcome = () => ({
    kind: 'stored',
    uid: 1,
    duplicate: false,
  })
  queueOutcome: (letter: FakeLetter) => DeliveryOutcome = () => ({ kind: 'queued' })
  /** Refuses sessions, when set. */
  refusal: Refusal | null = null
  /** Keeps letters but does not answer. */
  silent = false
  /** Drops the connection instead of answering a letter. */
  dropOnLetter = false
  /** Keeps no bodies: for measurements. */
  forgetful = false
  readonly #name
  readonly #socketDir: string
  readonly #streams = new Set<Duplex>()
  #server: LinkServer | null = null

  constructor(socketDir: string, name: string) {
    super()
    this.#socketDir = socketDir
    this.#name = toShardName(name)
  }

  async start(): Promise<void> {
    this.#server = await listenLinks({
      unix: { path: shardSocketPath(this.#socketDir, this.#name), identity: { role: 'edge', owner: 'n1-0' } },
      tls: null,
      onStream: (stream) => this.#serve(stream),
      clock: nodeClock,
      onRejected: () => {},
    })
  }

  /** As `kill -9`: every stream ends. */
  async stop(): Promise<void> {
    const server = this.#server
    this.#server = null
    for (const stream of this.#streams) stream.destroy()
    await server?.close()
  }

  /** Resolves with the next letter, also one that is already there beyond `count`. */
  async letterAt(index: number): Promise<FakeLetter> {
    for (;;) {
      const letter = this.letters[index]
      if (letter) return letter
      await once(this, 'letter')
    }
  }

  async nextSession(): Promise<FakeSession> {
    const [session] = await once(this, 'session')
    return session
  }

  #serve(stream: Duplex): void {
    this.#streams.add(stream)
    stream.once('close', () => this.#streams.delete(stream))
    stream.on('error', () => stream.destroy())
    const decoder = new FrameDecoder()
    const open = new Map<number, { readonly begin: Begin; readonly pieces: Buffer[] }>()
    const receive = (chunk: Buffer) => {
      decoder.push(chunk)
      for (let frame = decoder.next(); frame; frame = decoder.next()) {
        if (frame.type === FrameType.sessionOpen) {
          stream.off('data', receive)
          stream.pause()
          this.#session(stream, decodeSessionOpen(frame.payload), decoder.rest())
          return
        }
        this.#take(stream, frame, open)
      }
    }
    stream.on('data', receive)
  }

  #take(stream: Duplex, frame: Frame, open: Map<number, { begin: Begin; pieces: Buffer[] }>): void {
    const id = frame.requestId
    switch (frame.type) {
      case FrameType.hello:
        if (decodeHello(frame.payload).shard !== this.#name) stream.destroy()
        return
      case FrameType.recipientsCheck: {
        const queries = decodeRecipientsCheck(frame.payload)
        this.checks.push(queries.length)
        writeFrame(stream, FrameType.recipientsVerdict, id, [encodeRecipientsVerdict(queries.map(this.verdict))])
        return
      }
      case FrameType.queueBegin:
      case FrameType.quarantineBegin:
      case FrameType.deliverBegin: {
        const payload = this.forgetful ? frame.payload : Buffer.from(frame.payload)
        const queued = frame.type === FrameType.queueBegin ? decodeQueueRequest(payload) : null
        const begin = { ...decodeDeliverBegin(queued?.rest ?? payload), queue: queued?.request ?? null }
        const pieces = [Buffer.from(begin.body)]
        if (begin.complete) this.#deliver(stream, id, begin, pieces, false)
        else open.set(id, { begin, pieces })
        return
      }
      case FrameType.deliverData:
        open.get(id)?.pieces.push(Buffer.from(frame.payload))
        return
      case FrameType.quarantineEnd:
      case FrameType.deliverEnd: {
        const delivery = open.get(id)
        open.delete(id)
        if (!delivery) return
        const { commit, amendments } = decodeDeliverEnd(frame.payload)
        const recipients = delivery.begin.recipients.map((recipient, i) => ({ ...recipient, ...amendments[i] }))
        if (commit) this.#deliver(stream, id, { ...delivery.begin, recipients }, delivery.pieces, true)
        else this.emit('aborted')
        return
      }
      default:
        stream.destroy()
    }
  }

  #deliver(stream: Duplex, id: number, begin: Begin, pieces: Buffer[], streamed: boolean): void {
    if (this.forgetful) {
      const stored = begin.recipients.map(() => ({ kind: 'stored', uid: 1, duplicate: false }) as const)
      writeFrame(stream, FrameType.deliverResult, id, [encodeDeliverResult(stored)])
      return
    }
    const letter: FakeLetter = {
      traceId: begin.traceId,
      reversePath: begin.reversePath,
      recipients: begin.recipients.map(({ account, deliveryId, mailbox, headerBlock }) => ({
        account,
        mailbox,
        deliveryId: Buffer.from(deliveryId).toString('hex'),
        headerBlock: Buffer.from(headerBlock).toString('latin1'),
      })),
      body: Buffer.concat(pieces),
      queue: begin.queue,
      streamed,
    }
    this.letters.push(letter)
    if (this.dropOnLetter) stream.destroy()
    else if (!this.silent) {
      const outcomes = letter.recipients.map(({ account }) => this.outcome(account, letter))
      if (letter.queue !== null) outcomes.push(this.queueOutcome(letter))
      writeFrame(stream, FrameType.deliverResult, id, [encodeDeliverResult(outcomes)])
    }
    this.emit('letter', letter)
  }

  #session(stream: Duplex, open: SessionOpen, early: Buffer): void {
    if (this.refusal) {
      writeFrame(stream, FrameType.refused, 0, [encodeRefusal(this.refusal)])
      stream.end()
      return
    }
    writeFrame(stream, FrameType.sessionOpened, 0, [encodeSessionOpened({ capabilities: 'IMAP4rev1 IDLE' })])
    if (early.length > 0) stream.unshift(early)
    stream.once('end', () => stream.end())
    this.emit('session', { open, stream } satisfies FakeSession)
  }
}
