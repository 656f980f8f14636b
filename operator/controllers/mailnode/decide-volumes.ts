/**
 * How the volumes of a MailNode grow. Pure. A claim grows by a change of its request, which the StorageClass must allow; the claim
 * template of a StatefulSet can never be changed, so the StatefulSet is deleted without its pods and made anew. In this order: a template that
 * says more than a claim has would give the next member another size than its peer.
 */
import { bytesOf } from '../domain/decide.ts'

export interface SeenClaim {
  readonly name: string
  /** As its spec asks. */
  readonly requested: string
  /** What it has; null: not bound yet. */
  readonly capacity: string | null
}

export interface VolumeDecision {
  /** Claims whose request is raised now. */
  readonly grow: readonly string[]
  /** Whether the StatefulSet is made anew now. */
  readonly renewTemplate: boolean
  /** What is waited for, in words; null: nothing. */
  readonly waiting: string | null
}

/** @param template Size in the claim template that is there; null: there is no StatefulSet. */
export function decideVolumes(wanted: string, template: string | null, claims: readonly SeenClaim[]): VolumeDecision {
  const size = bytesOf(wanted)
  const grow = claims.filter(({ requested }) => bytesOf(requested) < size).map(({ name }) => name)
  const small = claims.filter(({ capacity }) => capacity !== null && bytesOf(capacity) < size)
  const differs = template !== null && bytesOf(template) !== size
  const waiting =
    grow.length > 0 || small.length > 0
      ? `Volumes grow to ${wanted}: ${[...new Set([...grow, ...small.map(({ name }) => name)])].sort().join(', ')}`
      : differs
        ? `The claim template changes from ${template} to ${wanted}`
        : null
  return { grow, renewTemplate: differs && grow.length === 0, waiting }
}
