/**
 * What a session says about quotas (RFC 9208): one root, named by the empty string, with STORAGE. A client is warned once at
 * each threshold it passes: untagged NO [OVERQUOTA], which RFC 9208 section 4.3.1 gives for soft limits.
 */
import { KIB } from '../limits.ts'
import type { Quota } from '../store.ts'
import type { Output } from './output.ts'

/** Shares of the limit at which people are warned. */
const WARNINGS_PERCENT = [80, 95] as const

/** STORAGE counts units of 1,024 bytes (RFC 9208 section 5.1). */
export function storageUnits(bytes: number): number {
  return Math.ceil(bytes / KIB)
}

/** The QUOTA response without `* `. */
export function quotaResponse({ usedBytes, limitBytes }: Quota): string {
  const storage = limitBytes === null ? '' : `STORAGE ${storageUnits(usedBytes)} ${Math.floor(limitBytes / KIB)}`
  return `QUOTA "" (${storage})`
}

/** The highest threshold that is passed; 0: none. */
export function warningOf({ usedBytes, limitBytes }: Quota): number {
  if (limitBytes === null) return 0
  return WARNINGS_PERCENT.findLast((percent) => usedBytes * 100 >= limitBytes * percent) ?? 0
}

/** Warns of each threshold once, and again when it was left and is passed again. */
export class QuotaWarner {
  #warned = 0

  check(quota: Quota, out: Output): void {
    const passed = warningOf(quota)
    if (passed > this.#warned) out.untagged(`NO [OVERQUOTA] Mail uses more than ${passed} % of its quota`)
    this.#warned = passed
  }
}
