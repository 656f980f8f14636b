/**
 * A letter, its filter pool and the policy: what becomes of each recipient, and what is written into the header block so that the
 * decision can be read there.
 *
 * Invariants: without a verdict of the pool the pool's rule decides, never chance; what the policy takes is never refused later.
 */
import { EVIDENCE_HEADER, type Evidence, encodeEvidence } from '#lib/filter/evidence.ts'
import type { Logger } from '#lib/log/logger.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { type Reply, reply } from '#lib/smtp/mod.ts'
import type { EdgeMetrics } from '../metrics.ts'
import { evidenceOf } from './evidence-of.ts'
import { type FilterEnvelope, FilterError, type FilterResult } from './filter-connection.ts'
import type { FilterPool, FilterStream } from './filter-pool.ts'
import { type FilterLevel, type Judgement, judge, type PoolRules, settle } from './policy.ts'

export interface FilterSettings {
  readonly rules: PoolRules
  /** What becomes of a letter that no pod of the pool has judged. */
  readonly onFailure: 'tempfail' | 'accept'
  readonly level: FilterLevel
}

export interface LetterFilterOptions extends FilterSettings {
  readonly pool: FilterPool
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: EdgeMetrics
}

export interface FilteredLetter {
  readonly envelope: FilterEnvelope
  /** Fields of the header, latin1. */
  readonly fields: readonly string[]
}

export type Placement = 'inbox' | 'junk' | 'discard'

export type FilterDecision =
  | { readonly kind: 'refuse'; readonly reply: Reply }
  /** One entry for each recipient of the envelope. `fields`: header fields with their line ends. */
  | {
      readonly kind: 'take'
      readonly recipients: readonly { readonly placement: Placement; readonly fields: string }[]
    }

/** A letter that is shown to the filter while it arrives. */
export interface FilteredStream {
  write(pieces: readonly Buffer[]): Promise<void>
  decide(): Promise<FilterDecision>
  abandon(): void
}

const REFUSED = reply(550, '5.7.1 The letter was refused by the filter of this server')
const VIRUS = reply(550, '5.7.1 The letter holds a virus')
const UNJUDGED = reply(451, '4.7.1 The letter cannot be checked now, try again later')
const RESULT_HEADER = 'X-Twinpost-Filter'
const REASONS_SHOWN_MAX = 8

export class LetterFilter {
  readonly #options: LetterFilterOptions

  constructor(options: LetterFilterOptions) {
    this.#options = options
  }

  /** A letter that is all in memory. Never rejects. */
  async decide(letter: FilteredLetter, body: readonly Buffer[]): Promise<FilterDecision> {
    return await this.#decide(letter, () => this.#options.pool.judge(letter.envelope, letter.fields, body))
  }

  /** Begins with a letter of which more is to come. Never rejects. */
  async stream(letter: FilteredLetter, first: readonly Buffer[]): Promise<FilteredStream> {
    const begun = await this.#options.pool.stream(letter.envelope, letter.fields, first).catch(keepFailure)
    return {
      write: async (pieces) => {
        if (!(begun instanceof FilterError)) await begun.write(pieces)
      },
      decide: () => this.#decide(letter, () => endOf(begun)),
      abandon: () => {
        if (!(begun instanceof FilterError)) begun.abandon()
      },
    }
  }

  close(): void {
    this.#options.pool.close()
  }

