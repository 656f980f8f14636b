/**
 * What to do next about the pods of one MailNode. Pure: facts in, one action out; reconcile.ts carries it out and comes back.
 * Rule (docs/architecture.md, Custom resources): a member that is not ready and outdated may always be replaced; a ready one
 * only while the other is ready and up to date, so that never both are away. Hand-over of primaries before that comes with
 * replication: the shards themselves refuse to lose the last copy.
 */
export interface SeenMember {
  readonly pod: string
  readonly outdated: boolean
  readonly ready: boolean
}

export type RolloutAction =
  | { readonly kind: 'none' }
  | { readonly kind: 'replace'; readonly pod: string; readonly reason: 'outdated-and-down' | 'outdated' }
  | { readonly kind: 'wait'; readonly reason: 'member-missing' | 'peer-not-ready' }

export function decideRollout(members: readonly SeenMember[], wanted: number): RolloutAction {
  const outdated = members.filter((member) => member.outdated)
  if (outdated.length === 0) return { kind: 'none' }
  const down = outdated.find((member) => !member.ready)
  if (down) return { kind: 'replace', pod: down.pod, reason: 'outdated-and-down' }
  if (members.length < wanted) return { kind: 'wait', reason: 'member-missing' }
  if (members.some((member) => !member.ready)) return { kind: 'wait', reason: 'peer-not-ready' }
  const [next] = outdated
  return next ? { kind: 'replace', pod: next.pod, reason: 'outdated' } : { kind: 'none' }
}

/** Conditions of a MailNode as they follow from its pods: positive words, each with a reason. */
export function decidePhase(
  members: readonly SeenMember[],
  wanted: number,
): {
  readonly phase: 'Pending' | 'Starting' | 'Running' | 'Degraded'
  readonly ready: boolean
  readonly message: string
} {
  const ready = members.filter((member) => member.ready).length
  if (ready === wanted) return { phase: 'Running', ready: true, message: `${ready} of ${wanted} members are ready` }
  const phase = members.length === 0 ? 'Pending' : ready > 0 ? 'Degraded' : 'Starting'
  return { phase, ready: false, message: `${ready} of ${wanted} members are ready` }
}
