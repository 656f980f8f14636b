/** What a replica tells the peer about its log. The log must be drained: what is under way would be missing. */
import { EPOCHS_SENT_MAX } from './limits.ts'
import type { LogOutline } from './messages.ts'
import type { ReplicaLog } from './ports.ts'

export function outlineOf(log: ReplicaLog): LogOutline {
  const { tag, commit, horizon } = log
  return { tag, commit, horizon, lastLsn: log.durableLsn, epochs: log.epochs().slice(-EPOCHS_SENT_MAX) }
}
