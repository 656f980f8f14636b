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
import type {
  Authentication,
  AuthenticationQuestion,
  AuthenticationRun,
  Authenticator,
} from '../authentication/authenticator.ts'
import type { EdgeMetrics } from '../metrics.ts'
import { evidenceOf } from './evidence-of.ts'
import { type FilterEnvelope, FilterError, type FilterResult } from './filter-connection.ts'
import type { FilterPool, FilterStream } from './filter-pool.ts'
import { type FilterLevel, type Judgement, judge, type LetterFacts, type PoolRules, settle } from './policy.ts'

export interface FilterSettings {
  readonly rules: PoolRules
  /** What becomes of a letter that no pod of the pool has judged. */
  readonly onFailure: 'tempfail' | 'accept'
  readonly level: FilterLevel
}

export interface LetterFilterOptions extends FilterSettings {
  /** Null: there is no pool, letters are only authenticated. */
  readonly pool: FilterPool | null
  /** Null: nobody asks whether a letter comes from where it says. */
  readonly authenticator: Authenticator | null
  /** What DMARC asks for is done, not only written down. */
  readonly enforceDmarc: boolean
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: EdgeMetrics
}

export interface FilteredLetter {
  readonly envelope: FilterEnvelope
  /** It comes from outside; null: a user of ours sends it, who has logged in. */
  readonly origin: AuthenticationQuestion | null
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
/** RFC 9989 section 8.2 recommends to say why. */
const NOT_FROM_THERE = reply(550, '5.7.1 The letter does not come from where it says: DMARC of its author')
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
    const { pool } = this.#options
    const run = this.#authenticate(letter)
    await run?.write([headerOf(letter), ...body])
    return await this.#decide(letter, run, async () => {
      return pool === null ? NOTHING_FOUND : await pool.judge(letter.envelope, letter.fields, body)
    })
  }

  /** Begins with a letter of which more is to come. Never rejects. */
  async stream(letter: FilteredLetter, first: readonly Buffer[]): Promise<FilteredStream> {
    const { pool } = this.#options
    const run = this.#authenticate(letter)
    await run?.write([headerOf(letter), ...first])
    const begun = await pool?.stream(letter.envelope, letter.fields, first).catch(keepFailure)
    const filter = begun instanceof FilterError ? null : begun
    return {
      write: async (pieces) => {
        await run?.write(pieces)
        await filter?.write(pieces)
      },
      decide: () => this.#decide(letter, run, () => endOf(begun)),
      abandon: () => {
        run?.abandon()
        filter?.abandon()
      },
    }
  }

  close(): void {
    this.#options.pool?.close()
  }

  #authenticate({ origin }: FilteredLetter): AuthenticationRun | null {
    return origin === null ? null : (this.#options.authenticator?.begin(origin) ?? null)
  }

  async #decide(
    letter: FilteredLetter,
    run: AuthenticationRun | null,
    ask: () => Promise<FilterResult>,
  ): Promise<FilterDecision> {
    const { pool, clock, metrics, logger, onFailure } = this.#options
    const began = clock.monotonicMs()
    const [result, authentication] = await Promise.all([ask().catch(keepFailure), run?.end() ?? null])
    const poolName = pool?.name ?? 'none'
    metrics.filterSeconds.observe({ pool: poolName }, (clock.monotonicMs() - began) / 1000)
    if (result instanceof FilterError) {
      logger.warn({ trace: letter.envelope.traceId, pool: poolName, onFailure }, 'letter was not judged')
      if (onFailure === 'tempfail') return { kind: 'refuse', reply: UNJUDGED }
      return this.#judge(letter, null, authentication)
    }
    const { verdict } = result
    if (verdict.kind === 'reject' || verdict.kind === 'tempfail') {
      return { kind: 'refuse', reply: foreignReply(verdict) }
    }
    if (verdict.kind === 'discard') return this.#discard(letter)
    return this.#judge(letter, evidenceOf(result.edits), authentication)
  }

  /** @param evidence Null: no pod has judged it, and the pool says that it is taken all the same. */
  #judge(
    letter: FilteredLetter,
    evidence: readonly Evidence[] | null,
    authentication: Authentication | null,
  ): FilterDecision {
    const { rules, level, metrics, logger, pool } = this.#options
    const { envelope } = letter
    const applied = evidence === null ? { ...rules, required: NOBODY } : rules
    // Settings of Domains and users are not built yet: all recipients have the level of this server.
    const settings = { level, allow: [], deny: [] }
    const judgement = judge(evidence ?? [], applied, settings, this.#facts(envelope, authentication))
    const settlement = settle(envelope.recipients.map(() => judgement))
    const trace = envelope.traceId
    if (settlement.kind === 'refuse') {
      metrics.filterActions.inc({ action: settlement.permanent ? 'reject' : 'tempfail' }, envelope.recipients.length)
      logger.info({ trace, reasons: judgement.reasons }, 'filter refuses a letter')
      return { kind: 'refuse', reply: refusal(settlement.permanent, judgement, evidence ?? []) }
    }
    if (judgement.action !== 'accept') {
      logger.info({ trace, action: judgement.action, reasons: judgement.reasons }, 'filter marks a letter')
    }
    const found = (evidence ?? []).map(evidenceField).join('')
    const recipients = settlement.actions.map((action) => {
      metrics.filterActions.inc({ action })
      const silent = pool === null && action === 'accept'
      const result = silent ? '' : resultField(action, judgement, level, evidence !== null)
      return { placement: placementOf(action), fields: (authentication?.field ?? '') + result + found }
    })
    return { kind: 'take', recipients }
  }

  #facts(envelope: FilterEnvelope, authentication: Authentication | null): LetterFacts {
    const sender = envelope.reversePath.toLowerCase()
    if (authentication === null) return { sender, author: '', authorProved: false, dmarcAsks: null }
    const { author, dmarc, dmarcPolicy, arcPass } = authentication
    const asks = this.#options.enforceDmarc && dmarc === 'fail' && dmarcPolicy !== 'none' ? dmarcPolicy : null
    // Forwarders break what they forward; where a chain of them vouches, the letter is not thrown away.
    const dmarcAsks = asks === 'reject' && arcPass ? 'quarantine' : asks
    return { sender, author, authorProved: dmarc === 'pass', dmarcAsks }
  }

  #discard({ envelope }: FilteredLetter): FilterDecision {
    this.#options.metrics.filterActions.inc({ action: 'discard' }, envelope.recipients.length)
    return { kind: 'take', recipients: envelope.recipients.map(() => ({ placement: 'discard', fields: '' })) }
  }
}

