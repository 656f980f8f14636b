/**
 * What becomes of a letter for one recipient: a pure decision on evidence, the pool's rules and the recipient's settings; and what the
 * sender hears when recipients differ (SMTP has one reply for all).
 *
 * Invariants: nobody's allow list lets a virus through; an engine that did not look is a reason of its own where the pool says so;
 * every decision names its reasons.
 */
import type { EngineState, Evidence, Finding } from '#lib/filter/evidence.ts'
import { type EffectiveFilter, type FilterLevel, listedIn } from '#lib/filter/settings.ts'

export type FilterAction = 'accept' | 'tag' | 'junk' | 'quarantine' | 'reject' | 'tempfail' | 'discard'

export interface RecipientSettings extends EffectiveFilter {
  /** `postmaster` and `abuse` must hear even of spam: for them it goes to Junk and is never refused (rules.md, Delivery). */
  readonly roleAddress: boolean
}

export interface PoolRules {
  /** Engines without whose look a letter is not taken: it is refused for now. The others' silence lets it pass, marked. */
  readonly required: ReadonlySet<string>
  readonly onVirus: 'quarantine' | 'reject' | 'discard'
  readonly onAttachment: 'tag' | 'junk' | 'quarantine' | 'reject'
  readonly onImage: 'tag' | 'junk' | 'quarantine'
}

export interface LetterFacts {
  /** Reverse path and author, in lower case; empty: none. */
  readonly sender: string
  readonly author: string
  /** The author's domain is proved (DMARC pass): only then an allow list may speak for it. */
  readonly authorProved: boolean
  /** DMARC failed, and the author's domain asks for this; null: it passed, or nothing is asked. */
  readonly dmarcAsks: 'quarantine' | 'reject' | null
}

export interface Judgement {
  readonly action: FilterAction
  /** As `virus Eicar-Test-Signature (clamd)`, most weighty first. */
  readonly reasons: readonly string[]
  /** Highest weight of spam evidence; 1 is what an engine calls spam. */
  readonly spam: number
}

/** From which weight on a letter is marked, goes to Junk, and is refused, by level. */
const THRESHOLDS: Readonly<
  Record<Exclude<FilterLevel, 'off'>, { readonly tag: number; readonly junk: number; readonly reject: number }>
> = {
  low: { tag: 1, junk: 1.5, reject: 4 },
  standard: { tag: 0.8, junk: 1, reject: 2.5 },
  strict: { tag: 0.5, junk: 0.7, reject: 1.5 },
}

const SEVERITY: readonly FilterAction[] = ['accept', 'tag', 'junk', 'quarantine', 'discard', 'reject', 'tempfail']

interface SpamWeight {
  readonly engine: string
  readonly weight: number
}

interface Vote {
  readonly action: FilterAction
  readonly reason: string
}

export function judge(
  evidence: readonly Evidence[],
  rules: PoolRules,
  settings: RecipientSettings,
  facts: LetterFacts,
): Judgement {
  const spam = spamWeight(evidence)
  const hard = [...virusVotes(evidence, rules), ...silenceVotes(evidence, rules), ...dmarcVotes(facts)]
  const listed = listVote(settings, facts)
  const soft = listed?.action === 'accept' ? [] : softVotes(evidence, rules, settings, spam)
  const votes = [...hard, ...(listed === null ? [] : [listed]), ...soft]
  return judgementOf(votes, spam.weight)
}

/**
 * A letter that a user of ours submits, before anybody gets it: what must not leave is refused, to the one who has logged in and hears
 * of it at once. Spam counts only where it is beyond doubt; what recipients here think of it is theirs to say.
 */
export function judgeOutgoing(evidence: readonly Evidence[], rules: PoolRules, level: FilterLevel): Judgement {
  const { onAttachment } = rules
  const spam = spamWeight(evidence)
  const threshold = level === 'off' ? Number.POSITIVE_INFINITY : THRESHOLDS[level].reject
  const votes: Vote[] = [
    ...virusVotes(evidence, rules).map(({ reason }): Vote => ({ action: 'reject', reason })),
    ...silenceVotes(evidence, rules).filter(({ action }) => action === 'tempfail'),
    ...(onAttachment === 'reject' || onAttachment === 'quarantine' ? attachmentVotes(evidence, 'reject') : []),
  ]
  if (spam.weight >= threshold) {
    votes.push({ action: 'reject', reason: `spam ${spam.weight.toFixed(2)} (${spam.engine}) at level ${level}` })
  }
  return judgementOf(votes, spam.weight)
}

/** The one reply for all, and what becomes of each recipient (rules.md, Delivery). */
export type Settlement =
  | { readonly kind: 'refuse'; readonly permanent: boolean }
  /** Accepted; one action for each recipient, none of them `reject` or `tempfail`. */
  | { readonly kind: 'take'; readonly actions: readonly Exclude<FilterAction, 'reject' | 'tempfail'>[] }

/** 451 if it cannot be judged for one, 5xx only if all would refuse it; else those who would refuse it get it in quarantine. */
export function settle(judgements: readonly Judgement[]): Settlement {
  if (judgements.some(({ action }) => action === 'tempfail')) return { kind: 'refuse', permanent: false }
  if (judgements.length > 0 && judgements.every(({ action }) => action === 'reject'))
    return { kind: 'refuse', permanent: true }
  return {
    kind: 'take',
    actions: judgements.map(({ action }) => (action === 'reject' || action === 'tempfail' ? 'quarantine' : action)),
  }
}

