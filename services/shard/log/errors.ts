/** Failures of the log and of the replica directory that a caller branches on. */
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'

export const LOG_ERRORS = {
  LOG_STOPPED: {
    smtp: '451 4.3.0',
    imap: 'UNAVAILABLE',
    retry: true,
    meaning: 'The log writes nothing more: a disk error came before, or it is closed.',
  },
  LOG_BUSY: {
    smtp: '451 4.3.2',
    imap: 'UNAVAILABLE',
    retry: true,
    meaning: 'More bytes wait for the disk than memory is set aside for.',
  },
  LOG_NO_SUCH_RECORD: { retry: false, meaning: 'The log holds no record with this number.' },
  LOG_ROTTEN_RECORD: {
    smtp: '451 4.3.0',
    imap: 'CORRUPTION',
    retry: false,
    meaning: 'The record was durable and its bytes on this disk are damaged: fetch it from the peer.',
  },
  LOG_DROPPED_RECORD: {
    imap: 'EXPUNGEISSUED',
    retry: false,
    meaning: 'Compaction gave up the record: nothing that is still there refers to it.',
  },
  LOG_FOREIGN: { retry: false, meaning: 'The directory holds the log of another shard.' },
  LOG_FORMAT_NEWER: { retry: false, meaning: 'The log was written by a newer version of this program.' },
  LOG_UNREADABLE: {
    retry: false,
    meaning: 'The only segment has lost its header and nothing in it tells which log it belongs to.',
  },
  LOG_BAD_BATCH: {
    retry: false,
    meaning: "The peer's records do not prove themselves or do not continue this log: nothing of them was taken.",
  },
  LOG_EPOCH_BACKWARDS: { retry: false, meaning: 'The epoch asked for is lower than one the log has seen.' },
} as const satisfies Record<string, ErrorSpec>

export class LogError extends CodedError<keyof typeof LOG_ERRORS> {
  override readonly name = 'LogError'
}

export function droppedRecord(lsn: number): LogError {
  return new LogError('LOG_DROPPED_RECORD', `Cannot read record ${lsn}: compaction has dropped it`, {
    details: { lsn },
  })
}

export const REPLICA_ERRORS = {
  REPLICA_FOREIGN: { retry: false, meaning: 'The directory belongs to another shard or another replica.' },
  REPLICA_FORMAT_NEWER: { retry: false, meaning: 'The directory was made by a newer version of this program.' },
  REPLICA_MISSING: { retry: false, meaning: 'The folder holds no replica, and none was to be made.' },
  REPLICA_DAMAGED: { retry: false, meaning: 'A file of the replica directory does not pass its checksum.' },
  REPLICA_LOCKED: { retry: true, meaning: 'Another process holds the replica directory.' },
} as const satisfies Record<string, ErrorSpec>

export class ReplicaError extends CodedError<keyof typeof REPLICA_ERRORS> {
  override readonly name = 'ReplicaError'
}
