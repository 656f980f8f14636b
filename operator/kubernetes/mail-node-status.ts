/**
 * The status of a MailNode as the operator writes it. Pure: what is known now and what stood there before, the new status out. The
 * same facts give the same bytes, and nothing is written.
 */
import type { Condition, MailNode, MailNodeStatus } from '#operator/api/mod.ts'
import { conditionsOf, type Finding } from '#operator/controllers/conditions.ts'
import type { Phase, RolloutAction } from '#operator/controllers/mailnode/decide.ts'
import { hasTwoCopies, type ShardFacts } from '#operator/controllers/mailnode/shard-facts.ts'

/** Reasons of the condition Ready: an interface to users, and each is one word. */
export const READY_REASONS: Readonly<Record<Phase, string>> = {
  Running: 'MembersReady',
  Degraded: 'OneMemberReady',
  Starting: 'MembersStarting',
  Pending: 'NoPods',
  Stopped: 'Hibernated',
}
const REASON_CHARACTERS_MAX = 1_024 // of the schema

export interface MailNodeFacts {
  readonly phase: { readonly phase: Phase; readonly ready: boolean; readonly message: string }
  readonly action: RolloutAction
  /** Null where the ledgers are not seen. */
  readonly shards: readonly ShardFacts[] | null
  /** Members made from an older template. */
  readonly outdated: number
  /** What the volumes wait for, in words; null: they are as the resource says. */
  readonly volumes: string | null
}

export function statusOf(node: MailNode, facts: MailNodeFacts, nowMs: number): MailNodeStatus {
  const { generation } = node.metadata
  const findings = [
    readyFinding(facts),
    inSyncFinding(facts),
    upToDateFinding(node, facts),
    pausedFinding(node),
    fencedFinding(node),
  ]
  return {
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    phase: facts.phase.phase,
    phaseReason: phaseReason(node, facts).slice(0, REASON_CHARACTERS_MAX),
    ...(facts.shards === null ? {} : { shards: facts.shards.filter(({ epoch }) => epoch > 0).map(shardStatus) }),
    conditions: conditionsOf(
      findings.filter((finding) => finding !== null),
      node.status?.conditions,
      generation,
      nowMs,
    ),
  }
}

function readyFinding({ phase: { phase, ready, message } }: MailNodeFacts): Finding {
  return { type: 'Ready', status: flag(ready), reason: READY_REASONS[phase], message }
}

function inSyncFinding({ shards }: MailNodeFacts): Finding | null {
  if (shards === null) return null
  const unknown = shards.filter(({ epoch }) => epoch === 0)
  const behind = shards.filter((facts) => !hasTwoCopies(facts))
  if (unknown.length > 0) {
    const message = `No readable ledger entry of ${names(unknown)} yet`
    return { type: 'InSync', status: 'Unknown', reason: 'NoLedgerEntry', message }
  }
  if (behind.length > 0) {
    return { type: 'InSync', status: 'False', reason: 'OneCopy', message: `One copy only of ${names(behind)}` }
  }
  return { type: 'InSync', status: 'True', reason: 'TwoCopies', message: 'Every shard has two copies' }
}

function upToDateFinding(node: MailNode, { action, outdated, volumes }: MailNodeFacts): Finding {
  const type = 'UpToDate'
  if (action.kind === 'wait') return { type, status: 'False', reason: action.reason, message: rolloutText(action) }
  if (outdated > 0) {
    const message = node.spec.paused
      ? `${outdated} members are made from an older template, and the MailNode is paused`
      : `${outdated} members are made from an older template and are being replaced`
    return { type, status: 'False', reason: 'Rolling', message }
  }
  if (volumes !== null) return { type, status: 'False', reason: 'VolumesGrow', message: volumes }
  return { type, status: 'True', reason: 'AsSpecified', message: 'Members and volumes are as the MailNode says' }
}

/** Only there while it holds. */
function pausedFinding(node: MailNode): Finding | null {
  if (!node.spec.paused) return null
  return { type: 'Paused', status: 'True', reason: 'SpecPaused', message: 'spec.paused: nothing is changed' }
}

/** Only there while it holds. */
function fencedFinding({ spec: { fenced } }: MailNode): Finding | null {
  if (fenced.length === 0) return null
  const message = `${fenced.join(', ')} must not be primary; status.shards shows who is`
  return { type: 'Fenced', status: 'True', reason: 'SpecFenced', message }
}

function phaseReason(node: MailNode, facts: MailNodeFacts): string {
  const { action, volumes, phase } = facts
  return [
    phase.message,
    ...(node.spec.paused ? ['paused'] : []),
    ...(action.kind === 'wait' ? [rolloutText(action)] : []),
    ...(action.kind === 'replace' ? [`replacing ${action.pod}`] : []),
    ...(volumes === null ? [] : [volumes]),
  ].join('; ')
}

function rolloutText(action: Extract<RolloutAction, { kind: 'wait' }>): string {
  return `Rolling waits: ${action.message}`
}

function shardStatus({ shard, epoch, primary, inSync }: ShardFacts): NonNullable<MailNodeStatus['shards']>[number] {
  const mirror = inSync.find((pod) => pod !== primary)
  return {
    shard,
    epoch,
    ...(primary === null ? {} : { primary: { member: primary } }),
    ...(mirror === undefined ? {} : { mirror: { member: mirror } }),
    inSync: [...inSync].sort(),
  }
}

const flag = (holds: boolean): Condition['status'] => (holds ? 'True' : 'False')
const names = (shards: readonly ShardFacts[]) => shards.map(({ shard }) => shard).join(', ')
