/** The streams behind the subjects. Whoever starts first makes them; changing a limit here changes them at the next start. */
import { SUBJECT_PREFIX } from './events.ts'
import {
  ALERT_AGE_MS,
  AUDIT_AGE_MS,
  COMMAND_AGE_MS,
  DEDUPE_MS,
  EVENT_BYTES_MAX,
  NEWS_AGE_MS,
  RESULT_AGE_MS,
  USAGE_AGE_MS,
} from './limits.ts'

export interface StreamDefinition {
  readonly name: string
  readonly subjects: readonly string[]
  /** `workqueue`: a message is gone when its consumer has acknowledged it. */
  readonly retention: 'limits' | 'workqueue'
  readonly ageMaxMs: number
  /** Null: all. 1 keeps the last message of each subject. */
  readonly perSubjectMax: number | null
}

const subject = (tail: string) => `${SUBJECT_PREFIX}.${tail}`

export const STREAMS = {
  commands: {
    name: 'TP_COMMANDS',
    subjects: [subject('provision.command')],
    retention: 'workqueue',
    ageMaxMs: COMMAND_AGE_MS,
    perSubjectMax: null,
  },
  results: {
    name: 'TP_RESULTS',
    subjects: [subject('provision.result.*')],
    retention: 'limits',
    ageMaxMs: RESULT_AGE_MS,
    perSubjectMax: 1,
  },
  news: {
    name: 'TP_NEWS',
    subjects: [
      subject('account.changed'),
      subject('route.changed'),
      subject('domain.changed'),
      subject('group.changed'),
    ],
    retention: 'limits',
    ageMaxMs: NEWS_AGE_MS,
    perSubjectMax: null,
  },
  audit: {
    name: 'TP_AUDIT',
    subjects: [subject('audit.>')],
    retention: 'limits',
    ageMaxMs: AUDIT_AGE_MS,
    perSubjectMax: null,
  },
  usage: {
    name: 'TP_USAGE',
    subjects: [subject('usage.>')],
    retention: 'limits',
    ageMaxMs: USAGE_AGE_MS,
    perSubjectMax: null,
  },
  alerts: {
    name: 'TP_ALERTS',
    subjects: [subject('alert.>')],
    retention: 'limits',
    ageMaxMs: ALERT_AGE_MS,
    perSubjectMax: null,
  },
} as const satisfies Record<string, StreamDefinition>

/** Name of the one durable consumer of the commands. */
export const PROVISION_CONSUMER = 'provision'

const NANOS_PER_MS = 1_000_000

/** Configuration in JetStream's words. @param replicas 1, or 3 in a cluster. */
export function streamConfig(definition: StreamDefinition, replicas: number) {
  return {
    name: definition.name,
    subjects: [...definition.subjects],
    retention: definition.retention,
    storage: 'file' as const,
    discard: 'old' as const,
    num_replicas: replicas,
    max_age: definition.ageMaxMs * NANOS_PER_MS,
    max_msgs_per_subject: definition.perSubjectMax ?? -1,
    max_msg_size: EVENT_BYTES_MAX,
    duplicate_window: DEDUPE_MS * NANOS_PER_MS,
    allow_direct: true,
  }
}
