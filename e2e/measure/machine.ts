/** What a figure was measured on: figures without it say nothing. */
import { cpus, loadavg, totalmem } from 'node:os'

const GIB = 1024 ** 3

export function machineText(): string {
  const all = cpus()
  const loads = loadavg().map((load) => load.toFixed(1))
  return `${all.length} CPUs (${all[0]?.model ?? 'unknown'}), ${(totalmem() / GIB).toFixed(0)} GiB, load ${loads.join(' ')}`
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]]
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2
}
