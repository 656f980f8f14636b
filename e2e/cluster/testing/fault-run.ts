/**
 * One fault on a pair under load, and the verdict, which is read from the mail itself: writers from outside and of a user go on
 * throughout; new connections measure when there is service again; in the end everything that was accepted is there once with its
 * bytes, every UID that was ever seen still means the same letter, and both members are in sync again.
 */
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { allMessages } from '../../support/imap.ts'
import { subjects } from '../../support/pour.ts'
import { type Probe, SERVED, ServiceProbe } from '../../support/service-probe.ts'
import { type Attempt, assertNothingLost, byAppend, bySecond, bySmtp, Writer } from '../../support/writer.ts'
import type { ClusterArray, LedgerView } from './cluster-array.ts'
import { until } from './kubectl.ts'

const BEFORE_MS = 3_000
/** Writers go on for so long after there is service again. */
const AFTER_MS = 5_000
const SETTLE_MS = 240_000

export interface FaultRow {
  readonly name: string
  /** Until login, FETCH, APPEND (and LMTP where one copy is enough) succeeded by new connections; Infinity: never. */
  readonly servedMs: number
  readonly ms: Readonly<Record<Probe, number>>
  readonly accepted: number
  readonly refused: number
  readonly lostAnswers: number
  /** Of the attempts of each second from the fault on: users, and mail from outside. */
  readonly userShares: readonly number[]
  readonly inboundShares: readonly number[]
  readonly before: LedgerView
  readonly after: LedgerView
  readonly text: string
}

/** Puts right what a fault broke. */
export type Mend = () => Promise<unknown>

export class FaultRun {
  readonly array: ClusterArray
  readonly shard: string
  readonly account: string
  readonly primary: string
  readonly mirror: string
  readonly #before: LedgerView

  private constructor(array: ClusterArray, shard: string, account: string, before: LedgerView) {
    this.array = array
    this.shard = shard
    this.account = account
    this.primary = before.primary
    this.mirror = before.inSync.find((pod) => pod !== before.primary) ?? ''
    this.#before = before
  }

  /** Waits until the shard has both copies. */
  static async start(array: ClusterArray, shard: string): Promise<FaultRun> {
    const [mailNode = ''] = shard.split('/')
    await array.ready(mailNode)
    const before = await array.ledger(shard)
    assert.ok(before)
    const account = shard.endsWith('/0') ? 'alice' : 'bob'
    return new FaultRun(array, shard, account, before)
  }

  /**
   * @param fault Breaks something; what it returns mends it again.
   * @param options.holdMs How long it stays broken after there is service again.
   */
  async through(
    name: string,
    fault: () => Promise<Mend | undefined>,
    options: { readonly holdMs?: number; readonly serves?: readonly Probe[] } = {},
  ): Promise<FaultRow> {
    const { array, account } = this
    const who = array.account(account)
    const uidsBefore = await allMessages(array, who)
    const tag = `${name.replace(/[^a-z0-9]+/gi, '-')}-${Date.now() % 100_000}`
    const inbound = Writer.start(bySmtp(array.endpoints.smtp, who.address), {
      prefix: `in-${tag}`,
      workers: 2,
      pauseMs: 150,
    })
    const user = Writer.start(byAppend(array, who), { prefix: `us-${tag}`, workers: 2, pauseMs: 150 })
    const probe = new ServiceProbe(array, who, 120_000)
    let mend: Mend | undefined
    let faultMs = 0
    let ms: Readonly<Record<Probe, number>>
    try {
      await pause(BEFORE_MS)
      faultMs = Date.now()
      const sinceMs = performance.now()
      mend = await fault()
      ms = await probe.measure(tag, sinceMs)
      await pause(options.holdMs ?? AFTER_MS)
      const mendNow = mend
      mend = undefined
      await mendNow?.()
      const [mailNode = ''] = this.shard.split('/')
      await array.ready(mailNode, SETTLE_MS)
      await pause(AFTER_MS)
    } finally {
      await mend?.()
      await Promise.all([inbound.stop(), user.stop()])
    }
    await until('all mail readable', 60_000, () => subjects(array, account))
    await assertNothingLost(array, account, inbound, user, probe)
    const uidsAfter = await allMessages(array, who)
    for (const [uid, bytes] of uidsBefore) {
      assert.ok(uidsAfter.get(uid)?.equals(bytes), `UID ${uid} is the same letter as before`)
    }
    const after = await array.ledger(this.shard)
    assert.ok(after)
    return rowOf(
      name,
      { ms, faultMs, inbound: inbound.attempts, user: user.attempts, before: this.#before, after },
      options.serves,
    )
  }
}

function rowOf(
  name: string,
  seen: {
    ms: Readonly<Record<Probe, number>>
    faultMs: number
    inbound: readonly Attempt[]
    user: readonly Attempt[]
    before: LedgerView
    after: LedgerView
  },
  serves: readonly Probe[] = SERVED.filter((probe) => probe !== 'LMTP'),
): FaultRow {
  const all = [...seen.inbound, ...seen.user]
  const count = (outcome: Attempt['outcome']) => all.filter((one) => one.outcome === outcome).length
  const servedMs = Math.max(...serves.map((probe) => seen.ms[probe]))
  const endMs = Math.max(...all.map(({ endedMs }) => endedMs))
  const shares = (attempts: readonly Attempt[]) => bySecond(attempts, seen.faultMs, endMs).map(({ share }) => share)
  const seconds = (value: number) => (value === Number.POSITIVE_INFINITY ? 'never' : `${(value / 1_000).toFixed(1)} s`)
  const digits = (of: readonly number[]) => of.map((share) => (share === 1 ? '*' : Math.floor(share * 10))).join('')
  const [userShares, inboundShares] = [shares(seen.user), shares(seen.inbound)]
  const text = [
    `${name}: served again after ${seconds(servedMs)}`,
    `mail from outside ${seconds(seen.ms.SMTP)}`,
    `${count('accepted')} accepted, ${count('refused')} refused, ${count('lost')} without an answer, 0 lost`,
    `epoch ${seen.before.epoch} -> ${seen.after.epoch}, primary ${seen.before.primary} -> ${seen.after.primary}`,
    `share accepted per second (tenths, * all): users ${digits(userShares)} inbound ${digits(inboundShares)}`,
  ].join('; ')
  return {
    name,
    servedMs,
    ms: seen.ms,
    accepted: count('accepted'),
    refused: count('refused'),
    lostAnswers: count('lost'),
    userShares,
    inboundShares,
    before: seen.before,
    after: seen.after,
    text,
  }
}

/** The table of a run, in Markdown. */
export function tableOf(rows: readonly FaultRow[]): string {
  const seconds = (ms: number) => (Number.isFinite(ms) ? (ms / 1_000).toFixed(1) : 'never')
  const outages = (shares: readonly number[]) => shares.filter((share) => share < 0.5).length
  const lines = rows.map((row) => {
    const { ms, userShares, inboundShares } = row
    const cells = [
      row.name,
      seconds(row.servedMs),
      seconds(ms.SMTP),
      `${outages(userShares)} / ${outages(inboundShares)}`,
      `${row.accepted}`,
      '0',
      `${row.before.epoch} -> ${row.after.epoch}`,
    ]
    return `| ${cells.join(' | ')} |`
  })
  return [
    '| case | served again, s | mail from outside, s | seconds with < half accepted: users / outside | letters accepted | lost or doubled | epoch |',
    '|---|---|---|---|---|---|---|',
    ...lines,
  ].join('\n')
}
