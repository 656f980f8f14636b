/** The series of an edge. Labels are closed lists: no account, address or message ever is one. */
import { Counter, Gauge, Histogram, type Registry } from '#lib/metrics/metrics.ts'

export interface EdgeMetrics {
  readonly connections: Gauge<'listener'>
  readonly connectionsRefused: Counter<'listener'>
  readonly clientsRefused: Counter<'reason'>
  readonly sessions: Gauge<'protocol'>
  readonly sessionsEnded: Counter<'protocol' | 'reason'>
  readonly deliveries: Counter<'source' | 'outcome'>
  readonly recipients: Counter<'source' | 'verdict'>
  readonly letterBytes: Counter<'source'>
  readonly stageSeconds: Histogram<'stage'>
  readonly logins: Counter<'protocol' | 'mechanism'>
  readonly loginFailures: Counter<'protocol' | 'mechanism' | 'reason'>
  readonly bodyRefusals: Counter
  /** Asks `used` at each scrape: the budget changes with every chunk. */
  watchBodyBytes(used: () => number): void
  readonly directoryErrors: Counter
  readonly filterFailures: Counter<'pool'>
  readonly filterSeconds: Histogram<'pool'>
  readonly filterActions: Counter<'action'>
}

export function createEdgeMetrics(registry: Registry): EdgeMetrics {
  const registers = [registry]
  return {
    watchBodyBytes(used) {
      new Gauge({
        name: 'twinpost_edge_body_budget_used_bytes',
        help: 'Bytes of letters held in memory.',
        registers,
        collect() {
          this.set(used())
        },
      })
    },
    connections: new Gauge({
      name: 'twinpost_edge_connections',
      help: 'Open client connections by listener.',
      labelNames: ['listener'],
      registers,
    }),
    connectionsRefused: new Counter({
      name: 'twinpost_edge_connections_refused_total',
      help: 'Connections closed at once because of a limit.',
      labelNames: ['listener'],
      registers,
    }),
    clientsRefused: new Counter({
      name: 'twinpost_edge_clients_refused_total',
      help: 'Recipients and connections refused because of who the client is: listed, no-name, our-name, null-mx, no-domain, often, early-talker.',
      labelNames: ['reason'],
      registers,
    }),
    sessions: new Gauge({
      name: 'twinpost_edge_sessions',
      help: 'Sessions handed over to a shard.',
      labelNames: ['protocol'],
      registers,
    }),
    sessionsEnded: new Counter({
      name: 'twinpost_edge_sessions_ended_total',
      help: 'Ended sessions by reason.',
      labelNames: ['protocol', 'reason'],
      registers,
    }),
    deliveries: new Counter({
      name: 'twinpost_edge_deliveries_total',
      help: 'Recipients of letters by what became of them.',
      labelNames: ['source', 'outcome'],
      registers,
    }),
    recipients: new Counter({
      name: 'twinpost_edge_recipients_total',
      help: 'RCPT commands by verdict.',
      labelNames: ['source', 'verdict'],
      registers,
    }),
    letterBytes: new Counter({
      name: 'twinpost_edge_letter_bytes_total',
      help: 'Bytes of letters read.',
      labelNames: ['source'],
      registers,
    }),
    stageSeconds: new Histogram({
      name: 'twinpost_edge_stage_seconds',
      help: 'Time of a letter by stage: recipient (RCPT), body (DATA until read), commit (read until stored).',
      labelNames: ['stage'],
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
    logins: new Counter({
      name: 'twinpost_edge_logins_total',
      help: 'Successful logins.',
      labelNames: ['protocol', 'mechanism'],
      registers,
    }),
    loginFailures: new Counter({
      name: 'twinpost_edge_login_failures_total',
      help: 'Failed logins by reason.',
      labelNames: ['protocol', 'mechanism', 'reason'],
      registers,
    }),
    bodyRefusals: new Counter({
      name: 'twinpost_edge_body_budget_refusals_total',
      help: 'DATA commands refused with 452 because the budget was spent.',
      registers,
    }),
    filterFailures: new Counter({
      name: 'twinpost_edge_filter_failures_total',
      help: 'Times that a pod of a filter pool did not judge a letter.',
      labelNames: ['pool'],
      registers,
    }),
    filterSeconds: new Histogram({
      name: 'twinpost_edge_filter_seconds',
      help: 'From the last byte of a letter to the verdict of its filter pool.',
      labelNames: ['pool'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2, 10, 30],
      registers,
    }),
    filterActions: new Counter({
      name: 'twinpost_edge_filter_actions_total',
      help: 'Recipients of letters by what the policy decided.',
      labelNames: ['action'],
      registers,
    }),
    directoryErrors: new Counter({
      name: 'twinpost_edge_directory_errors_total',
      help: 'Questions that the directory could not answer.',
      registers,
    }),
  }
}
