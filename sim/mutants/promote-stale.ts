/** Takes over when the primary is silent, in sync or not. */
import { decideStandby as decide, type StandbyAction, type StandbyFacts } from '#shard/roles/decide-mirror.ts'

export * from '#shard/roles/decide-mirror.ts'

export function decideStandby(facts: StandbyFacts): StandbyAction {
  const { entry, self, ledger, quietMs, times, note, swapping, fenced } = facts
  const silent = ledger === 'good' && !facts.following && quietMs > times.graceMs && !swapping && !fenced
  if (silent && entry !== null && entry.primary !== self.id && note.ledgerVersion > 0) {
    return { kind: 'promote', from: entry }
  }
  return decide(facts)
}
