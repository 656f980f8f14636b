/**
 * Loopback addresses of the local cluster. One array owns 127.X.*.*; X is chosen once and kept, so that two checkouts on one
 * machine do not meet. 127.X.0.1 is the address of the edge Service, 127.X.0.2 the operator's own, 127.X.0.3 the world outside, workload n has
 * 127.X.n.(ordinal + 1). Linux answers on all of 127/8 without configuration.
 */
import { assert } from '#lib/errors/assert.ts'

export const NETWORK_MIN = 64
export const NETWORK_MAX = 126
/** Workloads of one array: the third byte, 0 is the array's own. */
const WORKLOADS_MAX = 250

export const serviceAddress = (network: number): string => `127.${network}.0.1`
export const operatorAddress = (network: number): string => `127.${network}.0.2`
/** Stands for the world outside: mail for other domains is sent there. */
export const outsideAddress = (network: number): string => `127.${network}.0.3`

/** Order in which networks are tried: from a place that depends on `seed` (the path of the array's folder) all around. */
export function networkCandidates(seed: string): number[] {
  const count = NETWORK_MAX - NETWORK_MIN + 1
  let hash = 7
  for (const char of seed) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) % 1_000_003
  return Array.from({ length: count }, (_, i) => NETWORK_MIN + ((hash + i) % count))
}

/** Numbers of workloads by name; what has one keeps it, so that a pod's address is the same after a restart. */
export class AddressPlan {
  readonly #network: number
  readonly #numbers: Map<string, number>

  /** @param numbers As `numbers()` gave them last time. */
  constructor(network: number, numbers: Readonly<Record<string, number>>) {
    this.#network = network
    this.#numbers = new Map(Object.entries(numbers))
  }

  /** Address of pod `ordinal` (from 0) of a workload. */
  address(workload: string, ordinal: number): string {
    assert(ordinal >= 0 && ordinal < 254, 'ordinal fits into a byte')
    let number = this.#numbers.get(workload)
    if (number === undefined) {
      const used = new Set(this.#numbers.values())
      number = 1
      while (used.has(number)) number++
      assert(number <= WORKLOADS_MAX, 'a number is left for the workload')
      this.#numbers.set(workload, number)
    }
    return `127.${this.#network}.${number}.${ordinal + 1}`
  }

  numbers(): Record<string, number> {
    return Object.fromEntries(this.#numbers)
  }
}
