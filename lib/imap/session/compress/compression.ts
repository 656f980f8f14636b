/**
 * COMPRESS=DEFLATE (RFC 4978) of one session.
 *
 * Output has no state: each write is compressed for itself and ends at a byte (a sync flush), so that the client can show all that was
 * said, and a session that waits holds no encoder of 256 KiB. Writes have up to 256 KiB, eight times deflate's window: knowing the write before would
 * save little. Input needs the client's window, 40 KiB for as long as the session lasts; `CompressionBudget` counts those.
 *
 * Invariant: input is unpacked in small pieces, each when the session has taken the one before: a few bytes that unpack to a flood cost
 * memory for one piece, and end the session when the flood goes on.
 */
import { constants, createInflateRaw, deflateRawSync, type InflateRaw } from 'node:zlib'
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'
import { INFLATE_FREE_BYTES, INFLATE_PIECE_BYTES, INFLATE_RATIO_MAX } from '../../limits.ts'

export const COMPRESS_ERRORS = {
  COMPRESS_INPUT: {
    retry: false,
    meaning: 'What a client sent after COMPRESS is no deflate stream, or unpacks to a flood.',
  },
} as const satisfies Record<string, ErrorSpec>

export class CompressError extends CodedError<keyof typeof COMPRESS_ERRORS> {
  override readonly name = 'CompressError'
}

/** Fast, and within a tenth of the best for text; the event loop waits for it: 1 ms for the largest write. */
const DEFLATE = { level: 3, finishFlush: constants.Z_SYNC_FLUSH } as const
/** An empty sync flush and the last block of a deflate stream: whoever reads this knows that all of it came. */
export const STREAM_END = Buffer.from([0x00, 0x00, 0x00, 0xff, 0xff, 0x03, 0x00])

export class Compression {
  readonly #inflate: InflateRaw = createInflateRaw({ chunkSize: INFLATE_PIECE_BYTES })
  #error: Error | null = null
  #closed = false
  #wake: () => void = () => {}
  #packedBytes = 0
  #unpackedBytes = 0

  constructor() {
    this.#inflate.on('readable', () => this.#wake())
    this.#inflate.on('error', (error) => {
      this.#error = error
      this.#wake()
    })
  }

  /** Bytes for the client, complete in themselves. */
  pack(bytes: Uint8Array): Buffer {
    return deflateRawSync(bytes, DEFLATE)
  }

  /**
   * What `bytes` of the client unpack to, piece by piece. One call at a time, used to its end.
   * @throws {CompressError} The stream is damaged, has ended or floods: nothing more can be read.
   */
  async *unpack(bytes: Uint8Array): AsyncGenerator<Buffer> {
    this.#packedBytes += bytes.byteLength
    let taken = false
    this.#inflate.write(bytes, () => {
      taken = true
      this.#wake()
    })
    for (;;) {
      if (this.#closed) return
      const piece: unknown = this.#inflate.read()
      if (this.#error !== null) throw new CompressError('COMPRESS_INPUT', 'Compressed data is damaged')
      if (Buffer.isBuffer(piece)) {
        this.#unpackedBytes += piece.length
        if (this.#unpackedBytes > INFLATE_FREE_BYTES + INFLATE_RATIO_MAX * this.#packedBytes) {
          throw new CompressError('COMPRESS_INPUT', 'Compressed data unpacks to a flood')
        }
        yield piece
      } else if (taken) {
        // Behind its last block the stream takes nothing more.
        if (this.#inflate.bytesWritten === this.#packedBytes) return
        throw new CompressError('COMPRESS_INPUT', 'Compressed data has ended')
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    }
  }

  /** Frees the window. */
  close(): void {
    this.#closed = true
    this.#inflate.close()
    this.#wake()
  }
}

/** How many sessions of a process may be compressed at once. */
export class CompressionBudget {
  #left: number

  constructor(sessionsMax: number) {
    this.#left = sessionsMax
  }

  /** False: none is left. Otherwise `free()` gives it back. */
  take(): boolean {
    if (this.#left === 0) return false
    this.#left--
    return true
  }

  free(): void {
    this.#left++
  }
}
