/**
 * What the ledgers say about the shards of a MailNode: who is primary in which epoch, and who holds all acknowledged changes. Pure. The
 * ledger is what members themselves obey (docs/internals/replication.md), so that nobody has to be asked and nothing can be stale
 * in a dangerous way: a member that was taken out of the in-sync set cannot come back without a swap that is seen here.
 *
 * The operator reads entries and never writes them; what it does not understand it takes for "not in sync".
 */
import { z } from 'zod'
import { MEMBERS_PER_MAILNODE } from '#lib/link/address.ts'
import type { MailNode } from '#operator/api/mod.ts'

/** Written by members (services/shard/ledger/kubernetes-ledger.ts); a test holds both sides together. */
export const LEDGER_ANNOTATION = 'twinpost.io/ledger'

export interface ShardFacts {
  /** As n1/0. */
  readonly shard: string
  /** 0: no entry yet, or one that cannot be read. */
  readonly epoch: number
  /** Pod. */
  readonly primary: string | null
  /** Pods that hold all acknowledged changes. */
  readonly inSync: readonly string[]
}

/** Of an entry, what is needed here; other fields may be there. */
const Entry = z.object({
  epoch: z.int().min(1),
  primary: z.string(),
  inSync: z.array(z.string()),
  replicas: z.array(z.object({ id: z.string(), member: z.int().min(0).max(1) })),
})

/** @param text The annotation of the shard's Lease, if there is one. */
export function shardFacts(node: MailNode, index: number, text: string | undefined): ShardFacts {
  const { name } = node.metadata
  const shard = `${name}/${index}`
  const entry = text === undefined ? null : parse(text)
  if (entry === null) return { shard, epoch: 0, primary: null, inSync: [] }
  const podOf = (id: string): string[] => {
    const replica = entry.replicas.find((one) => one.id === id)
    return replica === undefined ? [] : [`${name}-${replica.member}`]
  }
  return { shard, epoch: entry.epoch, primary: podOf(entry.primary)[0] ?? null, inSync: entry.inSync.flatMap(podOf) }
}

export function hasTwoCopies(facts: ShardFacts): boolean {
  return facts.inSync.length === MEMBERS_PER_MAILNODE
}

function parse(text: string): z.infer<typeof Entry> | null {
  try {
    return Entry.parse(JSON.parse(text))
  } catch {
    return null
  }
}
