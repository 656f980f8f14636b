/** The frames of one channel, taken one after another; bounded. */
import { PeerError } from './errors.ts'
import { RECEIVED_BYTES_MAX } from './limits.ts'
import { decodeMessage, type PeerMessage } from './messages.ts'

export type Taker = (message: PeerMessage) => void | Promise<void>

/** Takes the frames of one channel one after another: a frame waits while the one before is being worked on. */
export class Inbox {
  readonly #waiting: Buffer[] = []
  readonly #onError: (error: unknown) => void
  #taker: (message: PeerMessage) => unknown
  #waitingBytes = 0
  #working = false
  #stopped = false

  constructor(first: (message: PeerMessage) => Promise<Taker>, onError: (error: unknown) => void) {
    this.#onError = onError
    this.#taker = async (message) => {
      this.#taker = await first(message)
    }
  }

  take(frame: Buffer): void {
    if (this.#stopped) return
    if (this.#working) {
      this.#waiting.push(frame)
      this.#waitingBytes += frame.length
      if (this.#waitingBytes > RECEIVED_BYTES_MAX) this.#fail(new PeerError('PEER_TOO_MUCH', 'Cannot hold more frames'))
      return
    }
    this.#handle(frame)
  }

  stop(): void {
    this.#stopped = true
    this.#waiting.length = 0
  }

  #handle(frame: Buffer): void {
    let work: unknown
    try {
      work = this.#taker(decodeMessage(frame))
    } catch (error) {
      this.#fail(error)
      return
    }
    if (!(work instanceof Promise)) return
    this.#working = true
    work.then(
      () => {
        this.#working = false
        this.#next()
      },
      (error: unknown) => {
        this.#working = false
        this.#fail(error)
      },
    )
  }

  #next(): void {
    while (!this.#stopped && !this.#working) {
      const frame = this.#waiting.shift()
      if (frame === undefined) return
      this.#waitingBytes -= frame.length
      this.#handle(frame)
    }
  }

  #fail(error: unknown): void {
    if (this.#stopped) return
    this.stop()
    this.#onError(error)
  }
}
