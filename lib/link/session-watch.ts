/**
 * Whether the other end of an HTTP/2 connection still lives. A process that is frozen, or whose machine vanished, closes
 * nothing: so a connection with open streams is pinged (RFC 9113 section 6.7), and one that was idle is pinged before it is
 * used again.
 *
 * Silence is counted in looks, not in time: after a pause of this process (SIGSTOP, a suspended machine) one look comes late,
 * and what arrived meanwhile is read before the next one. Any byte counts as a sign of life, since an answer to a ping may
 * queue behind a long copy.
 */
import type { Http2Session } from 'node:http2'
import type { Clock } from '#lib/ports/clock.ts'

/** How often a connection in use is looked at. What came since the last look is a sign of life, else a ping goes out. */
export const LOOK_MS = 1_000
/** How long an idle connection is trusted, and how long its answer may take then. */
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
  #idleSinceMs: number
  #check: Promise<boolean> | null = null
  #cancelLook = () => {}
  #ended = false

  constructor(options: SessionWatchOptions) {
    this.#options = options
    this.#idleSinceMs = options.clock.monotonicMs()
    options.session.once('close', () => this.#end())
  }

  /** Looks at the connection for as long as this stream is open. */
  track(stream: { once(event: 'close', listener: () => void): unknown }): void {
    if (++this.#streams === 1) this.#begin()
    stream.once('close', () => {
      if (--this.#streams > 0) return
      this.#cancelLook()
      this.#idleSinceMs = this.#options.clock.monotonicMs()
    })
  }

  /**
   * Whether a new stream may be opened. A connection that was idle for longer than IDLE_TRUST_MS is asked first; without an
   * answer in as long again it is lost.
   */
  async alive(): Promise<boolean> {
    const { session, clock } = this.#options
    if (this.#ended || session.destroyed || session.closed) return false
    if (this.#streams > 0 || clock.monotonicMs() - this.#idleSinceMs <= IDLE_TRUST_MS) return true
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
        if (answered) this.#idleSinceMs = clock.monotonicMs()
        else this.#lose()
        resolve(answered)
      }
      const closed = () => done(false)
      const cancel = clock.after(IDLE_TRUST_MS, () => done(false))
      session.once('close', closed)
      void this.#ping().then(done)
    })
  }

  #begin(): void {
    this.#silentLooks = 0
    this.#bytesSeen = this.#options.bytesRead()
    this.#look()
  }

  #look(): void {
    const { clock, bytesRead, silentLooksMax } = this.#options
    this.#cancelLook = clock.after(LOOK_MS, () => {
      const bytes = bytesRead()
      this.#silentLooks = bytes === this.#bytesSeen ? this.#silentLooks + 1 : 0
      this.#bytesSeen = bytes
      if (this.#silentLooks >= silentLooksMax) {
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
