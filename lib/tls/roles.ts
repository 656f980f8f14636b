/**
 * Who may say what inside the array (rules.md, "Who may say what"). Every certificate carries one URI in its subject
 * alternative names, `twinpost://<role>/<owner>`; the receiver takes the role from there and from nowhere else.
 * A unix socket in a pod's private folder stands for the role `edge` of that pod.
 */
import { FrameType } from '#lib/frames/shard-protocol.ts'

export const ROLES = ['edge', 'member', 'filter', 'provision', 'directory', 'cli', 'operator'] as const
export type Role = (typeof ROLES)[number]

export interface PeerIdentity {
  readonly role: Role
  /** What the certificate was made for: the pod (`n1-0`) or the service. */
  readonly owner: string
}

const URI = /^twinpost:\/\/([a-z]+)\/([a-z0-9][a-z0-9.-]{0,252})$/

export function identityUri(identity: PeerIdentity): string {
  return `twinpost://${identity.role}/${identity.owner}`
}

/** @returns null if the URI is not one of ours. */
export function parseIdentityUri(uri: string): PeerIdentity | null {
  const match = URI.exec(uri)
  const role = ROLES.find((candidate) => candidate === match?.[1])
  const owner = match?.[2]
  return role && owner ? { role, owner } : null
}

/**
 * The identity in Node's `subjectaltname` text of a verified certificate (`URI:twinpost://edge/n1-0, DNS:n1-0.n1`).
 * @returns null without exactly one URI of ours: a certificate that says two things says nothing.
 */
export function identityFromAltNames(subjectAltName: string | undefined): PeerIdentity | null {
  const uris = (subjectAltName ?? '')
    .split(', ')
    .filter((name) => name.startsWith('URI:twinpost:'))
    .map((name) => parseIdentityUri(name.slice(4)))
  return uris.length === 1 ? (uris[0] ?? null) : null
}

/** Which role may send which frame to a shard. What is not listed is refused with `forbidden`. */
const ALLOWED = new Map<number, readonly Role[]>([
  [FrameType.hello, ROLES],
  [FrameType.recipientsCheck, ['edge']],
  [FrameType.deliverBegin, ['edge']],
  [FrameType.deliverData, ['edge']],
  [FrameType.deliverEnd, ['edge']],
  [FrameType.queueBegin, ['edge']],
  [FrameType.quarantineBegin, ['edge']],
  [FrameType.quarantineEnd, ['edge']],
  [FrameType.quarantineOrder, ['cli', 'operator']],
  [FrameType.explainQuery, ['cli', 'operator']],
  // A sender is of the edge's house and has its identity.
  [FrameType.queueTake, ['edge']],
  [FrameType.queueRead, ['edge']],
  [FrameType.queueConfirm, ['edge']],
  [FrameType.queueResult, ['edge']],
  [FrameType.queueHolding, ['edge']],
  [FrameType.queueOrder, ['cli', 'operator']],
  // `cli` only with a ticket that provisioning has left with the shard.
  [FrameType.sessionOpen, ['edge', 'cli']],
  [FrameType.accountCommand, ['provision', 'cli', 'operator']],
  [FrameType.sessionsEnd, ['edge', 'provision', 'cli', 'operator']],
  [FrameType.roleCommand, ['cli', 'operator']],
  [FrameType.replicaOpen, ['member']],
  [FrameType.moveOrder, ['provision', 'cli', 'operator']],
  // Of the MailNode that the account leaves: the shard looks at the owner too.
  [FrameType.moveAsk, ['member']],
  [FrameType.moveData, ['member']],
  [FrameType.moveEnd, ['member']],
  [FrameType.statusQuery, ['edge', 'member', 'provision', 'cli', 'operator']],
])

export function maySend(role: Role, frameType: number): boolean {
  return ALLOWED.get(frameType)?.includes(role) ?? false
}
