/**
 * From counts to a probability: Robinson's estimate for each sign, combined by Fisher's method (G. Robinson, "A Statistical Approach to
 * the Spam Problem", Linux Journal 107, 2003). Pure.
 */

export interface SignCounts {
  /** Letters of that kind in which it was seen. */
  readonly junk: number
  readonly other: number
}

export interface Learned {
  /** Letters that were learned, of each kind. */
  readonly junk: number
  readonly other: number
}

/** Strength of the belief that a sign nobody has seen says nothing. */
const PRIOR_STRENGTH = 0.45
const PRIOR = 0.5
/** Signs nearer to "says nothing" than this are noise. */
const DISTANCE_MIN = 0.1
/** The most telling ones: with more of them length would speak, not content. */
const SIGNS_MAX = 150

/** @returns 0: as other letters are; 1: junk; 0.5: nothing is known. */
export function junkProbability(signs: readonly SignCounts[], learned: Learned): number {
  if (learned.junk === 0 || learned.other === 0) return 0.5
  const telling = signs
    .map((sign) => estimate(sign, learned))
    .filter((p) => Math.abs(p - 0.5) >= DISTANCE_MIN)
    .sort((a, b) => Math.abs(b - 0.5) - Math.abs(a - 0.5))
    .slice(0, SIGNS_MAX)
  if (telling.length === 0) return 0.5
  let [logJunk, logOther] = [0, 0]
  for (const p of telling) {
    logJunk += Math.log(1 - p)
    logOther += Math.log(p)
  }
  const junk = 1 - chiSquareTail(-2 * logJunk, 2 * telling.length)
  const other = 1 - chiSquareTail(-2 * logOther, 2 * telling.length)
  return (1 + junk - other) / 2
}

/** f(w): how much a sign speaks for junk, drawn towards 0.5 the less it was seen. */
function estimate({ junk, other }: SignCounts, learned: Learned): number {
  const seen = junk + other
  if (seen === 0) return PRIOR
  const [inJunk, inOther] = [junk / learned.junk, other / learned.other]
  const p = inJunk / (inJunk + inOther)
  return (PRIOR_STRENGTH * PRIOR + seen * p) / (PRIOR_STRENGTH + seen)
}

/** Probability that a chi-square value with an even number of degrees of freedom is at least this. */
export function chiSquareTail(value: number, degrees: number): number {
  const half = value / 2
  let term = Math.exp(-half)
  if (term === 0) return 0
  let sum = term
  for (let i = 1; i < degrees / 2; i++) {
    term *= half / i
    sum += term
  }
  return Math.min(1, sum)
}