  async #decide(letter: FilteredLetter, ask: () => Promise<FilterResult>): Promise<FilterDecision> {
    const { pool, clock, metrics, logger, onFailure } = this.#options
    const began = clock.monotonicMs()
    const result = await ask().catch(keepFailure)
    metrics.filterSeconds.observe({ pool: pool.name }, (clock.monotonicMs() - began) / 1000)
    if (result instanceof FilterError) {
      logger.warn({ trace: letter.envelope.traceId, pool: pool.name, onFailure }, 'letter was not judged')
      return onFailure === 'tempfail' ? { kind: 'refuse', reply: UNJUDGED } : this.#unjudged(letter)
    }
    const { verdict } = result
    if (verdict.kind === 'reject' || verdict.kind === 'tempfail') {
      return { kind: 'refuse', reply: foreignReply(verdict) }
    }
    if (verdict.kind === 'discard') return this.#all(letter, 'discard', '')
    return this.#judge(letter, evidenceOf(result.edits))
  }

  #judge(letter: FilteredLetter, evidence: readonly Evidence[]): FilterDecision {
    const { rules, level, metrics, logger } = this.#options
    const { envelope } = letter
    const facts = { sender: envelope.reversePath.toLowerCase(), author: '', authorProved: false }
    // Settings of Domains and users are not built yet: all recipients have the level of this server.
    const judgement = judge(evidence, rules, { level, allow: [], deny: [] }, facts)
    const settlement = settle(envelope.recipients.map(() => judgement))
    const trace = envelope.traceId
    if (settlement.kind === 'refuse') {
      metrics.filterActions.inc({ action: settlement.permanent ? 'reject' : 'tempfail' }, envelope.recipients.length)
      logger.info({ trace, reasons: judgement.reasons }, 'filter refuses a letter')
      return { kind: 'refuse', reply: refusal(settlement.permanent, evidence) }
    }
    if (judgement.action !== 'accept')
      logger.info({ trace, action: judgement.action, reasons: judgement.reasons }, 'filter marks a letter')
    const found = evidence
      .map((one) => `${EVIDENCE_HEADER}: ${encodeEvidence(one).replaceAll('\n', '\r\n')}\r\n`)
      .join('')
    const recipients = settlement.actions.map((action) => {
      metrics.filterActions.inc({ action })
      return { placement: placementOf(action), fields: resultField(action, judgement, level) + found }
    })
    return { kind: 'take', recipients }
  }

  #unjudged(letter: FilteredLetter): FilterDecision {
    return this.#all(letter, 'inbox', `${RESULT_HEADER}: action=accept; unjudged\r\n`)
  }

  #all({ envelope }: FilteredLetter, placement: Placement, fields: string): FilterDecision {
    this.#options.metrics.filterActions.inc(
      { action: placement === 'discard' ? 'discard' : 'accept' },
      envelope.recipients.length,
    )
    return { kind: 'take', recipients: envelope.recipients.map(() => ({ placement, fields })) }
  }
}

function keepFailure(error: unknown): FilterError {
  if (error instanceof FilterError) return error
  throw error
}

async function endOf(stream: FilterStream | FilterError): Promise<FilterResult> {
  if (stream instanceof FilterError) throw stream
  return await stream.end()
}

/** Until there is a quarantine, what belongs there goes to Junk; rules that say quarantine for viruses are refused at start (config.ts). */
function placementOf(action: 'accept' | 'tag' | 'junk' | 'quarantine' | 'discard'): Placement {
  switch (action) {
    case 'accept':
    case 'tag':
      return 'inbox'
    case 'junk':
    case 'quarantine':
      return 'junk'
    case 'discard':
      return 'discard'
    default:
      return action satisfies never
  }
}

function refusal(permanent: boolean, evidence: readonly Evidence[]): Reply {
  if (!permanent) return UNJUDGED
  return evidence.some(({ findings }) => findings.some(({ kind }) => kind === 'virus')) ? VIRUS : REFUSED
}

/** A foreign milter's own words reach the sender where they can be an SMTP reply. */
function foreignReply(verdict: FilterResult['verdict'] & { kind: 'reject' | 'tempfail' }): Reply {
  const said = verdict.reply
  const text = said?.lines
    .join(' ')
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, 400)
  if (said === null || !text) return verdict.kind === 'reject' ? REFUSED : UNJUDGED
  const code = said.code === 421 ? 451 : said.code // the connection is ours to end
  return reply(code, /^[245]\.[0-9]{1,3}\.[0-9]{1,3} /.test(text) ? text : `${code < 500 ? '4' : '5'}.7.1 ${text}`)
}

/** RFC 2047 is not needed: reasons are names of engines and of what they found, and other characters are replaced. */
function resultField(action: string, { reasons, spam }: Judgement, level: FilterLevel): string {
  const shown = reasons
    .slice(0, REASONS_SHOWN_MAX)
    .map((reason) => reason.replace(/[^\x20-\x7e]|[;"]/g, '?').slice(0, 120))
  const parts = [
    `action=${action}`,
    `level=${level}`,
    `spam=${spam.toFixed(2)}`,
    ...shown.map((reason) => `reason="${reason}"`),
  ]
  return `${RESULT_HEADER}: ${parts.join(';\r\n\t')}\r\n`
}
