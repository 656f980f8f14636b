/**
 * What the policy decided about a letter for one recipient, as the header block of that recipient keeps it: action, level, weight of
 * spam, reasons. Written by the edge, read by whoever explains a decision.
 *
 * Invariant: reasons hold nothing that is not printable ASCII, so that the field needs no encoding; what `encodeResult` writes,
 * `decodeResult` reads.
 */

/** Copies that come from outside are removed (lib/letter/forged.ts). */
export const RESULT_HEADER = 'X-Twinpost-Filter'

const REASONS_MAX = 8
const REASON_CHARACTERS_MAX = 120

export interface FilterOutcome {
  readonly action: string
  readonly level: string
  /** Null: nobody judged the letter. */
  readonly spam: number | null
  /** Most weighty first. */
  readonly reasons: readonly string[]
}

/** The value of the field, folded, without a line end at its end. */
export function encodeOutcome({ action, level, spam, reasons }: FilterOutcome): string {
  const shown = reasons
    .slice(0, REASONS_MAX)
    .map((reason) => reason.replace(/[^\x20-\x7e]|[;"]/g, '?').slice(0, REASON_CHARACTERS_MAX))
  const parts = [
    `action=${action}`,
    `level=${level}`,
    spam === null ? 'unjudged' : `spam=${spam.toFixed(2)}`,
    ...shown.map((reason) => `reason="${reason}"`),
  ]
  return parts.join(';\r\n\t')
}

/** @param value Folded or not. @returns null for what is not of our making. */
export function decodeOutcome(value: string): FilterOutcome | null {
  const [first = '', second = '', third = '', ...rest] = value.split(';').map((part) => part.trim())
  const action = /^action=([a-z]+)$/.exec(first)?.[1]
  const level = /^level=([a-z]+)$/.exec(second)?.[1]
  const spam = third === 'unjudged' ? null : /^spam=([0-9]{1,4}\.[0-9]{2})$/.exec(third)?.[1]
  if (action === undefined || level === undefined || spam === undefined) return null
  const reasons = rest.map((part) => /^reason="([^"]*)"$/.exec(part)?.[1])
  if (!reasons.every((reason) => reason !== undefined)) return null
  return { action, level, spam: spam === null ? null : Number(spam), reasons }
}

/** Reasons of a field's value; none if it is not of our making. */
export function reasonsOf(value: string): readonly string[] {
  return decodeOutcome(value)?.reasons ?? []
}
