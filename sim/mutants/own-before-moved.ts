/** Tells the target to own what it has, and decides after that. */
import { decideMove as decide, type MoveAction, type MoveFacts } from '#shard/move/decide.ts'

export * from '#shard/move/decide.ts'

export function decideMove(facts: MoveFacts): MoveAction {
  const action = decide(facts)
  return action.kind === 'freeze' ? { kind: 'tell-own' } : action
}
