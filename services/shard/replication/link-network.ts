/**
 * `PeerNetwork` over mutual TLS: channels to the replica of the same shard on the other member. Each kind has a connection of
 * its own, so that a copy delays no record and a record no beacon. After `replicaOpen` a stream carries | length u32 | frame |.
 */
import type { Duplex } from 'node:stream'
import { CodedError, type ErrorSpec, errorMessage } from '#lib/errors/coded-error.ts'
import { FrameDecoder } from '#lib/frames/codec.ts'
import { decodeRefusal, encodeHello, encodeReplicaOpen, FrameType } from '#lib/frames/shard-protocol.ts'
import type { LinkAddress } from '#lib/link/address.ts'
import { deadline } from '#lib/link/deadline.ts'
import type { Dialer } from '#lib/link/dialer.ts'
import { writeFrame } from '#lib/link/rpc-client.ts'
import type { ShardName } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import {
  type ChannelHandlers,
  type ChannelKind,
  PEER_FRAME_BYTES_MAX,
  type PeerChannel,
  type PeerNetwork,
} from '#lib/ports/network.ts'

/** From the stream to the peer's word that it takes the channel. */
const ANSWER_MS = 2_000
const LENGTH_BYTES = 4

export const PEER_NETWORK_ERRORS = {
  PEER_UNREACHABLE: { retry: true, meaning: 'The other member of the pair did not take a replication channel.' },
} as const satisfies Record<string, ErrorSpec>

export class PeerNetworkError extends CodedError<keyof typeof PEER_NETWORK_ERRORS> {
  override readonly name = 'PeerNetworkError'
}

export interface LinkNetworkOptions {
  readonly shard: ShardName
  readonly pod: string
  readonly peer: LinkAddress
  /** A dialer for each kind: streams of one dialer share a connection. */
  readonly dialers: Readonly<Record<ChannelKind, Dialer>>
  readonly clock: Clock
  /** A peer that announced more than a frame may hold; its channel is closed. */
  readonly onBroken: (reason: string) => void
}

export class LinkNetwork implements PeerNetwork {
  readonly #options: LinkNetworkOptions
  #accept: ((channel: PeerChannel) => void) | null = null

  constructor(options: LinkNetworkOptions) {
    this.#options = options
  }

