/**
 * What the source of a move does next: facts in, one action out. Pure.
 *
 * The order that cannot change: the target has everything (`ready`), the source commits `account.moved` while nothing is written (in
 * `freeze`), and only then the target is told to own the account. Before that record either side may give up; after it there is no action
 * but to go forward.
 */
import {
  AWAY_MS,
  CAUGHT_UP_CHANGES,
  CAUGHT_UP_MS,
  DROP_MS,
  FAILURES_MAX,
  FREEZES_MAX,
  QUEUE_MS,
  ROUNDS_MAX,
} from './limits.ts'

export type TargetFacts =
  /** Not asked yet, or what was asked is no longer true. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'away'; readonly forMs: number }
  | { readonly kind: 'refuses'; readonly reason: string }
  /** `sealed`: it takes no more copies. */
  | { readonly kind: 'none' | 'copying' | 'ready' | 'sealed' }
  | { readonly kind: 'owned'; readonly generation: number }

export interface MoveFacts {
  /** As the source's log has it. `over`: nothing is left to do. */
  readonly source: 'copying' | 'decided' | 'cancelling' | 'over'
  /** The account is served here. */
  readonly served: boolean
  /** That the account will have. */
  readonly generation: number
  readonly target: TargetFacts
  /** Rounds of copying that were whole, and what the last one found. */
  readonly rounds: number
  readonly lastRound: { readonly ms: number; readonly changes: number } | null
  /** Letters in the queue that are to follow the account; null: nobody has looked since it moved. */
  readonly queued: number | null
  /** How long it has looked after them. */
  readonly queuedForMs: number
  /** Steps that failed since the last one that did not, and why the last one did. */
  readonly failures: number
  readonly failure: string
  /** Times that writes were stopped in vain. */
  readonly freezes: number
}

export type MoveAction =
  | { readonly kind: 'ask' }
  | { readonly kind: 'offer' }
  | { readonly kind: 'copy' }
  /** Stop writes, copy what is left, decide. */
  | { readonly kind: 'freeze' }
  /** The target owns the account already: this log lost its decision, and takes it again. */
  | { readonly kind: 'yield' }
  | { readonly kind: 'tell-own' }
  /** Letters that wait in the queue follow the account. */
  | { readonly kind: 'hand-over' }
  | { readonly kind: 'drop' }
  | { readonly kind: 'cancel'; readonly reason: string }
  | { readonly kind: 'end' }
  | { readonly kind: 'wait'; readonly reason: string }
  | { readonly kind: 'nothing' }

export function decideMove(facts: MoveFacts): MoveAction {
  const { source, target } = facts
  if (source === 'over') return { kind: 'nothing' }
  if (target.kind === 'unknown') return { kind: 'ask' }
  if (source === 'decided') return afterDecision(target, facts)
  if (target.kind === 'owned' && target.generation >= facts.generation) return { kind: 'yield' }
  return source === 'cancelling' ? givingUp(target) : beforeDecision(facts)
}

function afterDecision(
  target: Exclude<TargetFacts, { kind: 'unknown' }>,
  { generation, queued, queuedForMs }: MoveFacts,
): MoveAction {
  switch (target.kind) {
    case 'owned':
      if (target.generation < generation) return { kind: 'tell-own' }
      if (queued === null) return { kind: 'hand-over' }
      // What is being tried all the time is sent from here.
      return queued > 0 && queuedForMs < QUEUE_MS ? { kind: 'hand-over' } : { kind: 'end' }
    case 'away':
      return { kind: 'wait', reason: 'the target cannot be reached' }
    default:
      return { kind: 'tell-own' }
  }
}

function givingUp(target: Exclude<TargetFacts, { kind: 'unknown' }>): MoveAction {
  switch (target.kind) {
    case 'none':
    case 'owned': // as an earlier generation: that was another move
      return { kind: 'end' }
    case 'away':
      return target.forMs >= DROP_MS ? { kind: 'end' } : { kind: 'wait', reason: 'the target cannot be reached' }
    case 'refuses':
      return { kind: 'end' }
    default:
      return { kind: 'drop' }
  }
}

function beforeDecision(facts: MoveFacts): MoveAction {
  const { served, target, rounds, lastRound, freezes } = facts
  if (!served) return { kind: 'cancel', reason: 'the account is not here any more' }
  if (facts.failures >= FAILURES_MAX) return { kind: 'cancel', reason: `it cannot be copied: ${facts.failure}` }
  switch (target.kind) {
    case 'away':
      if (target.forMs >= AWAY_MS) return { kind: 'cancel', reason: 'the target cannot be reached' }
      return { kind: 'wait', reason: 'the target cannot be reached' }
    case 'refuses':
      return { kind: 'cancel', reason: target.reason }
    case 'sealed':
      return { kind: 'cancel', reason: 'the target was recovered by force while the account was copied' }
    case 'none':
    case 'owned': // as an earlier generation, as far as it knows: it says why it will not
      return { kind: 'offer' }
    default: {
      if (lastRound === null) return { kind: 'copy' }
      if (freezes >= FREEZES_MAX) return { kind: 'cancel', reason: 'the account changes faster than it can be copied' }
      const caughtUp = lastRound.ms <= CAUGHT_UP_MS || lastRound.changes <= CAUGHT_UP_CHANGES || rounds >= ROUNDS_MAX
      return { kind: caughtUp ? 'freeze' : 'copy' }
    }
  }
}
