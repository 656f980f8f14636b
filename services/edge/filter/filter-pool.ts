/**
 * The pods of one filter pool: shows each letter to one of them, to the one with the least to do, and to another when that one fails.
 * Invariants: a pod that failed is not asked again before its rest is over, unless all have failed; a letter is judged once or not at
 * all; nobody waits longer than `patienceMs` for a verdict on a letter that is in memory.
 */
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { Logger } from '#lib/log/logger.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { TlsMaterial } from '#lib/tls/material.ts'
import type { EdgeMetrics } from '../metrics.ts'
import {
  FilterConnection,
  type FilterEndpoint,
  type FilterEnvelope,
  FilterError,
  type FilterResult,
} from './filter-connection.ts'

export interface FilterPoolOptions {
  readonly name: string
  /** The pods' addresses now. */
  readonly endpoints: () => Promise<readonly FilterEndpoint[]>
  /** Asked at each new connection, so that rotated certificates are used. Null: plain. */
  readonly tls: (() => TlsMaterial) | null
  readonly patienceMs: number
  /** Bound of a connection's beginning: a pod that is there answers within milliseconds. */
  readonly connectMs: number
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: EdgeMetrics
}

/** A letter that waits for its last bytes. */
export interface FilterStream {
  /** Resolves when there is room for more. Does not reject: a filter that is lost is told by `end`. */
  write(pieces: readonly Buffer[]): Promise<void>
  /** @throws {FilterError} FILTER_UNREACHABLE: the filter was lost and the letter cannot be shown to another. */
  end(): Promise<FilterResult>
  /** The letter will not be completed. */
  abandon(): void
}

/** A filter at work says so every few seconds. */
const SILENCE_MS = 20_000
/** How long a list of pods is believed while all answer. */
const LOOK_MS = 2_000
const REST_MS_FIRST = 500
const REST_MS_MAX = 10_000
/** Connections kept open to one pod while there is nothing to do. */
const IDLE_CONNECTIONS_MAX = 16
const NEW_BODY_BYTES_MAX = 0

class Pod {
  readonly endpoint: FilterEndpoint
  /** Letters under way. */
  letters = 0
  failures = 0
  restsUntilMs = 0
  readonly idle: FilterConnection[] = []

  constructor(endpoint: FilterEndpoint) {
    this.endpoint = endpoint
  }
}

export class FilterPool {
  readonly #options: FilterPoolOptions
  #pods = new Map<string, Pod>()
  /** Until when the pods that are known are taken for all there are. */
  #knownUntilMs = Number.NEGATIVE_INFINITY

  constructor(options: FilterPoolOptions) {
    this.#options = options
  }

  get name(): string {
    return this.#options.name
  }

  /**
   * Shows a letter that is all in memory; where a pod fails, to the next.
   * @throws {FilterError} FILTER_UNREACHABLE: no pod has judged it.
   */
  async judge(envelope: FilterEnvelope, fields: readonly string[], body: readonly Buffer[]): Promise<FilterResult> {
    const { clock, patienceMs } = this.#options
    const untilMs = clock.monotonicMs() + patienceMs
    const tried = new Set<Pod>()
    for (;;) {
      const pod = await this.#choose(tried)
      if (pod === null || clock.monotonicMs() > untilMs) {
        throw new FilterError(
          'FILTER_UNREACHABLE',
          `Cannot have a letter judged: no pod of filter pool ${this.name} answers`,
        )
      }
      tried.add(pod)
      try {
        return await this.#show(pod, envelope, fields, body)
      } catch (error) {
        this.#failed(pod, envelope, error)
      }
    }
  }

  /**
   * Begins with a letter of which more is to come.
   * @throws {FilterError} FILTER_UNREACHABLE: no pod takes it.
   */
  async stream(envelope: FilterEnvelope, fields: readonly string[], first: readonly Buffer[]): Promise<FilterStream> {
    const tried = new Set<Pod>()
    for (;;) {
      const pod = await this.#choose(tried)
      if (pod === null)
        throw new FilterError('FILTER_UNREACHABLE', `Cannot show a letter to filter pool ${this.name}: no pod answers`)
      tried.add(pod)
      let connection: FilterConnection | null = null
      pod.letters++
      try {
        connection = await this.#connect(pod)
        await connection.begin(envelope, fields)
        for (const piece of first) await connection.body(piece)
        return this.#streamOn(pod, connection, envelope)
      } catch (error) {
        pod.letters--
        connection?.close()
        this.#failed(pod, envelope, error)
      }
    }
  }

  /** Ends what is idle; letters under way end by themselves. */
  close(): void {
    for (const pod of this.#pods.values()) for (const connection of pod.idle.splice(0)) connection.close()
  }

  async #show(
    pod: Pod,
    envelope: FilterEnvelope,
    fields: readonly string[],
    body: readonly Buffer[],
  ): Promise<FilterResult> {
    pod.letters++
    try {
      const kept = this.#kept(pod)
      if (kept !== null) {
        try {
          return await this.#showOn(kept, pod, envelope, fields, body)
        } catch {
          // The pod may have closed it while nothing was said: that tells nothing about the pod.
        }
      }
      return await this.#showOn(await this.#connect(pod), pod, envelope, fields, body)
    } finally {
      pod.letters--
    }
  }

