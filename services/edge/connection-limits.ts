/** How many connections there are, in all and by client address, over all listeners. */
import type { EdgeMetrics } from './metrics.ts'

export interface ConnectionLimitsOptions {
  readonly connectionsMax: number
  readonly perAddressMax: number
  readonly metrics: EdgeMetrics
}

export class ConnectionLimits {
  readonly #options: ConnectionLimitsOptions
  readonly #byAddress = new Map<string, number>()
  #total = 0

  constructor(options: ConnectionLimitsOptions) {
    this.#options = options
  }

  /** Counts a connection in. @returns False if it must be refused; then it must not be counted out. */
  enter(listener: string, address: string): boolean {
    const { connectionsMax, perAddressMax, metrics } = this.#options
    const mine = this.#byAddress.get(address) ?? 0
    if (this.#total >= connectionsMax || mine >= perAddressMax) {
      metrics.connectionsRefused.inc({ listener })
      return false
    }
    this.#total++
    this.#byAddress.set(address, mine + 1)
    metrics.connections.inc({ listener })
    return true
  }

  leave(listener: string, address: string): void {
    const mine = this.#byAddress.get(address) ?? 0
    this.#total--
    if (mine <= 1) this.#byAddress.delete(address)
    else this.#byAddress.set(address, mine - 1)
    this.#options.metrics.connections.dec({ listener })
  }
}
