/** The policy as a table. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Evidence, Finding } from '#lib/filter/evidence.ts'
import { effectiveFilter, type FilterLevel } from '#lib/filter/settings.ts'
import {
  type FilterAction,
  type Judgement,
  judge,
  judgeOutgoing,
  type LetterFacts,
  type PoolRules,
  settle,
} from './policy.ts'

const RULES: PoolRules = {
  required: new Set(['clamd']),
  onVirus: 'quarantine',
  onAttachment: 'junk',
  onImage: 'tag',
}
const FACTS: LetterFacts = {
  sender: 'bounce@list.example.net',
  author: 'ann@example.net',
  authorProved: true,
  dmarcAsks: null,
}

function engine(name: string, ...findings: Finding[]): Evidence {
  return { engine: name, state: 'done', findings }
}
const clean = engine('clamd')
const virus = engine('clamd', { kind: 'virus', name: 'Eicar', weight: 1 })
const spam = (weight: number) => engine('rspamd', { kind: 'spam', name: 'score', weight })

interface Row {
  readonly what: string
  readonly evidence: readonly Evidence[]
  readonly level?: FilterLevel
  readonly allow?: readonly string[]
  readonly deny?: readonly string[]
  readonly roleAddress?: boolean
  readonly facts?: Partial<LetterFacts>
  readonly rules?: Partial<PoolRules>
  readonly action: FilterAction
  readonly reason?: RegExp
}

const ROWS: readonly Row[] = [
  { what: 'nothing was found', evidence: [clean], action: 'accept' },
  { what: 'a virus', evidence: [virus], action: 'quarantine', reason: /virus Eicar \(clamd\)/ },
  { what: 'a virus where the pool rejects', evidence: [virus], rules: { onVirus: 'reject' }, action: 'reject' },
  { what: 'a virus from somebody who is allowed', evidence: [virus], allow: ['ann@example.net'], action: 'quarantine' },
  { what: 'a virus for somebody without a filter', evidence: [virus], level: 'off', action: 'quarantine' },
  { what: 'spam just below', evidence: [clean, spam(0.79)], action: 'accept' },
  { what: 'spam at the mark', evidence: [clean, spam(0.8)], action: 'tag' },
  { what: 'spam', evidence: [clean, spam(1)], action: 'junk', reason: /^spam 1\.00 \(rspamd\) at level standard$/ },
  { what: 'spam beyond doubt', evidence: [clean, spam(2.5)], action: 'reject' },
  { what: 'spam beyond doubt to postmaster', evidence: [clean, spam(9)], roleAddress: true, action: 'junk' },
  {
    what: 'a virus to postmaster',
    evidence: [virus],
    rules: { onVirus: 'reject' },
    roleAddress: true,
    action: 'reject',
  },
  { what: 'spam at a low level', evidence: [clean, spam(1)], level: 'low', action: 'tag' },
  { what: 'spam at a strict level', evidence: [clean, spam(0.7)], level: 'strict', action: 'junk' },
  { what: 'spam without a filter', evidence: [clean, spam(9)], level: 'off', action: 'accept' },
  {
    what: 'two engines see spam: the surer one speaks',
    evidence: [clean, spam(0.6), { ...spam(1.1), engine: 'bayes' }],
    action: 'junk',
    reason: /^spam 1\.10 \(bayes\)/,
  },
  {
    what: 'spam from an author who is allowed and proved',
    evidence: [clean, spam(9)],
    allow: ['example.net'],
    action: 'accept',
  },
  {
    what: 'spam from an author who is allowed and not proved',
    evidence: [clean, spam(1)],
    allow: ['example.net'],
    facts: { authorProved: false },
    action: 'junk',
  },
  { what: 'an author on the deny list', evidence: [clean], deny: ['ann@example.net'], action: 'junk' },
  {
    what: 'a sender of a denied domain, by its subdomain',
    evidence: [clean],
    deny: ['example.net'],
    facts: { author: '' },
    action: 'junk',
  },
  {
    what: 'deny goes before allow',
    evidence: [clean],
    deny: ['example.net'],
    allow: ['ann@example.net'],
    action: 'junk',
  },
  { what: 'another domain that ends the same', evidence: [clean], deny: ['ample.net'], action: 'accept' },
  {
    what: 'an engine that must look and failed',
    evidence: [{ engine: 'clamd', state: 'failed', findings: [] }],
    action: 'tempfail',
  },
  {
    what: 'an engine that must look and was late',
    evidence: [{ engine: 'clamd', state: 'late', findings: [] }],
    allow: ['example.net'],
    action: 'tempfail',
  },
  { what: 'an engine that must look and is not in the evidence', evidence: [spam(0)], action: 'tempfail' },
  {
    what: 'a letter too large for an engine that must look',
    evidence: [{ engine: 'clamd', state: 'too-large', findings: [] }],
    action: 'accept',
    reason: /not shown letters of this size/,
  },
  {
    what: 'an engine that may fail',
    evidence: [clean, { engine: 'rspamd', state: 'failed', findings: [] }],
    action: 'accept',
    reason: /rspamd failed/,
  },
  {
    what: 'an attachment',
    evidence: [engine('clamd', { kind: 'attachment', name: 'macro', weight: 1 })],
    action: 'junk',
  },
  {
    what: 'an image that is doubtful',
    evidence: [engine('clamd', { kind: 'image', name: 'porn', weight: 0.9 })],
    action: 'accept',
  },
  { what: 'an image', evidence: [engine('clamd', { kind: 'image', name: 'porn', weight: 1 })], action: 'tag' },
  {
    what: 'an author whose domain asks for rejection',
    evidence: [clean],
    level: 'off',
    facts: { authorProved: false, dmarcAsks: 'reject' },
    action: 'reject',
    reason: /DMARC failed for example\.net/,
  },
  {
    what: 'an author whose domain asks for quarantine',
    evidence: [clean],
    facts: { dmarcAsks: 'quarantine' },
    action: 'junk',
  },
  { what: 'phishing', evidence: [engine('clamd', { kind: 'phishing', name: 'link text', weight: 1 })], action: 'junk' },
]

for (const {
  what,
  evidence,
  level = 'standard',
  allow = [],
  deny = [],
  roleAddress = false,
  facts = {},
  rules = {},
  action,
  reason,
} of ROWS) {
  test(`${what}: ${action}`, () => {
    const settings = { ...effectiveFilter({ level, allow, deny }, []), roleAddress }
    const judgement = judge(evidence, { ...RULES, ...rules }, settings, { ...FACTS, ...facts })
    assert.equal(judgement.action, action)
    if (reason !== undefined) assert.match(judgement.reasons.join(), reason)
    if (action !== 'accept') assert.notEqual(judgement.reasons.length, 0)
  })
}

const attachment = engine('clamd', { kind: 'attachment', name: 'program', weight: 1 })
for (const [what, evidence, rules, action] of [
  ['a virus, whatever becomes of those that come in', [virus], { onVirus: 'discard' }, 'reject'],
  ['spam beyond doubt', [clean, spam(2.5)], {}, 'reject'],
  ['spam', [clean, spam(2.4)], {}, 'accept'],
  ['an engine that must look and failed', [{ engine: 'clamd', state: 'failed', findings: [] }], {}, 'tempfail'],
  ['a program where they go to Junk', [attachment], { onAttachment: 'junk' }, 'accept'],
  ['a program where they go to quarantine', [attachment], { onAttachment: 'quarantine' }, 'reject'],
] as const satisfies readonly (readonly [string, readonly Evidence[], Partial<PoolRules>, FilterAction])[]) {
  test(`a user sends ${what}: ${action}`, () => {
    assert.equal(judgeOutgoing(evidence, { ...RULES, ...rules }, 'standard').action, action)
  })
}

for (const [actions, outcome] of [
  [['accept', 'junk'], { kind: 'take', actions: ['accept', 'junk'] }],
  [['reject', 'reject'], { kind: 'refuse', permanent: true }],
  [['reject', 'accept'], { kind: 'take', actions: ['quarantine', 'accept'] }],
  [['reject', 'tempfail'], { kind: 'refuse', permanent: false }],
  [['tempfail', 'accept'], { kind: 'refuse', permanent: false }],
  [['discard', 'reject'], { kind: 'take', actions: ['discard', 'quarantine'] }],
] as const) {
  test(`recipients with ${actions.join(' and ')}: ${outcome.kind}`, () => {
    const judgements = actions.map((action): Judgement => ({ action, reasons: [], spam: 0 }))
    assert.deepEqual(settle(judgements), outcome)
  })
}
