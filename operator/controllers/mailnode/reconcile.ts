/**
 * Makes the cluster be as a MailNode says: applies its objects, then carries out what decide.ts says about its pods.
 * Safe to call at any time and any number of times; each call does at most one replacement.
 */
import { MEMBERS_PER_MAILNODE } from '#lib/link/address.ts'
import type { MailNode } from '#operator/api/mod.ts'
import type { Cluster } from '#operator/cluster/cluster.ts'
import { templateHash } from '#operator/cluster/template-hash.ts'
import { type ArrayContext, inApplyOrder, selectorOf } from '../array-context.ts'
import { COMPONENT, certificateSecrets, type MemberCertificates, mailNodeObjects, statefulSet } from './build.ts'
import { decidePhase, decideRollout, type RolloutAction, type SeenMember } from './decide.ts'

export interface MailNodeOutcome {
  readonly phase: ReturnType<typeof decidePhase>
  readonly action: RolloutAction
}

export async function reconcileMailNode(
  node: MailNode,
  context: ArrayContext,
  certificates: MemberCertificates,
  cluster: Cluster,
): Promise<MailNodeOutcome> {
  const objects = [...certificateSecrets(node, context, certificates), ...mailNodeObjects(node, context)]
  for (const manifest of inApplyOrder(objects)) await cluster.apply(manifest)
  const wantedHash = templateHash(statefulSet(node, context))
  const pods = await cluster.pods(selectorOf(COMPONENT, node.metadata.name))
  const members: SeenMember[] = pods.map((pod) => ({
    pod: pod.name,
    outdated: pod.templateHash !== wantedHash,
    ready: pod.ready,
  }))
  const action = decideRollout(members, MEMBERS_PER_MAILNODE)
  if (action.kind === 'replace') await cluster.deletePod(action.pod, context.namespace)
  return { phase: decidePhase(members, MEMBERS_PER_MAILNODE), action }
}
