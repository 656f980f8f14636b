/**
 * Conditions as controllers write them. Pure. A condition keeps the time of its last change while its status stays, so that the
 * same facts give the same bytes and nothing is written.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Condition } from '#operator/api/mod.ts'

/** A condition without what follows from the ones before. */
export interface Finding {
  readonly type: string
  readonly status: Condition['status']
  /** One CamelCase word: an interface to users. */
  readonly reason: string
  readonly message: string
}

/** @param before What stands in the resource. @param generation Of the resource that the findings are about. */
export function conditionsOf(
  findings: readonly Finding[],
  before: readonly Condition[] | undefined,
  generation: number | undefined,
  nowMs: number,
): Condition[] {
  return findings.map((finding) => {
    const earlier = before?.find((condition) => condition.type === finding.type)
    return {
      ...finding,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
      lastTransitionTime:
        earlier?.status === finding.status
          ? earlier.lastTransitionTime
          : `${new Date(nowMs).toISOString().slice(0, 19)}Z`,
    }
  })
}

/** Whether what stands in the resource says all of `wanted` already. */
export function saysAlready(present: object | undefined, wanted: object): boolean {
  const found = new Map(Object.entries(present ?? {}))
  return Object.entries(wanted).every(([field, value]) => isDeepStrictEqual(found.get(field), value))
}
