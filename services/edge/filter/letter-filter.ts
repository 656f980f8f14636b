/**
 * A letter, its filter pool and the policy: what becomes of each recipient, and what is written into the header block so that the
 * decision can be read there.
 *
 * Invariants: without a verdict of the pool the pool's rule decides, never chance; what the policy takes is never refused later.
 */
import { EVIDENCE_HEADER, type Evidence, encodeEvidence } from '#lib/filter/evidence.ts'
import { encodeOutcome, RESULT_HEADER } from '#lib/filter/result.ts'
import { effectiveFilter, type FilterLevel, type FilterWish } from '#lib/filter/settings.ts'
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
import { authorOf } from './author.ts'
import { evidenceOf } from './evidence-of.ts'
import { type FilterEnvelope, FilterError, type FilterResult } from './filter-connection.ts'
import type { FilterPool, FilterStream } from './filter-pool.ts'
import {
  type Judgement,
  judge,
  judgeOutgoing,
  type LetterFacts,
  type PoolRules,
  type RecipientSettings,
  settle,
} from './policy.ts'

export interface FilterSettings {
  readonly rules: PoolRules
  /** What becomes of a letter that no pod of the pool has judged. */
  readonly onFailure: 'tempfail' | 'accept'
  /** What holds where nobody nearer says otherwise. */
  readonly system: { readonly level: FilterLevel; readonly allow: readonly string[]; readonly deny: readonly string[] }
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

/** Somebody here who is to get the letter. */
export interface FilteredRecipient {
  readonly address: string
  /** Of the filter, from near to far. */
  readonly wishes: readonly FilterWish[]
}

export interface FilteredLetter {
  /** Those of the envelope who are here; the others are asked nothing: the letter leaves. */
  readonly recipients: readonly FilteredRecipient[]
  readonly envelope: FilterEnvelope
  /** It comes from outside; null: a user of ours sends it, who has logged in. */
  readonly origin: AuthenticationQuestion | null
  /** Fields of the header, latin1. */
  readonly fields: readonly string[]
}

export type Placement = 'inbox' | 'junk' | 'quarantine' | 'discard'

export type FilterDecision =
  | { readonly kind: 'refuse'; readonly reply: Reply }
  /** One entry for each of the letter's `recipients`. `fields`: header fields with their line ends. */
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
    const { rules, system, metrics, logger, pool } = this.#options
    const { envelope } = letter
    const applied = evidence === null ? { ...rules, required: NOBODY } : rules
    const facts = this.#facts(letter, authentication)
    const trace = envelope.traceId
    const fromUser = envelope.user !== null
    if (fromUser) {
      const outgoing = judgeOutgoing(evidence ?? [], applied, system.level)
      if (outgoing.action !== 'accept') return this.#refuse(letter, outgoing.action === 'reject', outgoing, evidence)
    }
    const settings = letter.recipients.map((recipient) => this.#settingsOf(recipient))
    const judgements = settings.map((one) => judge(evidence ?? [], applied, one, facts))
    const settlement = settle(judgements)
    const [first] = judgements
    if (settlement.kind === 'refuse' && first !== undefined) {
      const worst = judgements.find(({ action }) => action === 'tempfail') ?? first
      return this.#refuse(letter, settlement.permanent, worst, evidence)
    }
    const found = (evidence ?? []).map(evidenceField).join('')
    const actions = settlement.kind === 'take' ? settlement.actions : []
    const recipients = actions.map((said, i) => {
      // Who has logged in is here to be told: what of a user's letter is wanted in quarantine was refused above.
      const action = fromUser && said === 'quarantine' ? 'junk' : said
      const judgement = judgements[i] ?? NOTHING_JUDGED
      metrics.filterActions.inc({ action })
      if (action !== 'accept') {
        const { address } = letter.recipients[i] ?? { address: '' }
        logger.info({ trace, recipient: address, action, reasons: judgement.reasons }, 'filter marks a letter')
      }
      const silent = pool === null && action === 'accept'
      const level = settings[i]?.level ?? system.level
      const { reasons, spam } = judgement
      const outcome = encodeOutcome({ action, level, spam: evidence === null ? null : spam, reasons })
      const result = silent ? '' : `${RESULT_HEADER}: ${outcome}\r\n`
      return { placement: placementOf(action), fields: (authentication?.field ?? '') + result + found }
    })
    return { kind: 'take', recipients }
  }

  #settingsOf({ address, wishes }: FilteredRecipient): RecipientSettings {
    return { ...effectiveFilter(this.#options.system, wishes), roleAddress: ROLE_ADDRESS.test(address) }
  }

  #refuse(
    { envelope }: FilteredLetter,
    permanent: boolean,
    judgement: Judgement,
    evidence: readonly Evidence[] | null,
  ): FilterDecision {
    const { metrics, logger } = this.#options
    const action = permanent ? 'reject' : 'tempfail'
    metrics.filterActions.inc({ action }, envelope.recipients.length)
    logger.info({ trace: envelope.traceId, action, reasons: judgement.reasons }, 'filter refuses a letter')
    return { kind: 'refuse', reply: refusal(permanent, judgement, evidence ?? []) }
  }

  #facts({ envelope, fields }: FilteredLetter, authentication: Authentication | null): LetterFacts {
    const sender = envelope.reversePath.toLowerCase()
    if (authentication === null) return { sender, author: authorOf(fields), authorProved: false, dmarcAsks: null }
    const { author, dmarc, dmarcPolicy, arcPass } = authentication
    const asks = this.#options.enforceDmarc && dmarc === 'fail' && dmarcPolicy !== 'none' ? dmarcPolicy : null
    // Forwarders break what they forward; where a chain of them vouches, the letter is not thrown away.
    const dmarcAsks = asks === 'reject' && arcPass ? 'quarantine' : asks
    return { sender, author, authorProved: dmarc === 'pass', dmarcAsks }
  }

  #discard({ envelope, recipients }: FilteredLetter): FilterDecision {
    this.#options.metrics.filterActions.inc({ action: 'discard' }, envelope.recipients.length)
    return { kind: 'take', recipients: recipients.map(() => ({ placement: 'discard', fields: '' })) }
  }
}

const NOTHING_FOUND: FilterResult = { verdict: { kind: 'continue' }, refused: new Map(), edits: [] }
const NOTHING_JUDGED: Judgement = { action: 'accept', reasons: [], spam: 0 }
const NOBODY: ReadonlySet<string> = new Set()
/** RFC 5321 section 4.5.1, RFC 2142 section 2. */
const ROLE_ADDRESS = /^(?:postmaster|abuse)(?:@|$)/i

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

function placementOf(action: 'accept' | 'tag' | 'junk' | 'quarantine' | 'discard'): Placement {
  switch (action) {
    case 'accept':
    case 'tag':
      return 'inbox'
    case 'junk':
    case 'quarantine':
    case 'discard':
      return action
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
