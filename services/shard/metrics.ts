/** The shard's own series. Names and meanings: docs/reference/metrics.md. */
import type { StatusReport } from '#lib/frames/status-report.ts'
import { Counter, Gauge, Histogram, type Registry } from '#lib/metrics/metrics.ts'
import type { UpkeepCounts } from './upkeep/upkeep.ts'

export interface ShardMetrics {
  readonly deliveries: Counter<'outcome'>
  readonly deliverySeconds: Histogram
  readonly sessionsOpened: Counter<'protocol'>
  readonly brokenStreams: Counter
  readonly lessons: Counter<'outcome'>
}

/** @param status The last known state; asked at each scrape. @param upkeep Null: the log is not open yet */
export function createShardMetrics(
  registry: Registry,
  status: () => StatusReport,
  upkeep: () => UpkeepCounts | null,
  textIndexLsn: () => number,
): ShardMetrics {
  const registers = [registry]
  const gauge = (name: string, help: string, read: (status: StatusReport) => number) =>
    new Gauge({
      name: `twinpost_shard_${name}`,
      help,
      registers,
      collect() {
        this.set(read(status()))
      },
    })
  gauge('primary', '1 if this replica is the primary.', (s) => (s.role === 'primary' ? 1 : 0))
  gauge('epoch', 'Epoch of the ledger as last seen.', (s) => s.epoch)
  gauge('in_sync_replicas', 'Members of the in-sync set.', (s) => s.inSync.length)
  gauge('last_lsn', 'Highest LSN handed out.', (s) => s.lastLsn)
  gauge('durable_lsn', 'Highest LSN on this disk for certain.', (s) => s.durableLsn)
  gauge(
    'commit_lsn',
    'Highest LSN that is durable on every member of the in-sync set, as known here.',
    (s) => s.commitLsn,
  )
  gauge(
    'mirror_lag_bytes',
    'As primary: bytes sent or waiting that the mirror has not acknowledged.',
    (s) => s.mirrorLagBytes ?? 0,
  )
  gauge('ledger_healthy', '1 if the ledger can be read and has not gone back.', (s) => (s.ledger === 'good' ? 1 : 0))
  gauge('applied_lsn', 'Highest LSN in the index.', (s) => s.appliedLsn)
  new Gauge({
    name: 'twinpost_shard_text_index_lsn',
    help: 'Highest LSN in the text index; searches by text look at every newer letter.',
    registers,
    collect() {
      this.set(textIndexLsn())
    },
  })
  gauge('sessions', 'Client sessions open on this replica.', (s) => s.sessions)
  gauge('pending_operations', 'Operations appended and not yet committed.', (s) => s.pending)
  gauge('log_bytes', 'Bytes of all log segments.', (s) => s.logBytes)
  gauge('volume_free_bytes', 'Free bytes of the volume.', (s) => s.freeBytes)
  gauge('volume_total_bytes', 'Size of the volume in bytes.', (s) => s.totalBytes)
  const kept = (name: string, help: string, read: (counts: UpkeepCounts) => number) =>
    new Gauge({
      name: `twinpost_shard_${name}`,
      help,
      registers,
      collect() {
        const counts = upkeep()
        if (counts !== null) this.set(read(counts))
      },
    })
  kept('compaction_horizon_lsn', 'Compaction may look up to here (rule 10).', (c) => c.horizon)
  kept('compacted_segments', 'Segments written anew since the start.', (c) => c.compactedSegments)
  kept('compaction_freed_bytes', 'Bytes that compaction gave back since the start.', (c) => c.freedBytes)
  kept('compaction_dropped_records', 'Records that compaction dropped since the start.', (c) => c.droppedRecords)
  kept('log_dead_bytes', 'Bytes of letters in the log that nobody needs, as the last mark found.', (c) => c.deadBytes)
  kept('full_copies_needed', 'Replicas that were away for too long to be caught up.', (c) => c.needFullCopy.length)
  kept('last_scrub_timestamp_seconds', 'When every sealed record had been read; 0: never.', (c) =>
    Math.round((c.lastScrubMs ?? 0) / 1000),
  )
  kept('scrub_rotten_records', 'Damaged records that the scrub found since the start.', (c) => c.scrubRotten)
  kept(
    'reserve_missing_bytes',
    'Space set aside for a full disk that is spent or not yet filled.',
    (c) => c.reserveMissingBytes,
  )
  return {
    deliveries: new Counter({
      name: 'twinpost_shard_deliveries_total',
      help: 'Deliveries by outcome, one per recipient.',
      labelNames: ['outcome'],
      registers,
    }),
    deliverySeconds: new Histogram({
      name: 'twinpost_shard_delivery_seconds',
      help: 'From the last byte of a letter to its commit.',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
      registers,
    }),
    sessionsOpened: new Counter({
      name: 'twinpost_shard_sessions_opened_total',
      help: 'Client sessions opened, by protocol.',
      labelNames: ['protocol'],
      registers,
    }),
    lessons: new Counter({
      name: 'twinpost_shard_lessons_total',
      help: 'Letters that users have sorted, by whether a pod of the filter pool heard of it (told, failed); one for each pod.',
      labelNames: ['outcome'],
      registers,
    }),
    brokenStreams: new Counter({
      name: 'twinpost_shard_links_broken_total',
      help: 'Connections and streams that were turned away: no certificate of ours, not what the role may say, malformed, of an epoch that is over.',
      registers,
    }),
  }
}
