/** The sender's own series. Names and meanings: docs/reference/metrics.md. */
import { Counter, Gauge, Histogram, type Registry } from '#lib/metrics/metrics.ts'

export interface SenderMetrics {
  readonly results: Counter<'result'>
  readonly connections: Counter<'result'>
  readonly seconds: Histogram
  readonly signed: Counter<'result'>
  readonly tls: Counter<'policy' | 'result'>
}

/** @param now Asked at each scrape. */
export function createSenderMetrics(
  registry: Registry,
  now: () => { readonly letters: number; readonly connections: number },
): SenderMetrics {
  const registers = [registry]
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `twinpost_sender_${name}`,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  gauge('letters', 'Letters in the hands of this sender.', () => now().letters)
  gauge('connections', 'Connections to remote servers.', () => now().connections)
  return {
    results: new Counter({
      name: 'twinpost_sender_results_total',
      help: 'Recipients by what came of the attempt; lost: another attempt has them.',
      labelNames: ['result'],
      registers,
    }),
    connections: new Counter({
      name: 'twinpost_sender_connections_total',
      help: 'Connections to remote servers: opened with and without TLS, or failed.',
      labelNames: ['result'],
      registers,
    }),
    tls: new Counter({
      name: 'twinpost_sender_tls_sessions_total',
      help: 'Connections by the policy of the destination (tlsa, sts, no-policy-found) and what TLS came to: good, or a failure as RFC 8460 names it.',
      labelNames: ['policy', 'result'],
      registers,
    }),
    signed: new Counter({
      name: 'twinpost_sender_signatures_total',
      help: 'Letters by what DKIM made of them: signed, no-keys: their Domain has none yet, sealed: keys cannot be opened.',
      labelNames: ['result'],
      registers,
    }),
    seconds: new Histogram({
      name: 'twinpost_sender_letter_seconds',
      help: 'From the shard giving a letter out to the answer of the remote server.',
      buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120, 600],
      registers,
    }),
  }
}