  async dial(kind: ChannelKind): Promise<PeerChannel> {
    const { shard, pod, peer, dialers, clock } = this.#options
    const stream = await dialers[kind].dial(peer)
    return await new Promise((resolve, reject) => {
      const decoder = new FrameDecoder()
      const fail = (cause: unknown) => {
        finish()
        stream.destroy()
        reject(
          new PeerNetworkError('PEER_UNREACHABLE', `Cannot open ${kind} to the peer: ${errorMessage(cause)}`, {
            cause,
          }),
        )
      }
      const closed = () => fail(new Error('closed'))
      const cancel = deadline(clock, ANSWER_MS, () => fail(new Error('timed out')))
      const finish = () => {
        cancel()
        stream.off('data', receive)
        stream.off('error', fail)
        stream.off('close', closed)
      }
      const receive = (chunk: Buffer) => {
        try {
          decoder.push(chunk)
          const frame = decoder.next()
          if (!frame) return
          if (frame.type !== FrameType.done) throw new Error(decodeRefusal(frame.payload).message)
          finish()
          stream.pause()
          resolve(new StreamChannel(kind, stream, decoder.rest(), this.#options.onBroken))
        } catch (error) {
          fail(error)
        }
      }
      stream.on('data', receive)
      stream.on('error', fail)
      stream.on('close', closed)
      writeFrame(stream, FrameType.hello, 0, [encodeHello({ shard, caller: `member ${pod}`, purpose: 'replica' })])
      writeFrame(stream, FrameType.replicaOpen, 0, [encodeReplicaOpen(kind)])
    })
  }

  listen(accept: (channel: PeerChannel) => void): () => void {
    this.#accept = accept
    return () => {
      if (this.#accept === accept) this.#accept = null
    }
  }

  /**
   * Takes a stream that the other member opened (its certificate was looked at before).
   * @param early Bytes behind `replicaOpen`. @returns false if nobody listens: the caller refuses.
   */
  take(kind: ChannelKind, stream: Duplex, early: Buffer): boolean {
    const accept = this.#accept
    if (!accept) return false
    writeFrame(stream, FrameType.done, 0, [])
    accept(new StreamChannel(kind, stream, early, this.#options.onBroken))
    return true
  }

  close(): void {
    for (const dialer of Object.values(this.#options.dialers)) dialer.close()
  }
}

class StreamChannel implements PeerChannel {
  readonly kind: ChannelKind
  readonly #stream: Duplex
  readonly #onBroken: (reason: string) => void
  #chunks: Buffer[]
  #buffered: number
  #handlers: ChannelHandlers | null = null
  #closed: string | null = null

  /** Nothing is read before `open`. */
  constructor(kind: ChannelKind, stream: Duplex, early: Buffer, onBroken: (reason: string) => void) {
    this.#onBroken = onBroken
    this.kind = kind
    this.#stream = stream
    this.#chunks = early.length > 0 ? [early] : []
    this.#buffered = early.length
    stream.on('error', (error) => this.#end(error.message))
    stream.on('close', () => this.#end('the connection was lost'))
    stream.on('end', () => this.#end('the peer closed the connection'))
  }

  open(handlers: ChannelHandlers): void {
    this.#handlers = handlers
    this.#stream.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.#buffered += chunk.length
      this.#cut()
    })
    // Not inside this call: the owner has not stored the channel yet.
    queueMicrotask(() => {
      if (this.#closed !== null) handlers.closed(this.#closed)
      else {
        this.#cut()
        this.#stream.resume()
      }
    })
  }

  send(pieces: readonly Uint8Array[]): void {
    if (this.#closed !== null) return
    const length = Buffer.allocUnsafe(LENGTH_BYTES)
    length.writeUInt32BE(pieces.reduce((sum, piece) => sum + piece.byteLength, 0))
    this.#stream.cork()
    this.#stream.write(length)
    for (const piece of pieces) if (piece.byteLength > 0) this.#stream.write(piece)
    this.#stream.uncork()
  }

  close(reason: string): void {
    if (this.#closed !== null) return
    queueMicrotask(() => this.#end(reason))
    this.#stream.destroy()
  }

  /** Cuts what has come into frames; a frame gets memory of its own where it came in several pieces. */
  #cut(): void {
    while (this.#closed === null && this.#buffered >= LENGTH_BYTES) {
      const head = this.#contiguous(LENGTH_BYTES)
      const length = head.readUInt32BE(0)
      if (length > PEER_FRAME_BYTES_MAX) {
        const reason = `the peer announced a frame of ${length} bytes`
        this.#onBroken(reason)
        this.#stream.destroy()
        this.#end(reason)
        return
      }
      if (this.#buffered < LENGTH_BYTES + length) return
      const whole = this.#contiguous(LENGTH_BYTES + length)
      const frame = whole.subarray(LENGTH_BYTES, LENGTH_BYTES + length)
      this.#buffered -= LENGTH_BYTES + length
      if (whole.length > LENGTH_BYTES + length) this.#chunks[0] = whole.subarray(LENGTH_BYTES + length)
      else this.#chunks.shift()
      this.#handlers?.frame(frame)
    }
  }

  #contiguous(length: number): Buffer {
    const first = this.#chunks[0]
    if (first && first.length >= length) return first
    const joined = Buffer.concat(this.#chunks)
    this.#chunks = [joined]
    return joined
  }

  #end(reason: string): void {
    if (this.#closed !== null) return
    this.#closed = reason
    this.#handlers?.closed(reason)
  }
}
