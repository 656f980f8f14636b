/** Tells a client that waits how far its command is (RFC 9585), so that it neither gives up nor thinks the connection dead. */
import type { SessionHost } from './host.ts'
import type { Output } from './output.ts'

/** RFC 9585 section 3.1: not more often than every 10 to 15 seconds. */
const INTERVAL_MS = 10_000

/** What of a session it needs. */
interface ProgressSession {
  readonly host: Pick<SessionHost, 'clock'>
  readonly out: Output
  readonly tag: string
}

export class Progress {
  readonly #session: ProgressSession
  readonly #total: number
  #toldMs: number

  /** @param total Messages that the command looks at. */
  constructor(session: ProgressSession, total: number) {
    this.#session = session
    this.#total = total
    this.#toldMs = session.host.clock.monotonicMs()
  }

  /** Asked often, says something seldom. Not while a response is half written. @param done Messages looked at so far. */
  tell(done: number): void {
    const { host, out, tag } = this.#session
    const nowMs = host.clock.monotonicMs()
    if (nowMs - this.#toldMs < INTERVAL_MS) return
    this.#toldMs = nowMs
    out.untagged(`OK [INPROGRESS ("${tag}" ${done} ${this.#total})] Still at it`)
    out.flush()
  }
}
