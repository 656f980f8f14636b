/**
 * From a probability to the weight of evidence: 1 is junk. Below doubt nothing is said, and certainty does not grow beyond what goes to
 * Junk at level low: what was learned from users alone refuses no letter.
 */

/** Junk from here on: nine of ten would be enough for a bet, not for somebody's mail. */
export const JUNK_FROM = 0.95
const DOUBT_FROM = 0.6
const WEIGHT_MAX = 1.5

export function weightOf(probability: number): number {
  if (probability < DOUBT_FROM) return 0
  if (probability < JUNK_FROM) return (0.95 * (probability - DOUBT_FROM)) / (JUNK_FROM - DOUBT_FROM)
  return 1 + ((WEIGHT_MAX - 1) * (probability - JUNK_FROM)) / (1 - JUNK_FROM)
}
