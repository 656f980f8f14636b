/**
 * The ledger: per shard one small record of who may write, changed only by compare-and-swap. Nothing else gives authority:
 * no clock, cache, lock, name or directory entry. Adapters: `sqlite-ledger.ts` (local), a Lease (Kubernetes), simulated.
 */
import { z } from 'zod'
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'
import { type Epoch, type ShardName, toEpoch } from '#lib/mail/types.ts'

/** Names one replica directory for good: `<shard>@<member>#<incarnation>`; an emptied disk makes another one. */
export type ReplicaId = string

export const LedgerReplica = z.strictObject({
  id: z.string(),
  member: z.int().min(0).max(1),
  podUid: z.string(),
  /** Random, made with the replica directory. */
  incarnation: z.string(),
  /** Random, made by each process life: an epoch belongs to exactly one. */
  bootId: z.string(),
})
export type LedgerReplica = z.infer<typeof LedgerReplica>

export const LedgerEntry = z.strictObject({
  /** Our own counter, one more with each swap. */
  version: z.int().min(1),
  epoch: z
    .int()
    .min(1)
    .transform((epoch): Epoch => toEpoch(epoch)),
  primary: z.string(),
  inSync: z.array(z.string()).min(1).max(2),
  replicas: z.array(LedgerReplica).min(1).max(2),
  /** What both members' binaries understand; raised by the operator only. */
  featureLevel: z.int().min(1),
  /** Random, made by the writer of this version: settles an unknown outcome. */
  nonce: z.string(),
})
export type LedgerEntry = z.infer<typeof LedgerEntry>

export type SwapOutcome =
  | { readonly kind: 'ok' }
  /** Somebody else was faster; read again. */
  | { readonly kind: 'conflict' }
  /** The write may or may not have landed, or may land later (replication.md rule 4). */
  | { readonly kind: 'unknown'; readonly cause: unknown }

export interface Ledger {
  /** The newest entry; null if there is none. @throws {LedgerError} LEDGER_UNAVAILABLE, LEDGER_UNREADABLE */
  read(shard: ShardName): Promise<LedgerEntry | null>
  /**
   * Writes `to` if the entry is still exactly `from` (by version and nonce; null: no entry). `to.version` must be higher than
   * `from.version`: by one, except where a lost ledger is made anew. A throw counts as an unknown outcome.
   */
  compareAndSwap(shard: ShardName, from: LedgerEntry | null, to: LedgerEntry): Promise<SwapOutcome>
}

export const LEDGER_ERRORS = {
  LEDGER_UNAVAILABLE: {
    retry: true,
    meaning: 'The ledger cannot be read or written now; nobody gains or loses the right to write by that.',
  },
  LEDGER_UNREADABLE: {
    retry: false,
    meaning: 'The ledger entry of a shard is damaged; it gives nobody the right to write.',
  },
} as const satisfies Record<string, ErrorSpec>

export class LedgerError extends CodedError<keyof typeof LEDGER_ERRORS> {
  override readonly name = 'LedgerError'
}

/** @throws {LedgerError} LEDGER_UNREADABLE: an entry that cannot be read gives nobody the right to write. */
export function parseLedgerEntry(shard: ShardName, text: string): LedgerEntry {
  try {
    return LedgerEntry.parse(JSON.parse(text))
  } catch (cause) {
    throw new LedgerError(
      'LEDGER_UNREADABLE',
      `Cannot read the ledger entry of ${shard}: see docs/operations.md, "ledger lost"`,
      {
        cause,
      },
    )
  }
}
