/**
 * Whether the other end of an HTTP/2 connection still lives. A process that is frozen, or whose machine vanished, closes
 * nothing: so a connection with open streams is pinged (RFC 9113 section 6.7), and one that was silent is pinged before it is
 * used again. Only bytes count, never that a stream was opened or ended here: whoever dials a dead connection again and again
 * would keep it for ever.
 *
 * Silence is counted in looks, not in time: after a pause of this process (SIGSTOP, a suspended machine) one look comes late,
 * and what arrived meanwhile is read before the next one. Any byte counts as a sign of life, since an answer to a ping may
 * queue behind a long copy.
 */
import type { Http2Session } from 'node:http2'
import type { Clock } from '#lib/ports/clock.ts'
import { deadline } from './deadline.ts'

/** How often a connection in use is looked at. What came since the last look is a sign of life, else a ping goes out. */
export const LOOK_MS = 1_000
/** How long a connection is trusted after its last byte, and how long its answer may take then. */
export const IDLE_TRUST_MS = 2_000

export interface SessionWatchOptions {
  readonly session: Http2Session
  /** Bytes that came from the other end so far. */
  readonly bytesRead: () => number
  readonly clock: Clock
  /** So many looks in a row without a byte, and the connection is given up. */
  readonly silentLooksMax: number
  /** Called once, and never after the session has closed: it should destroy the session. */
  readonly onLost: () => void
}

export class SessionWatch {
  readonly #options: SessionWatchOptions
  #streams = 0
  #silentLooks = 0
  #bytesSeen = 0
  #pong: Promise<boolean> | null = null
  /** When the last byte was seen to have come. */
  #heardMs: number
  #check: Promise<boolean> | null = null
  #cancelLook = () => {}
  #ended = false

  constructor(options: SessionWatchOptions) {
    this.#options = options
    this.#heardMs = options.clock.monotonicMs()
    options.session.once('close', () => this.#end())
  }

  /** Looks at the connection for as long as this stream is open. */
  track(stream: { once(event: 'close', listener: () => void): unknown }): void {
    if (++this.#streams === 1) {
      this.#listen()
      this.#look()
    }
    stream.once('close', () => {
      if (--this.#streams > 0) return
      this.#cancelLook()
      this.#listen()
    })
  }

  /**
   * Whether a new stream may be opened. A connection that was silent for longer than IDLE_TRUST_MS is asked first; without a
   * byte in as long again it is lost.
   */
  async alive(): Promise<boolean> {
    const { session, clock } = this.#options
    if (this.#ended || session.destroyed || session.closed) return false
    this.#listen()
    if (clock.monotonicMs() - this.#heardMs <= IDLE_TRUST_MS) return true
    this.#check ??= this.#asked().finally(() => {
      this.#check = null
    })
    return await this.#check
  }

  #asked(): Promise<boolean> {
    const { session, clock } = this.#options
    return new Promise((resolve) => {
      const done = (answered: boolean) => {
        cancel()
        session.off('close', closed)
        if (!answered) this.#lose()
        resolve(answered)
      }
      const closed = () => done(false)
      const cancel = deadline(clock, IDLE_TRUST_MS, () => done(this.#listen()))
      session.once('close', closed)
      void this.#ping().then((answered) => done(this.#listen() || answered))
    })
  }

  /** @returns Whether a byte came since the last time */
  #listen(): boolean {
    const { session, bytesRead } = this.#options
    if (session.destroyed) return false // it has no socket any more
    const bytes = bytesRead()
    if (bytes === this.#bytesSeen) return false
    this.#bytesSeen = bytes
    this.#silentLooks = 0
    this.#heardMs = this.#options.clock.monotonicMs()
    return true
  }

  #look(): void {
    const { clock, silentLooksMax } = this.#options
    this.#cancelLook = clock.after(LOOK_MS, () => {
      if (!this.#listen() && ++this.#silentLooks >= silentLooksMax) {
        this.#lose()
        return
      }
      if (this.#silentLooks > 0) void this.#ping()
      this.#look()
    })
  }

  /** One ping is under way at a time. Resolves whether it was answered. */
  #ping(): Promise<boolean> {
    const { session } = this.#options
    this.#pong ??= new Promise<boolean>((resolve) => {
      if (session.destroyed || !session.ping((error) => resolve(error === null))) resolve(false)
    }).finally(() => {
      this.#pong = null
    })
    return this.#pong
  }

  #lose(): void {
    if (this.#ended) return
    this.#end()
    this.#options.onLost()
  }

  #end(): void {
    this.#ended = true
    this.#cancelLook()
  }
}
