/** What a pod was made from, as one short word: equal for equal templates. */
import { createHash } from 'node:crypto'
import type { Deployment, StatefulSet } from './objects.ts'

export function templateHash(workload: StatefulSet | Deployment): string {
  return createHash('sha256').update(JSON.stringify(workload.spec.template)).digest('hex').slice(0, 16)
}
