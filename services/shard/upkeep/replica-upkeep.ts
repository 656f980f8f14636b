/** Upkeep in a replica: gathers what it must know from the replication machine and the index, and tells what it did. */
import type { Logger } from '#lib/log/logger.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Disk } from '#lib/ports/disk.ts'
import type { IndexMaintenance, ShardIndex } from '../index/mod.ts'
import type { MachineStatus } from '../replication/machine-types.ts'
import type { UpkeepPolicy } from './decide.ts'
import type { Follower } from './horizon.ts'
import type { Reserve } from './reserve.ts'
import { ScrubFile } from './scrub.ts'
import { type KeptLog, Upkeep, type UpkeepNotice } from './upkeep.ts'

export interface ReplicaUpkeepOptions {
  readonly disk: Disk
  /** Of the replica, below the disk's root. */
  readonly folder: string
  readonly self: string
  readonly log: KeptLog
  readonly index: ShardIndex
  readonly maintenance: Pick<IndexMaintenance, 'checkpointedLsn'>
  readonly machine: {
    status(): Pick<MachineStatus, 'entry' | 'commit'>
    /** What a replica acknowledged as durable in this term; null: nothing. */
    durableLsnOf(id: string): number | null
  }
  readonly reserve: Reserve
  readonly policy: UpkeepPolicy
  readonly clock: Clock
  readonly logger: Logger
  readonly space: () => { readonly freeBytes: number; readonly totalBytes: number }
}

export function startUpkeep(options: ReplicaUpkeepOptions): Upkeep {
  const { disk, folder, self, log, index, maintenance, machine, reserve, policy, clock, logger, space } = options
  const away = new AwaySince()
  const upkeep = new Upkeep({
    log,
    index,
    clock,
    reserve,
    policy,
    scrubFile: new ScrubFile(disk, folder),
    surroundings: () => {
      const { entry, commit } = machine.status()
      const facts = { self, entry, commit, durableOf: (id: string) => machine.durableLsnOf(id) }
      const followers = followersOf(facts, (id, isAway) => away.forMs(id, isAway, clock.monotonicMs()))
      return { commit, indexLsn: maintenance.checkpointedLsn, followers, ...space() }
    },
    onNotice: (notice) => logger[levelOf(notice)](notice, 'upkeep'),
  })
  upkeep.start()
  return upkeep
}

export interface FollowerFacts {
  readonly self: string
  /** Null: the ledger was not read yet. */
  readonly entry: { readonly replicas: readonly { readonly id: string }[]; readonly inSync: readonly string[] } | null
  readonly commit: number
  readonly durableOf: (id: string) => number | null
}

/**
 * Every other replica that the ledger names. One that is in sync holds all that is committed: that is what commit means. As long as
 * nobody knows whom the ledger names, somebody unknown is waited for.
 */
export function followersOf(
  { self, entry, commit, durableOf }: FollowerFacts,
  awayMs: (id: string, isAway: boolean) => number,
): Follower[] {
  if (entry === null) return [{ name: 'ledger', lsn: null, awayMs: 0 }]
  return entry.replicas
    .filter(({ id }) => id !== self)
    .map(({ id }) => {
      const inSync = entry.inSync.includes(id)
      return { name: id, lsn: inSync ? commit : durableOf(id), awayMs: awayMs(id, !inSync) }
    })
}

/** For how long each was seen out of sync by this process: a restart begins to count anew, which only keeps more. */
class AwaySince {
  readonly #since = new Map<string, number>()

  forMs(id: string, isAway: boolean, nowMs: number): number {
    if (!isAway) {
      this.#since.delete(id)
      return 0
    }
    const since = this.#since.get(id) ?? nowMs
    this.#since.set(id, since)
    return nowMs - since
  }
}

function levelOf({ kind }: UpkeepNotice): 'info' | 'warn' {
  return kind === 'failed' || kind === 'not-compacted' || kind === 'needs-full-copy' ? 'warn' : 'info'
}
