/**
 * Requests over one `rpc` stream to a shard: many at once, matched by request id. When the stream ends, every open request
 * rejects with LINK_LOST: whether the shard had carried it out is unknown, so what is repeated must be idempotent.
 */
import type { Duplex } from 'node:stream'
import { errorMessage } from '#lib/errors/coded-error.ts'
import { FrameDecoder, frameHeader } from '#lib/frames/codec.ts'
import { decodeRefusal, encodeHello, FrameType, type Hello, type Refusal } from '#lib/frames/shard-protocol.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { LinkError } from './dialer.ts'

/**
 * A shard that answers nothing for so long while something waits is given up: its process is frozen or its machine gone. Longer
 * than a failover holds an operation, so that a shard that lives is not given up.
 */
export const SILENCE_MS = 4_000
/** The answer may lie unread in a process that had no processor: it is read before the last look. */
const LAST_LOOK_MS = 200

/** The shard answered `refused`. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError'
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(refusal.message)
    this.refusal = refusal
  }
}

interface Waiting {
  readonly resolve: (payload: Buffer) => void
  readonly reject: (error: Error) => void
}

/** Writes one frame; header and payload pieces go out together. @returns false when the stream wants a pause. */
export function writeFrame(stream: Duplex, type: number, requestId: number, payload: readonly Uint8Array[]): boolean {
  const length = payload.reduce((sum, piece) => sum + piece.byteLength, 0)
  stream.cork()
  let more = stream.write(frameHeader(type, requestId, length))
  for (const piece of payload) if (piece.byteLength > 0) more = stream.write(piece)
  stream.uncork()
  return more
}

export class RpcClient {
  readonly #stream: Duplex
  readonly #decoder = new FrameDecoder()
  readonly #waiting = new Map<number, Waiting>()
  readonly #onLost: () => void
  readonly #clock: Clock | null
  #cancelSilence: (() => void) | null = null
  /** When the peer was last heard, or given something new to answer. */
  #heardMs = 0
  #lastLook = false
  #lastId = 0
  #lost: Error | null = null

  /**
   * Takes the stream over and says hello on it.
   * @param onLost Called once when the stream has ended.
   * @param clock With it, a peer that is silent for SILENCE_MS while something waits is given up with LINK_LOST.
   */
  constructor(stream: Duplex, hello: Omit<Hello, 'purpose'>, onLost: () => void, clock: Clock | null = null) {
    this.#stream = stream
    this.#onLost = onLost
    this.#clock = clock
    stream.on('data', (chunk: Buffer) => this.#receive(chunk))
    stream.on('error', (error) => this.#end(error))
    stream.on('close', () => this.#end(new Error('closed')))
    stream.on('end', () => this.#end(new Error('ended')))
    writeFrame(stream, FrameType.hello, 0, [encodeHello({ ...hello, purpose: 'rpc' })])
  }

  get lost(): boolean {
    return this.#lost !== null
  }

  /**
   * Sends one request and resolves with the payload of its answer.
   * @throws {RefusedError} when the shard refuses, {LinkError} LINK_LOST when the stream ends first
   */
  request(type: number, payload: readonly Uint8Array[]): Promise<Buffer> {
    return this.open(type, payload).answer
  }

  /** Like `request`, for those that go on with further frames under the same id (a letter in pieces). */
  open(type: number, payload: readonly Uint8Array[]): OpenRequest {
    const lost = this.#lost
    if (lost) return { answer: Promise.reject(lost), send: () => Promise.resolve() }
    this.#lastId = this.#lastId === 0xffff_ffff ? 1 : this.#lastId + 1
    const id = this.#lastId
    if (this.#waiting.size === 0) this.#heard()
    const answer = new Promise<Buffer>((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
    this.#watchSilence()
    writeFrame(this.#stream, type, id, payload)
    return {
      answer,
      send: async (moreType, morePayload) => {
        if (this.#lost) return // `answer` has rejected already
        // The answer to a letter in pieces comes after the last of them.
        this.#heard()
        if (!writeFrame(this.#stream, moreType, id, morePayload)) await this.#drained()
      },
    }
  }

  close(): void {
    this.#stream.destroy()
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#stream.off('drain', done)
        this.#stream.off('close', done)
        resolve()
      }
      this.#stream.once('drain', done)
      this.#stream.once('close', done)
    })
  }

  #heard(): void {
    if (this.#clock !== null) this.#heardMs = this.#clock.monotonicMs()
    this.#lastLook = false
  }

  /** One timer, set anew when it fires: frames come too often for a timer each. */
  #watchSilence(): void {
    const clock = this.#clock
    if (clock === null || this.#cancelSilence !== null) return
    const leftMs = this.#lastLook ? LAST_LOOK_MS : this.#heardMs + SILENCE_MS - clock.monotonicMs()
    this.#cancelSilence = clock.after(Math.max(0, leftMs), () => {
      this.#cancelSilence = null
      if (this.#waiting.size === 0) return
      if (this.#lastLook) {
        this.#stream.destroy(new Error(`no answer for ${SILENCE_MS} ms`))
        return
      }
      this.#lastLook = clock.monotonicMs() - this.#heardMs >= SILENCE_MS
      this.#watchSilence()
    })
  }

  #receive(chunk: Buffer): void {
    try {
      this.#decoder.push(chunk)
      for (let frame = this.#decoder.next(); frame; frame = this.#decoder.next()) {
        if (frame.type === FrameType.refused && frame.requestId === 0) {
          this.#end(new RefusedError(decodeRefusal(frame.payload)))
          this.#stream.destroy()
          return
        }
        const waiting = this.#waiting.get(frame.requestId)
        if (!waiting) continue
        this.#waiting.delete(frame.requestId)
        if (frame.type === FrameType.refused) waiting.reject(new RefusedError(decodeRefusal(frame.payload)))
        else waiting.resolve(Buffer.from(frame.payload))
      }
      this.#heard()
    } catch (error) {
      this.#stream.destroy(error instanceof Error ? error : undefined)
    }
  }

  #end(cause: Error): void {
    if (this.#lost) return
    this.#lost =
      cause instanceof RefusedError
        ? cause
        : new LinkError('LINK_LOST', `Lost the shard: ${errorMessage(cause)}`, { cause })
    for (const waiting of this.#waiting.values()) waiting.reject(this.#lost)
    this.#waiting.clear()
    this.#cancelSilence?.()
    this.#onLost()
  }
}

export interface OpenRequest {
  readonly answer: Promise<Buffer>
  /** Sends a further frame under the request's id; resolves when the stream takes more. */
  send(type: number, payload: readonly Uint8Array[]): Promise<void>
}
