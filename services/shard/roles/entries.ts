/**
 * What may stand in the ledger, as pure functions: the entries that each change of authority writes, and what follows from a
 * set of entries of which one is the true one. Every entry is made from exactly the one it replaces.
 */
import { type Epoch, type Lsn, toEpoch, toLsn } from '#lib/mail/types.ts'
import type { Change } from '../ledger/agent.ts'
import type { LedgerEntry, LedgerReplica, ReplicaId } from '../ledger/types.ts'

/** A change of the ledger, before the agent gives it version and nonce. */
export type EntryChange = Change

/** Rule 4: the mirror is taken out. It stays among the replicas: compaction and a lost disk must know of it. */
export function shrunk(from: LedgerEntry): EntryChange {
  return { ...partOf(from), inSync: [from.primary] }
}

/** Rule 5: the mirror is in sync. Its former directories on that member are forgotten. */
export function grown(from: LedgerEntry, mirror: LedgerReplica): EntryChange {
  return { ...partOf(from), inSync: [from.primary, mirror.id], replicas: withReplica(from.replicas, mirror) }
}

/** Nothing changes but version and nonce: settles an unknown outcome (rule 4). */
export function kept(from: LedgerEntry): EntryChange {
  return partOf(from)
}

/** Planned switchover: the mirror holds everything and becomes primary, both stay in sync. */
export function handedOver(from: LedgerEntry, mirror: LedgerReplica): EntryChange {
  return {
    epoch: nextEpoch(from),
    primary: mirror.id,
    inSync: from.inSync,
    replicas: withReplica(from.replicas, mirror),
  }
}

/** Rule 15: the primary's disk failed, or rule 3: its log lacks what the mirror knows committed. */
export function abandoned(from: LedgerEntry, mirror: LedgerReplica): EntryChange {
  return { ...handedOver(from, mirror), inSync: [mirror.id] }
}

/** Rule 6: the mirror takes over. */
export function promoted(from: LedgerEntry, self: LedgerReplica): EntryChange {
  return {
    epoch: nextEpoch(from),
    primary: self.id,
    inSync: [self.id],
    replicas: withReplica(from.replicas, self),
  }
}

/** Rule 3: the primary of the ledger begins a new process life. */
export function claimed(from: LedgerEntry, self: LedgerReplica): EntryChange {
  return { ...partOf(from), epoch: nextEpoch(from), replicas: withReplica(from.replicas, self) }
}

function partOf(from: LedgerEntry): EntryChange {
  return { epoch: from.epoch, primary: from.primary, inSync: from.inSync, replicas: from.replicas }
}

function nextEpoch(from: LedgerEntry): Epoch {
  return toEpoch(from.epoch + 1)
}

/** One replica for each member: the given one replaces what its member had. */
function withReplica(replicas: readonly LedgerReplica[], one: LedgerReplica): LedgerReplica[] {
  const others = replicas.filter((replica) => replica.member !== one.member)
  return [...others, one].sort((a, b) => a.member - b.member)
}

/**
 * Rules 1 and 4: whose disks bound commit, as long as the ledger may hold any of `mayHold`: the union of the in-sync sets, and
 * a mirror that is growing in.
 */
export function requiredMembers(mayHold: readonly LedgerEntry[], growing: ReplicaId | null): readonly ReplicaId[] {
  const [first] = mayHold
  // Nearly always; and this is asked for each batch and before each answer.
  if (growing === null && mayHold.length === 1 && first !== undefined) return first.inSync
  const required = new Set(mayHold.flatMap((entry) => entry.inSync))
  if (growing !== null) required.add(growing)
  return [...required]
}

/** Rule 1: what is durable on every required disk; one of which nothing is known holds commit where it is. */
export function commitBound(required: readonly ReplicaId[], durable: ReadonlyMap<ReplicaId, Lsn>, commit: Lsn): Lsn {
  let bound = Number.POSITIVE_INFINITY
  for (const id of required) bound = Math.min(bound, durable.get(id) ?? 0)
  return Number.isFinite(bound) && bound > commit ? toLsn(bound) : commit
}

/** Whether every entry that the ledger may hold makes `id` primary. */
export function surelyPrimary(mayHold: readonly LedgerEntry[], id: ReplicaId): boolean {
  return mayHold.length > 0 && mayHold.every((entry) => entry.primary === id)
}

/** Whether nobody but `id` can be promoted: then it needs no lease (rule 8). */
export function surelySole(mayHold: readonly LedgerEntry[], id: ReplicaId): boolean {
  return surelyPrimary(mayHold, id) && mayHold.every((entry) => entry.inSync.length === 1 && entry.inSync[0] === id)
}

export interface NoteFacts {
  readonly promisedEpoch: Epoch
  readonly ledgerVersion: number
  readonly inSync: boolean
}

/**
 * Rule 6: whether a replica's own note agrees that it is in sync as `entry` says.
 *
 * A note says "I hold all that was committed up to `ledgerVersion`, and all since while I am required". Between the note and the entry
 * lie `entry.version - ledgerVersion` changes. Those that raise the epoch either leave the in-sync set as it is or reduce it to
 * their maker; of the others one may be the growth for which the note was written. Two of them can be a shrink and a growth that
 * this directory never saw: it was put back to an older state.
 */
export function noteAgrees(note: NoteFacts, entry: LedgerEntry, self: ReplicaId): boolean {
  if (!note.inSync || !entry.inSync.includes(self) || entry.version < note.ledgerVersion) return false
  const sameEpoch = entry.version - note.ledgerVersion - Math.max(0, entry.epoch - note.promisedEpoch)
  return sameEpoch <= 1
}
