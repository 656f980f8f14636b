/** A filter on a loopback port, with engines as told. */
import { silentLogger } from '#lib/log/logger.ts'
import { Registry } from '#lib/metrics/metrics.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { Memory } from '../memory.ts'
import { createFilterMetrics } from '../metrics.ts'
import { FilterListener } from '../milter/listener.ts'
import type { Engine } from '../scan/engine.ts'
import { Scanner } from '../scan/scanner.ts'

export interface RunningFilter {
  readonly port: number
  readonly memory: Memory
  close(): Promise<void>
  /** As if it was killed. */
  destroy(): void
}

export async function runFilter(
  engines: readonly Engine[],
  options: { readonly memoryBytesMax?: number; readonly letterBytesMax?: number } = {},
): Promise<RunningFilter> {
  const logger = silentLogger
  const metrics = createFilterMetrics(new Registry())
  const memory = new Memory(options.memoryBytesMax ?? 64 * 1024 * 1024)
  const scanner = new Scanner({ engines, clock: nodeClock, logger, metrics })
  const listener = new FilterListener({
    host: '127.0.0.1',
    port: 0,
    tls: null,
    connectionsMax: 100,
    letterBytesMax: options.letterBytesMax ?? 16 * 1024 * 1024,
    scan: (letter) => scanner.scan(letter),
    memory,
    clock: nodeClock,
    logger,
    metrics,
  })
  const port = await listener.listen()
  return { port, memory, close: () => listener.close(), destroy: () => listener.destroy() }
}

/** An engine that does as it is told. */
export function scriptedEngine(name: string, scan: Engine['scan'], options: Partial<Engine> = {}): Engine {
  return { name, ofContent: false, concurrency: 100, bytesMax: 1_000_000, timeoutMs: 1_000, ...options, scan }
}
