/**
 * Metrics and probes of a process on a port apart: `/metrics` (Prometheus text), `/livez`, `/readyz`. Names follow the
 * Prometheus conventions with the prefix `twinpost_`; no label ever holds an account, an address or a message.
 */
import { createServer, type Server } from 'node:http'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'

export { Counter, Gauge, Histogram, Registry } from 'prom-client'

/** Each process wakes that often to see how late it is: 10 ms, the default, costs an idle array of fifteen processes a tenth of a core. */
const DELAY_RESOLUTION_MS = 100

/** Why a process is not ready, in words; null when it is. */
export type Readiness = () => string | null

/** A registry with the process's own series: memory, CPU, file descriptors, event-loop delay. */
export function createRegistry(service: string): Registry {
  const registry = new Registry()
  registry.setDefaultLabels({ service })
  collectDefaultMetrics({ register: registry, prefix: 'twinpost_', eventLoopMonitoringPrecision: DELAY_RESOLUTION_MS })
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS })
  delay.enable()
  new Gauge({
    name: 'twinpost_event_loop_delay_max_seconds',
    help: 'Longest stall of the event loop since the last scrape.',
    registers: [registry],
    collect() {
      this.set(delay.max / 1e9)
      delay.reset()
    },
  })
  return registry
}

/** Serves metrics and probes; resolves when it listens. The caller closes the server. */
export function serveMetrics(options: {
  readonly registry: Registry
  readonly host: string
  readonly port: number
  readonly ready: Readiness
}): Promise<Server> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0]
    if (path === '/livez') response.end('ok\n')
    else if (path === '/readyz') {
      const reason = options.ready()
      response.statusCode = reason === null ? 200 : 503
      response.end(`${reason ?? 'ok'}\n`)
    } else if (path === '/metrics') {
      options.registry.metrics().then(
        (text) => response.setHeader('Content-Type', options.registry.contentType).end(text),
        (error: unknown) => {
          response.statusCode = 500
          response.end(`${String(error)}\n`)
        },
      )
    } else {
      response.statusCode = 404
      response.end('Paths: /metrics /livez /readyz\n')
    }
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, () => resolve(server))
  })
}
