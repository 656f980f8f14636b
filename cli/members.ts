/** How a person names shards and members, `n1/0`, `n1-0`, `n1/0@1`, and what that means. Pure. */
import { MEMBERS_PER_MAILNODE } from '#lib/link/address.ts'

export interface ReplicaName {
  readonly shard: string
  readonly member: number
}

/** `n1-0`: the pod of a member of the shard `n1/1`. */
export function podName(shard: string, member: number): string {
  return `${shard.slice(0, shard.indexOf('/'))}-${member}`
}

/** The member that a MailNode has beside `member`. */
export function otherMember(member: number): number {
  return (member + 1) % MEMBERS_PER_MAILNODE
}

/** Names of all members of the array, in the order of its shards. */
export function memberNames(shards: readonly string[]): string[] {
  return [...new Set(replicasOf(shards).map(({ shard, member }) => podName(shard, member)))]
}

/**
 * The replicas that `text` names: a member stands for all shards on it, `n1/0@1` and `n1/0@n1-1` for one.
 * @returns empty if there is nothing of this name
 */
export function replicasNamed(text: string, shards: readonly string[]): ReplicaName[] {
  const [first = '', second] = text.split('@')
  return replicasOf(shards).filter(({ shard, member }) => {
    const pod = podName(shard, member)
    return second === undefined ? first === pod : first === shard && (second === pod || second === String(member))
  })
}

export function replicasOf(shards: readonly string[]): ReplicaName[] {
  return shards.flatMap((shard) =>
    Array.from({ length: MEMBERS_PER_MAILNODE }, (_, member): ReplicaName => ({ shard, member })),
  )
}