  async #showOn(
    connection: FilterConnection,
    pod: Pod,
    envelope: FilterEnvelope,
    fields: readonly string[],
    body: readonly Buffer[],
  ): Promise<FilterResult> {
    try {
      await connection.begin(envelope, fields)
      for (const piece of body) await connection.body(piece)
      const result = await connection.end()
      this.#keep(pod, connection)
      return result
    } catch (error) {
      connection.close()
      throw error
    }
  }

  #streamOn(pod: Pod, connection: FilterConnection, envelope: FilterEnvelope): FilterStream {
    let failure: unknown = null
    let over = false
    const finish = () => {
      if (!over) pod.letters--
      over = true
    }
    const fail = (error: unknown) => {
      if (failure === null) this.#failed(pod, envelope, error)
      failure ??= error
      connection.close()
      finish()
    }
    return {
      write: async (pieces) => {
        if (over) return
        try {
          for (const piece of pieces) await connection.body(piece)
        } catch (error) {
          fail(error)
        }
      },
      end: async () => {
        if (failure !== null) throw failure
        try {
          const result = await connection.end()
          this.#keep(pod, connection)
          finish()
          return result
        } catch (error) {
          fail(error)
          throw error
        }
      },
      abandon: () => {
        if (over) return
        connection.close()
        finish()
      },
    }
  }

  /** The pod with the least to do among those not tried; one that rests only if there is no other. */
  async #choose(tried: ReadonlySet<Pod>): Promise<Pod | null> {
    await this.#look()
    const now = this.#options.clock.monotonicMs()
    const open = [...this.#pods.values()].filter((pod) => !tried.has(pod))
    const rested = open.filter((pod) => pod.restsUntilMs <= now)
    const [first = null, ...others] = rested.length > 0 ? rested : open
    return others.reduce((best, pod) => (best !== null && best.letters <= pod.letters ? best : pod), first)
  }

  /** Pods that are gone are forgotten, new ones are known. */
  async #look(): Promise<void> {
    const { endpoints, logger, clock } = this.#options
    if (clock.monotonicMs() < this.#knownUntilMs) return
    this.#knownUntilMs = clock.monotonicMs() + LOOK_MS
    let listed: readonly FilterEndpoint[]
    try {
      listed = await endpoints()
    } catch (error) {
      // Those we know are still there, most likely.
      logger.warn({ pool: this.name, reason: errorMessage(error) }, 'cannot find the pods of a filter pool')
      return
    }
    const pods = new Map<string, Pod>()
    for (const endpoint of listed) {
      const key = `${endpoint.host} ${endpoint.port}`
      pods.set(key, this.#pods.get(key) ?? new Pod(endpoint))
    }
    for (const [key, pod] of this.#pods) {
      if (!pods.has(key)) for (const connection of pod.idle.splice(0)) connection.close()
    }
    this.#pods = pods
  }

  #kept(pod: Pod): FilterConnection | null {
    for (let kept = pod.idle.pop(); kept !== undefined; kept = pod.idle.pop()) if (kept.reusable) return kept
    return null
  }

  async #connect(pod: Pod): Promise<FilterConnection> {
    const { tls, clock, connectMs } = this.#options
    return await FilterConnection.open({
      endpoint: pod.endpoint,
      tls: tls === null ? null : tls(),
      clock,
      connectMs,
      silenceMs: SILENCE_MS,
      newBodyBytesMax: NEW_BODY_BYTES_MAX,
    })
  }

  #keep(pod: Pod, connection: FilterConnection): void {
    pod.failures = 0
    pod.restsUntilMs = 0
    if (connection.reusable && pod.idle.length < IDLE_CONNECTIONS_MAX) pod.idle.push(connection)
    else connection.close()
  }

  #failed(pod: Pod, envelope: FilterEnvelope, error: unknown): void {
    if (!(error instanceof FilterError)) throw error
    const { clock, logger, metrics } = this.#options
    const restMs = Math.min(REST_MS_MAX, REST_MS_FIRST * 2 ** pod.failures)
    pod.failures++
    pod.restsUntilMs = clock.monotonicMs() + restMs
    this.#knownUntilMs = Number.NEGATIVE_INFINITY
    for (const connection of pod.idle.splice(0)) connection.close() // they lead to the same process
    metrics.filterFailures.inc({ pool: this.name })
    const { host, port } = pod.endpoint
    logger.warn(
      { trace: envelope.traceId, pool: this.name, pod: `${host}:${port}`, reason: error.message, restMs },
      'filter pod failed',
    )
  }
}
