/**
 * The status of a MailNode as the operator writes it. Pure: what is known now and what stood there before, the new status out. A
 * condition keeps the time of its last change while its status stays, so that the same facts give the same bytes and nothing is
 * written.
 */
import type { Condition, MailNode } from '#operator/api/mod.ts'

/** Reasons of the condition Ready: an interface to users, and each is one word. */
export const READY_REASONS = {
  Running: 'MembersReady',
  Degraded: 'OneMemberReady',
  Starting: 'MembersStarting',
  Pending: 'NoPods',
} as const

export interface MailNodeFacts {
  readonly phase: keyof typeof READY_REASONS
  readonly ready: boolean
  readonly message: string
}

export interface MailNodeStatusFields {
  readonly observedGeneration?: number
  readonly phase: string
  readonly conditions: readonly Condition[]
}

export function statusOf(node: MailNode, facts: MailNodeFacts, nowMs: number): MailNodeStatusFields {
  const generation = node.metadata.generation
  const observed = generation === undefined ? {} : { observedGeneration: generation }
  const before = node.status?.conditions?.find((condition) => condition.type === 'Ready')
  const status = facts.ready ? 'True' : 'False'
  const ready: Condition = {
    type: 'Ready',
    status,
    ...observed,
    lastTransitionTime: before?.status === status ? before.lastTransitionTime : secondsTime(nowMs),
    reason: READY_REASONS[facts.phase],
    message: facts.message,
  }
  return { ...observed, phase: facts.phase, conditions: [ready] }
}

/** Whether what stands in the resource already says all of `wanted`. */
export function saysAlready(node: MailNode, wanted: MailNodeStatusFields): boolean {
  const { status } = node
  if (status?.phase !== wanted.phase || status.observedGeneration !== wanted.observedGeneration) return false
  return wanted.conditions.every((condition) => {
    const found = status.conditions?.find((one) => one.type === condition.type)
    return found !== undefined && FIELDS.every((field) => found[field] === condition[field])
  })
}
const FIELDS = ['status', 'observedGeneration', 'lastTransitionTime', 'reason', 'message'] as const

/** RFC 3339 in whole seconds, as all times of conditions. */
function secondsTime(nowMs: number): string {
  return new Date(nowMs).toISOString().replace(/\.\d{3}Z$/, 'Z')
}
