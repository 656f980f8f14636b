/** What the controllers of all our kinds share towards the API. */
import type { ZodError } from 'zod'
import { GROUP, type KindDefinition, VERSION } from '#operator/api/resource.ts'
import type { EventToRecord } from '#operator/runtime/event-recorder.ts'
import type { ResourceType } from '#operator/runtime/kube-object.ts'

export function resourceTypeOf({ kind, plural }: KindDefinition): ResourceType {
  return { group: GROUP, version: VERSION, kind, plural, namespaced: true }
}

/** Event for a resource that the API server let through and this operator cannot read. */
export function unreadable(error: ZodError): EventToRecord {
  const [problem] = error.issues
  const note = `Cannot read the resource: ${problem?.path.join('.')}: ${problem?.message}; is this operator older than its CRDs?`
  return { type: 'Warning', reason: 'NotUnderstood', action: 'Read', note }
}
