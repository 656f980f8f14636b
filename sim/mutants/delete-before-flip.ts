/** Is done with the account as soon as it was given away, whether the target has taken it or not. */
import { decideMove as decide, type MoveAction, type MoveFacts } from '#shard/move/decide.ts'

export * from '#shard/move/decide.ts'

export function decideMove(facts: MoveFacts): MoveAction {
  const action = decide(facts)
  return facts.source === 'decided' && action.kind !== 'ask' ? { kind: 'end' } : action
}
