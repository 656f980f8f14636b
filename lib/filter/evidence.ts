/**
 * What filter engines found in a letter, and how it travels: one reserved header per engine, written by our filter at the end of a
 * message, read by the edge's policy and kept with the letter so that a decision can be explained later.
 *
 * Invariant: what `decodeEvidence` accepts, `encodeEvidence` writes back the same. A header that is not exactly of this form is no
 * evidence: whoever sends letters may write headers of this name.
 */

/** Reserved: copies that come from outside are removed. */
export const EVIDENCE_HEADER = 'X-Twinpost-Evidence'

export const FINDING_KINDS = ['virus', 'spam', 'ham', 'image', 'attachment', 'phishing'] as const
export type FindingKind = (typeof FINDING_KINDS)[number]

export interface Finding {
  readonly kind: FindingKind
  /** As the engine names it: a signature, a rule, a file type. */
  readonly name: string
  /** 1: the engine is as sure as it must be to call the letter that; spam engines go below and beyond. */
  readonly weight: number
}

export const ENGINE_STATES = [
  /** It looked at the letter. */
  'done',
  'failed',
  /** No answer in its time. */
  'late',
  /** Larger than it is shown. */
  'too-large',
  /** It has as many letters as it takes at once. */
  'busy',
] as const
export type EngineState = (typeof ENGINE_STATES)[number]

export interface Evidence {
  /** Name of the engine in its pool. */
  readonly engine: string
  readonly state: EngineState
  readonly findings: readonly Finding[]
}

/** Findings of one engine that are kept: a letter can hold any number of bad attachments. */
export const FINDINGS_MAX = 20
const NAME_CHARACTERS_MAX = 128
const HEADER_CHARACTERS_MAX = 8192
const WEIGHT_MAX = 1000

/** The header's value: `engine=clamd; state=done; virus=Eicar-Test-Signature/1`. Folded, without a line end at its end. */
export function encodeEvidence({ engine, state, findings }: Evidence): string {
  const found = findings
    .slice(0, FINDINGS_MAX)
    .map(({ kind, name, weight }) => `${kind}=${escaped(name)}/${weightText(weight)}`)
  return [`engine=${escaped(engine)}`, `state=${state}`, ...found].join(';\n\t')
}

/** @param value As the header has it, folded or not. @returns null: not of our making. */
export function decodeEvidence(value: string): Evidence | null {
  if (value.length > HEADER_CHARACTERS_MAX) return null
  const [first = '', second = '', ...rest] = value.split(';').map((part) => part.trim())
  const engine = /^engine=(\S+)$/.exec(first)?.[1]
  const state = ENGINE_STATES.find((one) => second === `state=${one}`)
  if (engine === undefined || state === undefined || rest.length > FINDINGS_MAX) return null
  const name = unescaped(engine)
  const findings = rest.map(decodeFinding)
  if (name === null || !findings.every((finding) => finding !== null)) return null
  return { engine: name, state, findings }
}

function decodeFinding(text: string): Finding | null {
  const match = /^([a-z]+)=([^\s/]+)\/([0-9]{1,4}(?:\.[0-9]{1,3})?)$/.exec(text)
  const kind = FINDING_KINDS.find((one) => one === match?.[1])
  const name = match?.[2] === undefined ? null : unescaped(match[2])
  const weight = Number(match?.[3])
  return kind === undefined || name === null || weight > WEIGHT_MAX ? null : { kind, name, weight }
}

/** Three digits behind the point, no more zeros than needed. */
function weightText(weight: number): string {
  return String(Math.round(Math.min(WEIGHT_MAX, Math.max(0, weight)) * 1000) / 1000)
}

/** Printable ASCII but for what has a meaning here; the rest as %XX of UTF-8. */
function escaped(text: string): string {
  const bytes = Buffer.from(text.slice(0, NAME_CHARACTERS_MAX).toWellFormed())
  let out = ''
  for (const byte of bytes) {
    const plain = byte > 0x20 && byte < 0x7f && !'%;/='.includes(String.fromCharCode(byte))
    out += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return out || '%00'
}

function unescaped(text: string): string | null {
  if (text === '%00') return ''
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}
