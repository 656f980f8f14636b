/**
 * Rule 13 by an administrator's word: gathers what both replicas noted, lets `../roles/restore-ledger.ts` decide and writes the entry
 * that names this replica alone. Invariant: the mirror's side is mute before the swap begins (rule 6).
 */
import { toEpoch } from '#lib/mail/types.ts'
import type { LedgerAgent, SwapResult } from '../ledger/agent.ts'
import type { LedgerReplica } from '../ledger/types.ts'
import { decideRestore, type ReplicaEvidence, type RestoreFacts } from '../roles/restore-ledger.ts'
import { CommandError } from './errors.ts'
import type { MirrorSide } from './mirror-side.ts'
import type { NoteKeeper } from './note-keeper.ts'
import type { ReplicaLog } from './ports.ts'
import type { Probed } from './probe.ts'

export interface LedgerRestorationOptions {
  readonly self: LedgerReplica
  /** Pods of both members, for words. */
  readonly pods: { readonly self: string; readonly other: string }
  readonly log: ReplicaLog
  readonly agent: LedgerAgent
  readonly notes: NoteKeeper
  readonly mirror: MirrorSide
  /** Asks the peer who it is. */
  readonly probe: () => Promise<Probed | null>
  readonly standing: () => Pick<RestoreFacts, 'role' | 'fenced'>
  readonly onSwapped: (result: SwapResult, words: string) => void
  readonly onNamed: () => void
}

/**
 * @returns In words why this replica could do it; it has happened then.
 * @throws {CommandError} REPLICA_RESTORE_REFUSED, REPLICA_CALLED_OFF
 */
export async function restoreLedger(options: LedgerRestorationOptions): Promise<string> {
  const { self, pods, log, agent, notes, mirror, probe, standing, onSwapped, onNamed } = options
  await agent.read()
  const probed = await probe()
  const { promisedEpoch, ledgerVersion, inSync } = notes.note
  const logEpoch = log.epochs().at(-1)?.epoch ?? 0
  const decision = decideRestore({
    ...standing(),
    ledger: agent.health,
    self: { pod: pods.self, promisedEpoch, ledgerVersion, inSync, logEpoch, lastLsn: log.lastLsn },
    other: probed && evidenceOf(probed, pods.other),
    otherPod: pods.other,
  })
  if (decision.kind === 'refuse' || probed === null) {
    const reason = decision.kind === 'refuse' ? decision.reason : `${pods.other} does not answer`
    throw new CommandError('REPLICA_RESTORE_REFUSED', `Cannot make the ledger anew from ${pods.self}: ${reason}`)
  }
  mirror.mute()
  agent.heardOf(probed.ledgerVersion)
  const epochs = [promisedEpoch, probed.epoch, logEpoch, probed.logEpoch, agent.found?.epoch ?? 0]
  const result = await agent.makeAnew({
    epoch: toEpoch(Math.max(...epochs) + 1),
    primary: self.id,
    inSync: [self.id],
    replicas: [probed.replica, self].sort((a, b) => a.member - b.member),
  })
  onSwapped(result, decision.words)
  if (result !== 'ok')
    throw new CommandError('REPLICA_CALLED_OFF', `Cannot make the ledger anew: it answered ${result}`)
  onNamed()
  return decision.words
}

function evidenceOf({ epoch, ledgerVersion, inSync, logEpoch, lastLsn }: Probed, pod: string): ReplicaEvidence {
  return { pod, promisedEpoch: epoch, ledgerVersion, inSync, logEpoch, lastLsn }
}
