/**
 * Joins a client and its session at the shard: bytes both ways, each side read only as fast as the other takes them. An end
 * of one side is passed on to the other, so that what is still on its way arrives. No timer and no buffer per session.
 *
 * COMPRESS is between the client and its shard: what passes here ends with a sync flush then, never with a line, so that no line of ours
 * falls into it.
 */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { GOODBYE_FLUSH_MS } from '../limits.ts'

export type SpliceEnd =
  /** The client ended, or its connection broke. */
  | 'client-gone'
  /** The session ended: LOGOUT, QUIT, or the shard said goodbye. */
  | 'session-ended'
  /** The shard's stream broke in the middle of the session. */
  | 'shard-lost'
  /** This edge ended it. */
  | 'edge-ended'

export interface SpliceOptions {
  readonly client: Socket
  readonly shard: Duplex
  /** What to say to the client when the shard is lost, or null. */
  readonly farewell: ((text: string) => Buffer) | null
  readonly onEnd: (end: SpliceEnd, splice: Splice) => void
}

/** A goodbye of the shard's own is short; more need not be searched. */
const GOODBYE_BYTES_MAX = 1024
const GOODBYE = '* BYE '
const LF = 0x0a
/** How a session with COMPRESS says that it is over: an empty sync flush of deflate, then its last block (RFC 1951 section 3.2). */
const COMPRESSED_GOODBYE = Buffer.from([0x00, 0x00, 0xff, 0xff, 0x03, 0x00])

export class Splice {
  readonly #client: Socket
  readonly #shard: Duplex
  readonly #farewell: SpliceOptions['farewell']
  readonly #onEnd: SpliceOptions['onEnd']
  /** Bytes from and to the client. */
  bytesIn = 0
  bytesOut = 0
  #clientEnded = false
  #goodbyeSaid = false
  /** The last byte to the client ended a line: only then may a line of ours follow. */
  #atLineStart = true
  #ended = false

  constructor(options: SpliceOptions) {
    this.#client = options.client
    this.#shard = options.shard
    this.#farewell = options.farewell
    this.#onEnd = options.onEnd
    const { client, shard } = options
    client.on('data', (chunk: Buffer) => this.#fromClient(chunk))
    client.on('drain', () => shard.resume())
    client.on('end', () => this.#clientEnd())
    client.on('error', () => this.#end('client-gone'))
    client.on('close', () => this.#end('client-gone'))
    shard.on('data', (chunk: Buffer) => this.#fromShard(chunk))
    shard.on('drain', () => client.resume())
    shard.on('end', () => this.#shardEnd())
    shard.on('error', () => this.#end('shard-lost'))
    shard.on('close', () => this.#shardEnd())
    client.resume()
    shard.resume()
  }

  /** Ends the session from here: the client hears why where the protocol lets it. */
  end(text: string): void {
    if (!this.#ended) this.#say(text)
    this.#end('edge-ended')
  }

  #fromClient(chunk: Buffer): void {
    this.bytesIn += chunk.length
    if (!this.#shard.write(chunk)) this.#client.pause()
  }

  #fromShard(chunk: Buffer): void {
    this.bytesOut += chunk.length
    this.#atLineStart = chunk[chunk.length - 1] === LF
    if (chunk.length <= GOODBYE_BYTES_MAX && saysGoodbye(chunk)) this.#goodbyeSaid = true
    if (!this.#client.write(chunk)) this.#shard.pause()
  }

  /** The client says no more; the session may still have something to say. */
  #clientEnd(): void {
    this.#clientEnded = true
    this.#shard.end()
  }

  /** A killed shard ends its stream like one that has finished: whether it said goodbye makes the difference. */
  #shardEnd(): void {
    if (this.#ended) return
    const expected = this.#clientEnded || this.#goodbyeSaid || this.#farewell === null
    if (!expected) this.#say('The mail store went away, please connect again')
    this.#end(expected ? 'session-ended' : 'shard-lost')
  }

  #say(text: string): void {
    if (this.#farewell && this.#atLineStart && !this.#client.destroyed) this.#client.write(this.#farewell(text))
  }

  #end(end: SpliceEnd): void {
    if (this.#ended) return
    this.#ended = true
    this.#shard.destroy()
    if (end === 'client-gone') this.#client.destroy()
    else finish(this.#client)
    this.#onEnd(end, this)
  }
}

function saysGoodbye(chunk: Buffer): boolean {
  return chunk.includes(GOODBYE) || chunk.subarray(-COMPRESSED_GOODBYE.length).equals(COMPRESSED_GOODBYE)
}

/** Ends a client's socket once its bytes are out, without waiting for the client to end too, nor for ever for it to read. */
function finish(client: Socket): void {
  client.removeAllListeners('data')
  client.resume() // what still comes is dropped
  client.setTimeout(GOODBYE_FLUSH_MS, () => client.destroy())
  client.end(() => client.destroy())
}
