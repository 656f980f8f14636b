/**
 * Rules 12, 13 and 16: which operations a primary takes in, and what it answers when one is committed. Pure; the mailbox room asks
 * before it appends and again when commit has reached the operation.
 */

/** `never`: mail from outside is refused for as long as there is one copy. */
export interface DurabilityPolicy {
  readonly inbound:
    | { readonly mode: 'preferred' }
    | { readonly mode: 'required'; readonly degradedAfterMs: number | 'never' }
  readonly users: 'preferred' | 'required'
}

export const DURABILITY_DEFAULT: DurabilityPolicy = {
  inbound: { mode: 'required', degradedAfterMs: 120_000 },
  users: 'preferred',
}

/**
 * `inbound`: mail from outside. `user`: submission, APPEND, COPY. `change`: flags, moves: what takes next to no space. `relief`: what
 * frees space or must go on: expunge, queue.done, retention.
 */
export type OperationKind = 'inbound' | 'user' | 'change' | 'relief'

export interface AdmissionFacts {
  readonly role: 'primary' | 'other'
  /** New operations are held back for a handover. */
  readonly draining: boolean
  readonly disk: 'good' | 'full' | 'slow' | 'failed'
  /** Members on which an operation is durable when it commits: the smallest in-sync set that the ledger may hold. */
  readonly copies: number
  /** Since there is one copy only; null: there are two. */
  readonly degradedMs: number | null
  /** Commit cannot go on: a required member is away and cannot be taken out. */
  readonly stalledMs: number
  /** The smallest share of free space of both members, 0 to 1; null if unknown. */
  readonly freeShare: number | null
  /** A mirror without which nothing commits waits for space, its reserve spent. */
  readonly mirrorWaitsForSpace: boolean
  readonly policy: DurabilityPolicy
  /** The shard has one replica by design: one copy is all there can be. */
  readonly solo: boolean
}

export type Admission =
  | { readonly kind: 'accept' }
  /** Keep the client waiting and ask again: a handover is under way, for a second at most. */
  | { readonly kind: 'hold' }
  | {
      readonly kind: 'refuse'
      readonly reason: 'not-primary' | 'disk-failed' | 'stalled' | 'one-copy' | 'full'
      /** RFC 5321 reply with RFC 3463 code for a mail transaction. */
      readonly smtp: string
      /** RFC 5530, RFC 9051 response code for a mailbox command. */
      readonly imap: string
    }

/** Rule 16: from here on mail is refused at either member. */
export const FULL_BELOW_SHARE = 0.07
/** Rule 16: from here on it is said. */
export const WARN_BELOW_SHARE = 0.15
/** How long operations pile up for a commit that does not come: a shrink takes a second, more means that the ledger is away too. */
export const STALLED_AFTER_MS = 2_000

export function admit(kind: OperationKind, facts: AdmissionFacts): Admission {
  const { role, draining, disk, stalledMs, freeShare } = facts
  if (role !== 'primary') return refuse('not-primary', '451 4.3.0', 'UNAVAILABLE')
  if (disk === 'failed') return refuse('disk-failed', '451 4.3.0', 'UNAVAILABLE')
  if (draining) return { kind: 'hold' }
  if (stalledMs > STALLED_AFTER_MS) return refuse('stalled', '451 4.3.0', 'UNAVAILABLE')
  // Not a byte can be written, reserve or not: what is asked for would only wait.
  if (disk === 'full' || facts.mirrorWaitsForSpace) return refuse('full', '452 4.3.1', 'LIMIT')
  if (freeShare !== null && freeShare < FULL_BELOW_SHARE && (kind === 'inbound' || kind === 'user'))
    return refuse('full', '452 4.3.1', 'LIMIT')
  return mayStandAlone(kind, facts) ? { kind: 'accept' } : refuse('one-copy', '451 4.3.0', 'UNAVAILABLE')
}

/**
 * Rule 12: what is answered for an operation that was accepted and is committed now. `tempfail`: it is stored on one disk, and the
 * sender is asked to come again; the retry is recognised (rule 7).
 */
export function replyTo(kind: OperationKind, facts: AdmissionFacts): 'done' | 'tempfail' {
  return mayStandAlone(kind, facts) ? 'done' : 'tempfail'
}

/** Whether an operation may rest on as few copies as there are. */
function mayStandAlone(kind: OperationKind, { copies, degradedMs, policy, solo }: AdmissionFacts): boolean {
  if (copies >= 2 || solo || kind === 'relief') return true
  if (kind !== 'inbound') return policy.users === 'preferred'
  const { inbound } = policy
  if (inbound.mode === 'preferred') return true
  return inbound.degradedAfterMs !== 'never' && (degradedMs ?? 0) >= inbound.degradedAfterMs
}

function refuse(
  reason: 'not-primary' | 'disk-failed' | 'stalled' | 'one-copy' | 'full',
  smtp: string,
  imap: string,
): Admission {
  return { kind: 'refuse', reason, smtp, imap }
}
