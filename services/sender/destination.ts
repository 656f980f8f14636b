/**
 * All that goes to one domain: letters that wait, the connections that take them, and how many of those there may be. The number grows
 * while letters are taken and is halved when the other side has had enough; a destination that cannot be reached is left alone for
 * a while, so that it costs no other anything.
 */
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { TlsSession } from '#lib/tls-policy/tls-report.ts'
import { ConnectionFailure, type ConnectionOptions, RemoteConnection } from './connection.ts'
import { type Letter, type Outcome, same } from './letter.ts'
import {
  CONNECTIONS_AT_FIRST,
  CONNECTIONS_MAX,
  IDLE_CONNECTION_MS,
  LETTERS_PER_CONNECTION_MAX,
  SHARED_WAITING_MAX,
  UNREACHABLE_PAUSE_MS,
  UNREACHABLE_PAUSE_MS_MAX,
  WAITING_PER_CONNECTION,
} from './limits.ts'
import type { Route } from './remote-route.ts'
import { demandsTls, policyOf, type TlsDemand, type TlsProblem } from './tls-demand.ts'

export interface DestinationOptions {
  readonly domain: string
  readonly connection: ConnectionOptions
  readonly route: (domain: string) => Promise<Route>
  readonly clock: Clock
  /**
   * Letters of many domains go this way, so that a shard cannot be told to keep them: what there is no room for waits its turn in the queue.
   */
  readonly shared?: boolean
  readonly onConnection: (how: 'opened' | 'opened-tls' | 'failed') => void
  /** What TLS with a server came to. */
  readonly onTls: (session: Omit<TlsSession, 'domain'>) => void
}

export class Destination {
  readonly #options: DestinationOptions
  readonly #waiting: Letter[] = []
  #workers = 0
  #idle: (() => void)[] = []
  #limit = CONNECTIONS_AT_FIRST
  #pauseMs = UNREACHABLE_PAUSE_MS
  #leftAloneUntilMs = 0
  #stopped = false
  /** Why it was left alone. */
  #lastReason = ''

  constructor(options: DestinationOptions) {
    this.#options = options
  }

  get shared(): boolean {
    return this.#options.shared ?? false
  }

  /** It wants no more letters for now. */
  get busy(): boolean {
    return (
      this.#waiting.length >= this.#limit * WAITING_PER_CONNECTION ||
      this.#leftAloneUntilMs > this.#options.clock.monotonicMs()
    )
  }

  /** Nothing is known of it that would be missed. */
  get forgettable(): boolean {
    return this.#workers === 0 && this.#waiting.length === 0 && !this.busy
  }

  get connections(): number {
    return this.#workers
  }

