/**
 * Rule 11 carried out: gathers what `../roles/force.ts` wants to know, and writes the ledger entry that names this replica alone.
 * Invariants: the mirror's side is mute before the swap begins (rule 6); the jump is noted before it, and carried out with the first
 * record of the epoch (`primary-duty.ts`), in whichever process life that is.
 */
import { type Lsn, toEpoch } from '#lib/mail/types.ts'
import type { LedgerAgent, SwapResult } from '../ledger/agent.ts'
import type { LedgerReplica } from '../ledger/types.ts'
import { decideForce, type ForceProof } from '../roles/force.ts'
import { uidsToPass } from '../roles/recovery-jump.ts'
import type { RoleTimes } from '../roles/times.ts'
import { CommandError } from './errors.ts'
import type { MirrorSide } from './mirror-side.ts'
import type { NoteKeeper } from './note-keeper.ts'
import type { ReplicaLog } from './ports.ts'

export interface ForcedPromotionOptions {
  readonly self: LedgerReplica
  readonly times: RoleTimes
  readonly log: ReplicaLog
  readonly agent: LedgerAgent
  readonly notes: NoteKeeper
  readonly mirror: MirrorSide | null
  /** Asked when ledger and log were read: it may have changed meanwhile. */
  readonly standing: () => {
    readonly role: 'standby' | 'primary' | 'ended'
    readonly fenced: boolean
    readonly quietMs: number
    readonly commit: Lsn
  }
  readonly nowMs: () => number
  readonly onSwapped: (result: SwapResult, mayLose: string) => void
  /** The ledger names this replica; called before anything can be decided on that. */
  readonly onNamed: () => void
}

/**
 * @returns In words what may be lost; it has happened then.
 * @throws {CommandError} REPLICA_FORCE_REFUSED, REPLICA_CALLED_OFF
 */
export async function forcePromotion(
  options: ForcedPromotionOptions,
  proof: ForceProof | null,
  otherPod: string,
): Promise<string> {
  const { self, times, log, agent, notes, mirror, standing, nowMs, onSwapped, onNamed } = options
  await agent.read()
  const newest = log.durableLsn > 0 ? await log.read(log.durableLsn) : null
  const decision = decideForce({
    ...standing(),
    self,
    entry: agent.base ?? agent.found,
    ledger: agent.health,
    lastLsn: log.lastLsn,
    newestMs: newest?.wallMs ?? null,
    proof,
    otherPod,
    times,
  })
  if (decision.kind === 'refuse')
    throw new CommandError('REPLICA_FORCE_REFUSED', `Cannot promote by force: ${decision.reason}`)
  mirror?.mute()
  // Durable before the ledger names this replica: a process that ends in between must not serve without the jump.
  await notes.update((note) => ({ ...note, jumpUids: uidsToPass(newest?.wallMs ?? 0, nowMs()) }))
  const { promisedEpoch } = notes.note
  const base = decision.from ??
    agent.base ??
    agent.found ?? { epoch: promisedEpoch, primary: self.id, inSync: [self.id], replicas: [self] }
  const change = {
    epoch: toEpoch(Math.max(base.epoch, promisedEpoch) + 1),
    primary: self.id,
    inSync: [self.id],
    replicas: [...base.replicas.filter(({ member }) => member !== self.member), self],
  }
  const result = decision.from === null ? await agent.makeAnew(change) : await agent.swap(decision.from, change)
  onSwapped(result, decision.mayLose)
  // After an unknown outcome the ledger may name this replica yet; a jump without need costs nothing.
  if (result !== 'ok' && result !== 'unknown') await notes.update((note) => ({ ...note, jumpUids: 0 }))
  if (result !== 'ok') throw new CommandError('REPLICA_CALLED_OFF', `Cannot promote: the ledger answered ${result}`)
  onNamed()
  return decision.mayLose
}