function judgementOf(votes: readonly Vote[], spam: number): Judgement {
  const action = votes.reduce<FilterAction>((worst, vote) => worse(worst, vote.action), 'accept')
  const reasons = votes
    .toSorted((a, b) => SEVERITY.indexOf(b.action) - SEVERITY.indexOf(a.action))
    .map((vote) => vote.reason)
  return { action, reasons, spam }
}

function virusVotes(evidence: readonly Evidence[], rules: PoolRules): Vote[] {
  return found(evidence, 'virus').map(([engine, { name }]) => ({
    action: rules.onVirus,
    reason: `virus ${name} (${engine})`,
  }))
}

const SILENCE: Readonly<Record<Exclude<EngineState, 'done'>, string>> = {
  failed: 'failed',
  late: 'gave no answer in time',
  'too-large': 'is not shown letters of this size',
  busy: 'had no time',
}

function silenceVotes(evidence: readonly Evidence[], rules: PoolRules): Vote[] {
  const silent = evidence.flatMap(({ engine, state }): Vote[] => {
    if (state === 'done') return []
    // A size does not change with time: to ask the sender to come again would be for ever.
    const action = rules.required.has(engine) && state !== 'too-large' ? 'tempfail' : 'accept'
    return [{ action, reason: `${engine} ${SILENCE[state]}` }]
  })
  const heard = new Set(evidence.map(({ engine }) => engine))
  const missing = [...rules.required].filter((engine) => !heard.has(engine))
  return [...silent, ...missing.map((engine): Vote => ({ action: 'tempfail', reason: `${engine} was not asked` }))]
}

/** RFC 9989 section 5.4: what the author's domain asks for; its quarantine is our Junk. */
function dmarcVotes({ dmarcAsks, author }: LetterFacts): Vote[] {
  if (dmarcAsks === null) return []
  const domain = author.slice(author.lastIndexOf('@') + 1)
  return [{ action: dmarcAsks === 'reject' ? 'reject' : 'junk', reason: `DMARC failed for ${domain}` }]
}

function listVote(settings: RecipientSettings, { sender, author, authorProved }: LetterFacts): Vote | null {
  const byAuthor = author === '' ? null : listedIn(settings.wishes, author)
  if (byAuthor?.list === 'deny') return { action: 'junk', reason: `${author} is on the deny list` }
  // Anybody can write any name: only what is proved is allowed.
  if (byAuthor?.list === 'allow' && authorProved) return { action: 'accept', reason: `${author} is on the allow list` }
  const bySender = sender === '' ? null : listedIn(settings.wishes, sender)
  return bySender?.list === 'deny' ? { action: 'junk', reason: `${sender} is on the deny list` } : null
}

function softVotes(
  evidence: readonly Evidence[],
  rules: PoolRules,
  settings: RecipientSettings,
  { engine: surest, weight: spam }: SpamWeight,
): Vote[] {
  const votes = attachmentVotes(evidence, rules.onAttachment)
  for (const [engine, { name, weight }] of found(evidence, 'image')) {
    if (weight >= 1) votes.push({ action: rules.onImage, reason: `image ${name} (${engine})` })
  }
  for (const [engine, { name, weight }] of found(evidence, 'phishing')) {
    votes.push({ action: weight >= 1 ? 'junk' : 'tag', reason: `phishing ${name} (${engine})` })
  }
  if (settings.level === 'off') return votes.filter(({ action }) => action !== 'junk' && action !== 'tag')
  const { tag, junk, reject } = THRESHOLDS[settings.level]
  const reason = `spam ${spam.toFixed(2)} (${surest}) at level ${settings.level}`
  if (spam >= reject) votes.push({ action: settings.roleAddress ? 'junk' : 'reject', reason })
  else if (spam >= junk) votes.push({ action: 'junk', reason })
  else if (spam >= tag) votes.push({ action: 'tag', reason })
  return votes
}

function attachmentVotes(evidence: readonly Evidence[], action: FilterAction): Vote[] {
  return found(evidence, 'attachment').map(([engine, { name }]) => ({
    action,
    reason: `attachment ${name} (${engine})`,
  }))
}

/** The surest engine speaks: several that see the same signs are no more sure than one. */
function spamWeight(evidence: readonly Evidence[]): SpamWeight {
  const nobody: SpamWeight = { engine: 'nobody', weight: 0 }
  return found(evidence, 'spam').reduce(
    (most, [engine, { weight }]) => (weight > most.weight ? { engine, weight } : most),
    nobody,
  )
}

function found(evidence: readonly Evidence[], kind: Finding['kind']): [engine: string, finding: Finding][] {
  return evidence.flatMap(({ engine, findings }) =>
    findings.filter((finding) => finding.kind === kind).map((finding): [string, Finding] => [engine, finding]),
  )
}

function worse(a: FilterAction, b: FilterAction): FilterAction {
  return SEVERITY.indexOf(b) > SEVERITY.indexOf(a) ? b : a
}
