/** Decides while what was written since the last round is still missing at the target. */
import { decideMove as decide, type MoveAction, type MoveFacts } from '#shard/move/decide.ts'

export * from '#shard/move/decide.ts'

export function decideMove(facts: MoveFacts): MoveAction {
  const action = decide(facts)
  return action.kind === 'freeze' ? { kind: 'yield' } : action
}
