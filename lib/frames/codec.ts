/**
 * Frames between Twinpost's own processes: | payload length u32 | type u8 | version u8 | request id u32 | payload |, big-endian.
 * A frame never exceeds FRAME_PAYLOAD_BYTES_MAX; larger things travel as several frames. The decoder holds at most one
 * frame plus what the last chunk brought, and a peer that breaks a rule gets its connection closed, never an answer built on it.
 */
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'

export const FRAME_HEADER_BYTES = 10
/** replication.md: nothing may keep a beacon or another letter waiting behind a large frame. */
export const FRAME_PAYLOAD_BYTES_MAX = 256 * 1024 - FRAME_HEADER_BYTES
/** Version of all payload layouts; a binary writes the old one until `featureLevel` in the ledger allows the new (rules.md, Versions). */
export const FRAME_VERSION = 1

export const FRAME_ERRORS = {
  FRAME_TOO_LARGE: { retry: false, meaning: 'A frame is longer than the protocol allows; the stream is closed.' },
  FRAME_VERSION: {
    retry: false,
    meaning: 'A frame has a layout version that this binary does not speak; the stream is closed.',
  },
  FRAME_TYPE: {
    retry: false,
    meaning: 'A frame has no place at this point of the conversation; the stream is closed.',
  },
  FRAME_MALFORMED: {
    retry: false,
    meaning: 'A request contradicts what was said before on its stream; the stream is closed.',
  },
  FRAME_FORBIDDEN: {
    retry: false,
    meaning: "The role in the peer's certificate may not send this frame; the stream is closed.",
  },
} as const satisfies Record<string, ErrorSpec>

export class FrameError extends CodedError<keyof typeof FRAME_ERRORS> {
  override readonly name = 'FrameError'
}

export interface Frame {
  readonly type: number
  /** Chosen by the asker, repeated by the answer; 0 where nothing is answered. */
  readonly requestId: number
  /** A view into the decoder's input: copy what outlives the call. */
  readonly payload: Buffer
}

/** The ten bytes before a payload of `payloadLength` bytes; write them and the payload pieces together. */
export function frameHeader(type: number, requestId: number, payloadLength: number): Buffer {
  if (payloadLength > FRAME_PAYLOAD_BYTES_MAX) {
    throw new FrameError(
      'FRAME_TOO_LARGE',
      `Cannot send a frame of ${payloadLength} bytes: at most ${FRAME_PAYLOAD_BYTES_MAX}`,
    )
  }
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES)
  header.writeUInt32BE(payloadLength, 0)
  header[4] = type
  header[5] = FRAME_VERSION
  header.writeUInt32BE(requestId, 6)
  return header
}

export function encodeFrame(type: number, requestId: number, payload: Uint8Array): Buffer {
  return Buffer.concat([frameHeader(type, requestId, payload.byteLength), payload])
}

/** Cuts a byte stream into frames. Feed it chunks of any size with `push`, then drain it with `next`. */
export class FrameDecoder {
  #chunks: Buffer[] = []
  #buffered = 0

  push(chunk: Uint8Array): void {
    if (chunk.byteLength === 0) return
    this.#chunks.push(Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
    this.#buffered += chunk.byteLength
  }

  /** The next whole frame, or null until more bytes come. @throws {FrameError} and then the stream is unusable. */
  next(): Frame | null {
    if (this.#buffered < FRAME_HEADER_BYTES) return null
    const head = this.#contiguous(FRAME_HEADER_BYTES)
    const length = head.readUInt32BE(0)
    if (length > FRAME_PAYLOAD_BYTES_MAX) {
      throw new FrameError(
        'FRAME_TOO_LARGE',
        `Cannot take a frame of ${length} bytes: at most ${FRAME_PAYLOAD_BYTES_MAX}`,
      )
    }
    if (head[5] !== FRAME_VERSION) {
      throw new FrameError('FRAME_VERSION', `Cannot read frame version ${head[5]}: this binary speaks ${FRAME_VERSION}`)
    }
    if (this.#buffered < FRAME_HEADER_BYTES + length) return null
    const whole = this.#contiguous(FRAME_HEADER_BYTES + length)
    const frame = {
      type: whole.readUInt8(4),
      requestId: whole.readUInt32BE(6),
      payload: whole.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + length),
    }
    this.#drop(FRAME_HEADER_BYTES + length)
    return frame
  }

  /** What was pushed and not cut into frames: the first bytes of the raw stream after a hand-over. */
  rest(): Buffer {
    const rest = Buffer.concat(this.#chunks)
    this.#chunks = []
    this.#buffered = 0
    return rest
  }

  #contiguous(length: number): Buffer {
    const first = this.#chunks[0]
    if (first && first.length >= length) return first
    const joined = Buffer.concat(this.#chunks)
    this.#chunks = [joined]
    return joined
  }

  #drop(length: number): void {
    const first = this.#chunks[0]
    if (first && first.length > length) this.#chunks[0] = first.subarray(length)
    else this.#chunks.shift()
    this.#buffered -= length
  }
}
