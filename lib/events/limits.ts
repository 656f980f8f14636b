/** Limits and times of events, each with its reason. */

/** How long JetStream remembers the ids of what was published: longer than any retry of a publisher. */
export const DEDUPE_MS = 10 * 60_000
/** A command that nobody could carry out for a week is no longer what its sender wants. */
export const COMMAND_AGE_MS = 7 * 24 * 3_600_000
/** Results are read by a waiting sender within seconds; a day serves those who come back. */
export const RESULT_AGE_MS = 24 * 3_600_000
/** News about accounts and routes matter to caches that live minutes; a week serves investigations. */
export const NEWS_AGE_MS = 7 * 24 * 3_600_000
/** Audit records are kept 400 days: a year and a margin. */
export const AUDIT_AGE_MS = 400 * 24 * 3_600_000
/** Usage records are read by billing every hour; 90 days allow a late correction. */
export const USAGE_AGE_MS = 90 * 24 * 3_600_000
export const ALERT_AGE_MS = 30 * 24 * 3_600_000
/** Largest event: a command with 100 aliases is below 40 KB. */
export const EVENT_BYTES_MAX = 64 * 1024
/** Events offered while NATS is away are kept up to this number, then the oldest are dropped and counted. */
export const OUTBOX_EVENTS_MAX = 10_000
/** How long one try to publish waits for JetStream's acknowledgement. */
export const PUBLISH_TIMEOUT_MS = 2_000
/** A command whose worker said nothing for this long is given to another one. */
export const ACK_WAIT_MS = 30_000
/** Commands in work at once: each waits mostly for disks and shards. */
export const COMMANDS_AT_ONCE = 16
/** Pauses before a command that could not be carried out is tried again; the last one repeats. */
export const RETRY_PAUSES_MS: readonly number[] = [200, 500, 1_000, 2_000, 5_000, 15_000, 30_000]
export const RECONNECT_PAUSE_MS = 500
/** A silent connection is tested this often and given up after two lost answers. */
export const PING_MS = 10_000