const NOTHING_FOUND: FilterResult = { verdict: { kind: 'continue' }, refused: new Map(), edits: [] }
const NOBODY: ReadonlySet<string> = new Set()

function headerOf({ fields }: FilteredLetter): Buffer {
  return Buffer.from(`${fields.join('')}\r\n`, 'latin1')
}

function evidenceField(evidence: Evidence): string {
  return `${EVIDENCE_HEADER}: ${encodeEvidence(evidence).replaceAll('\n', '\r\n')}\r\n`
}

function keepFailure(error: unknown): FilterError {
  if (error instanceof FilterError) return error
  throw error
}

/** Undefined: there is no pool. */
async function endOf(stream: FilterStream | FilterError | undefined): Promise<FilterResult> {
  if (stream instanceof FilterError) throw stream
  return (await stream?.end()) ?? NOTHING_FOUND
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

function refusal(permanent: boolean, { reasons }: Judgement, evidence: readonly Evidence[]): Reply {
  if (!permanent) return UNJUDGED
  if (reasons[0]?.startsWith('DMARC')) return NOT_FROM_THERE
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
function resultField(action: string, { reasons, spam }: Judgement, level: FilterLevel, judged: boolean): string {
  const shown = reasons
    .slice(0, REASONS_SHOWN_MAX)
    .map((reason) => reason.replace(/[^\x20-\x7e]|[;"]/g, '?').slice(0, 120))
  const parts = [
    `action=${action}`,
    `level=${level}`,
    judged ? `spam=${spam.toFixed(2)}` : 'unjudged',
    ...shown.map((reason) => `reason="${reason}"`),
  ]
  return `${RESULT_HEADER}: ${parts.join(';\r\n\t')}\r\n`
}
