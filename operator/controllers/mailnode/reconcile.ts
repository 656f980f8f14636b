/**
 * Makes the cluster be as a MailNode says: applies its objects, then carries out what decide.ts says about its pods.
 * Safe to call at any time and any number of times; each call does at most one replacement. A MailNode that is paused is only looked at.
 */
import { MEMBERS_PER_MAILNODE } from '#lib/link/address.ts'
import type { FilterPool, MailNode } from '#operator/api/mod.ts'
import type { Cluster, SeenPod } from '#operator/cluster/cluster.ts'
import { templateHash } from '#operator/cluster/template-hash.ts'
import { type ArrayContext, inApplyOrder, selectorOf } from '../array-context.ts'
import {
  COMPONENT,
  certificateSecrets,
  FENCED_LABEL,
  type MemberCertificates,
  type MemberWish,
  mailNodeObjects,
  SERVING_LABEL,
  statefulSet,
} from './build.ts'
import {
  decideFences,
  decidePhase,
  decideRollout,
  decideServing,
  type RolloutAction,
  type SeenMember,
} from './decide.ts'
import { FILTER_FAILS_CLOSED } from './edge-filter.ts'
import { hasTwoCopies, LEDGER_ANNOTATION, type ShardFacts, shardFacts } from './shard-facts.ts'

export interface MailNodeOutcome {
  readonly phase: ReturnType<typeof decidePhase>
  readonly action: RolloutAction
  /** Null where the ledgers are not seen. */
  readonly shards: readonly ShardFacts[] | null
  readonly outdated: number
  /** Labels of pods that have to change. */
  readonly serving: ReturnType<typeof decideServing>
  readonly fences: ReturnType<typeof decideFences>
}

export interface TemplateState {
  /** Of the claim template that is there, while it cannot be what the resource says; else null. */
  readonly claimSize: string | null
  /** The StatefulSet is being deleted to be made anew: it is left alone. */
  readonly renewing: boolean
}

/** @param pool The FilterPool that its edges ask; null: it names none, or there is none of that name. */
export async function reconcileMailNode(
  node: MailNode,
  context: ArrayContext,
  certificates: MemberCertificates,
  cluster: Cluster,
  template: TemplateState = { claimSize: null, renewing: false },
  pool: FilterPool | null = null,
): Promise<MailNodeOutcome> {
  const shards = seenShards(node, context, cluster)
  const seen = await cluster.pods(selectorOf(COMPONENT, node.metadata.name))
  const pods = seen.filter((pod) => pod.namespace === context.namespace)
  const inSync = shards?.every(hasTwoCopies) ?? true
  const { claimSize, renewing } = template
  const wish: MemberWish = {
    members: membersNow(node, pods),
    disruptionsMax: inSync ? 1 : 0,
    claimSize,
    onFilterFailure: pool?.spec.onFailure ?? FILTER_FAILS_CLOSED,
  }
  if (!node.spec.paused) {
    const objects = [...certificateSecrets(node, context, certificates), ...mailNodeObjects(node, context, wish)]
    for (const manifest of inApplyOrder(objects)) {
      if (!(renewing && manifest.kind === 'StatefulSet')) await cluster.apply(manifest)
    }
  }
  const wantedHash = templateHash(statefulSet(node, context, wish))
  const members = pods.map((pod) => memberOf(pod, wantedHash))
  const wanted = node.spec.hibernated ? 0 : MEMBERS_PER_MAILNODE
  const idle = node.spec.paused || node.spec.hibernated || renewing
  const action: RolloutAction = idle ? { kind: 'none' } : decideRollout(members, shards, wanted)
  if (action.kind === 'replace') await cluster.deletePod(action.pod, context.namespace)
  return {
    phase: decidePhase(members, wanted),
    action,
    shards,
    outdated: members.filter((member) => member.outdated).length,
    serving: idle || shards === null ? [] : decideServing(members, shards),
    fences: idle || shards === null ? [] : decideFences(members, node.spec.fenced),
  }
}

/** Both members, or none after one has handed over to the other: stopped at once, neither could. */
function membersNow(node: MailNode, pods: readonly SeenPod[]): number {
  if (!node.spec.hibernated) return MEMBERS_PER_MAILNODE
  return pods.some(({ name }) => name === `${node.metadata.name}-${MEMBERS_PER_MAILNODE - 1}`) ? 1 : 0
}

function seenShards(node: MailNode, context: ArrayContext, cluster: Cluster): ShardFacts[] | null {
  if (context.ledger.kind !== 'lease') return null
  return Array.from({ length: node.spec.shards }, (_, index) => {
    const name = `${node.metadata.name}-${index}`
    const lease = cluster.seen({ kind: 'Lease', namespace: context.namespace, name })
    return shardFacts(node, index, lease?.metadata.annotations?.[LEDGER_ANNOTATION])
  })
}

function memberOf(pod: SeenPod, wantedHash: string): SeenMember {
  const waits = pod.containers.flatMap(({ name, ready, reason }) =>
    ready || reason === null ? [] : [`${name} ${reason}`],
  )
  const fenced = pod.labels[FENCED_LABEL]
  return {
    pod: pod.name,
    outdated: pod.templateHash !== wantedHash,
    ready: pod.ready,
    running: pod.containers.some(({ name, state }) => name.startsWith('shard-') && state === 'running'),
    serving: pod.labels[SERVING_LABEL] === 'true',
    fenced: fenced === undefined ? null : fenced === 'true',
    problem: pod.unplaced ?? waits[0] ?? null,
  }
}
