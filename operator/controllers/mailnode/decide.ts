/**
 * What to do next about the pods of one MailNode. Pure: facts in, one action out; reconcile.ts carries it out and comes back.
 *
 * Rolling: a member is replaced by deleting its pod; its shards hand over on the signal, without the operator. So a member that serves
 * goes only while its peer is ready and every shard has two copies; then the next one, when the first is ready and in sync again.
 * A member that does not serve and is made from an old template may always be replaced, or a broken template could never be mended. One
 * that is not ready but holds the only copy of a running shard stays: replacing it would stop what still works.
 */
import { hasTwoCopies, type ShardFacts } from './shard-facts.ts'

export interface SeenMember {
  readonly pod: string
  readonly outdated: boolean
  readonly ready: boolean
  /** Whether any of its shard containers runs. */
  readonly running: boolean
  /** The label by which edge Services select it. */
  readonly serving: boolean
  /** What its label says about a fence; null: nothing. */
  readonly fenced: boolean | null
  /** Why it is not ready, in words; null if nothing is known. */
  readonly problem: string | null
}

/** Reasons are words of Events and conditions: an interface to users. */
export type ReplaceReason = 'OutdatedAndDown' | 'Outdated'
export type WaitReason = 'MemberMissing' | 'PeerNotReady' | 'ShardOutOfSync' | 'LastCopy'

export type RolloutAction =
  | { readonly kind: 'none' }
  | { readonly kind: 'replace'; readonly pod: string; readonly reason: ReplaceReason }
  | { readonly kind: 'wait'; readonly reason: WaitReason; readonly message: string }

/** @param shards What the ledgers say; null where only the members know (one machine): they refuse to lose the last copy. */
export function decideRollout(
  members: readonly SeenMember[],
  shards: readonly ShardFacts[] | null,
  wanted: number,
): RolloutAction {
  const outdated = members.filter((member) => member.outdated)
  if (outdated.length === 0) return { kind: 'none' }
  const soleOf = (pod: string) => (shards ?? []).filter(({ inSync }) => inSync.length === 1 && inSync[0] === pod)
  const down = outdated.filter((member) => !member.ready)
  const free = down.find((member) => !member.running || soleOf(member.pod).length === 0)
  if (free) return { kind: 'replace', pod: free.pod, reason: 'OutdatedAndDown' }
  const [last] = down
  if (last) {
    const message = `${last.pod} holds the only copy of ${names(soleOf(last.pod))} and is not ready`
    return { kind: 'wait', reason: 'LastCopy', message }
  }
  if (members.length < wanted) {
    return { kind: 'wait', reason: 'MemberMissing', message: `${members.length} of ${wanted} members are there` }
  }
  const away = members.find((member) => !member.ready)
  if (away) return { kind: 'wait', reason: 'PeerNotReady', message: `${away.pod} is not ready` }
  const behind = (shards ?? []).filter((facts) => !hasTwoCopies(facts))
  if (behind.length > 0) {
    return { kind: 'wait', reason: 'ShardOutOfSync', message: `${names(behind)} has one copy only` }
  }
  const primariesOf = (pod: string) => (shards ?? []).filter(({ primary }) => primary === pod).length
  const [next] = [...outdated].sort((a, b) => primariesOf(a.pod) - primariesOf(b.pod))
  return next ? { kind: 'replace', pod: next.pod, reason: 'Outdated' } : { kind: 'none' }
}

/**
 * The edge of a member whose node is gone must leave the Services long before Kubernetes notices: as soon as the ledgers of all shards
 * say that the peer goes on alone. Never both, and back as soon as one shard counts it in again.
 *
 * @returns What each member's label should say, for those where it says something else.
 */
export function decideServing(
  members: readonly SeenMember[],
  shards: readonly ShardFacts[],
): readonly { readonly pod: string; readonly serving: boolean }[] {
  const goneFor = (pod: string) =>
    shards.length > 0 &&
    shards.every(({ inSync, primary }) => inSync.length > 0 && !inSync.includes(pod) && primary !== pod)
  return members.flatMap((member) => {
    const peer = members.find(({ pod }) => pod !== member.pod)
    const serving = !(goneFor(member.pod) && peer?.ready === true && peer.serving)
    return serving === member.serving ? [] : [{ pod: member.pod, serving }]
  })
}

/** @returns Members whose label does not yet say what the resource wants: no label and no wish is the same. */
export function decideFences(
  members: readonly SeenMember[],
  wanted: readonly string[],
): readonly { readonly pod: string; readonly fenced: boolean }[] {
  return members.flatMap(({ pod, fenced: labelled }) => {
    const fenced = wanted.includes(pod)
    return fenced === (labelled ?? false) ? [] : [{ pod, fenced }]
  })
}

export type Phase = 'Pending' | 'Starting' | 'Running' | 'Degraded' | 'Stopped'

/** The one word for people, and why, as it follows from the pods. */
export function decidePhase(
  members: readonly SeenMember[],
  wanted: number,
): { readonly phase: Phase; readonly ready: boolean; readonly message: string } {
  const ready = members.filter((member) => member.ready).length
  if (wanted === 0) {
    const left = members.length === 0 ? 'volumes and ledgers are kept' : `${members.length} members are stopping`
    return { phase: 'Stopped', ready: false, message: `Hibernated: ${left}` }
  }
  const problems = members.flatMap(({ pod, ready: isReady, problem }) =>
    isReady || problem === null ? [] : [`${pod}: ${problem}`],
  )
  const message = [`${ready} of ${wanted} members are ready`, ...problems].join('; ')
  if (ready === wanted) return { phase: 'Running', ready: true, message }
  const phase = members.length === 0 ? 'Pending' : ready > 0 ? 'Degraded' : 'Starting'
  return { phase, ready: false, message }
}

function names(shards: readonly ShardFacts[]): string {
  return shards.map(({ shard }) => shard).join(', ')
}
