/** A primary goes on in its epoch, whatever it hears of newer ones. (A mirror that follows an older epoch is stopped by what it knows committed.) */
import { decidePrimary as decide, type PrimaryAction, type PrimaryFacts } from '#shard/roles/decide-primary.ts'

export * from '#shard/roles/decide-primary.ts'

export function decidePrimary(facts: PrimaryFacts): PrimaryAction {
  const action = decide({ ...facts, heardEpoch: 0 })
  return action.kind === 'step-down' ? { kind: 'none', phase: action.phase } : action
}