  add(letter: Letter): void {
    const leftAlone = this.#leftAloneUntilMs > this.#options.clock.monotonicMs()
    if (this.#options.shared && !this.#stopped && (leftAlone || this.#waiting.length >= SHARED_WAITING_MAX)) {
      const reason = leftAlone ? this.#lastReason : `451 4.3.2 Too many letters wait for ${this.#options.domain}`
      letter.settle(same(letter, 'deferred', reason))
      return
    }
    if (this.#stopped || leftAlone) {
      letter.settle(same(letter, 'untried', ''))
      return
    }
    this.#waiting.push(letter)
    const idle = this.#idle.pop()
    if (idle !== undefined) idle()
    else if (this.#workers < Math.floor(this.#limit)) void this.#work()
  }

  /** Gives back what waits; letters that are under way go on. */
  stop(): void {
    this.#stopped = true
    this.#giveBack((letter) => same(letter, 'untried', ''))
    for (const wake of this.#idle.splice(0)) wake()
  }

  async #work(): Promise<void> {
    this.#workers++
    let connection: RemoteConnection | null = null
    try {
      connection = await this.#connect()
      while (connection !== null) {
        const letter = await this.#nextLetter()
        if (letter === null) break
        if (letter.lost.aborted) {
          letter.settle(null)
          continue
        }
        if (!connection.usable) {
          // The server ended it while it was idle: the letter has not been begun.
          this.#waiting.unshift(letter)
          connection = await this.#connect()
          continue
        }
        const results = await connection.send(letter)
        const remote = connection.remote.host
        letter.settle(results?.map((result) => ({ ...result, remote })) ?? null)
        this.#adapt(results?.some(({ reply }) => reply.startsWith('421')) ? 'enough' : 'taken')
        if (!connection.usable || connection.letters >= LETTERS_PER_CONNECTION_MAX) {
          connection.quit()
          connection = null
          break
        }
      }
    } finally {
      connection?.quit()
      this.#workers--
      if (this.#waiting.length > 0 && this.#workers < Math.floor(this.#limit)) void this.#work()
    }
  }

  /** The first server that can be used; null: none can, and what waits was told so. */
  async #connect(): Promise<RemoteConnection | null> {
    const { domain, route, connection, onConnection, onTls } = this.#options
    const found = await route(domain)
    for (const notice of found.notices) onTls(notice)
    if (found.kind !== 'addresses') {
      // For good: nothing to wait for. For now: a question to DNS costs little, the pause is the queue's.
      this.#giveBack((letter) => same(letter, found.kind, found.reply))
      return null
    }
    let reason = ''
    let host = ''
    for (const remote of found.addresses) {
      const { host: name, address, demand } = remote
      const session = { policy: policyOf(demand), host: name, address }
      const mayGoWithout = connection.tls === 'opportunistic' && !demandsTls(demand)
      for (const tls of mayGoWithout ? (['opportunistic', 'never'] as const) : [connection.tls]) {
        try {
          const opened = await RemoteConnection.open(remote, { ...connection, tls })
          onConnection(opened.secure ? 'opened-tls' : 'opened')
          const problem = opened.secure ? opened.tlsProblem : withoutTls(demand)
          onTls({ ...session, failure: problem?.failure ?? null, reason: problem?.reason ?? '' })
          this.#pauseMs = UNREACHABLE_PAUSE_MS
          return opened
        } catch (error) {
          onConnection('failed')
          reason = errorMessage(error)
          if (error instanceof ConnectionFailure && error.tls !== null)
            onTls({ ...session, failure: error.tls, reason })
          host = remote.host
          if (!(error instanceof ConnectionFailure && error.inHandshake)) break
        }
      }
    }
    this.#adapt('enough')
    // Others still hold connections: the destination lives, this one was too many.
    if (this.#workers > 1) return null
    this.#leftAloneUntilMs = this.#options.clock.monotonicMs() + this.#pauseMs
    this.#pauseMs = Math.min(this.#pauseMs * 2, UNREACHABLE_PAUSE_MS_MAX)
    this.#lastReason = reason
    this.#giveBack((letter) => same(letter, 'deferred', reason, host))
    return null
  }

  /** Waits a moment for one, so that the next letter finds the connection open. */
  async #nextLetter(): Promise<Letter | null> {
    const letter = this.#waiting.shift()
    if (letter !== undefined || this.#stopped) return letter ?? null
    await new Promise<void>((resolve) => {
      const wake = () => {
        cancel()
        resolve()
      }
      this.#idle.push(wake)
      const cancel = this.#options.clock.after(IDLE_CONNECTION_MS, () => {
        this.#idle = this.#idle.filter((one) => one !== wake)
        resolve()
      })
    })
    return this.#waiting.shift() ?? null
  }

  #adapt(what: 'taken' | 'enough'): void {
    if (what === 'taken') this.#limit = Math.min(CONNECTIONS_MAX, this.#limit + 1 / Math.max(1, this.#limit))
    else this.#limit = Math.max(1, this.#limit / 2)
  }

  #giveBack(outcome: (letter: Letter) => Outcome): void {
    for (const letter of this.#waiting.splice(0)) letter.settle(outcome(letter))
  }
}

/** A policy that only looks has seen a server without TLS. */
function withoutTls({ kind }: TlsDemand): TlsProblem | null {
  return kind === 'sts' ? { failure: 'starttls-not-supported', reason: 'it offers no TLS that works' } : null
}
