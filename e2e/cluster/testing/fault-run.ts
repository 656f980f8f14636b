/**
 * One fault on a pair under load, and the verdict, which is read from the mail itself: writers from outside and of a user go on
 * throughout; new connections try all the while how long there is no service; in the end everything that was accepted is there once with its
 * bytes, every UID that was ever seen still means the same letter, and both members are in sync again.
 */
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { allMessages } from '../../support/imap.ts'
import { longestGap, type Probe, SERVED, ServiceProbe, type Tried } from '../../support/service-probe.ts'
import { type Attempt, assertNothingLost, byAppend, bySecond, bySmtp, Writer } from '../../support/writer.ts'
import type { ClusterArray, LedgerView } from './cluster-array.ts'
import { until } from './kubectl.ts'

/** Long enough to see how slow this machine is by itself. */
const BEFORE_MS = 5_000
const AFTER_MS = 5_000
const SETTLE_MS = 240_000
const READ_MS = 60_000

export interface FaultRow {
  readonly name: string
  /** Longest time without a login, FETCH, APPEND and, where one copy is enough, LMTP delivery by new connections; Infinity: it stayed away. */
  readonly servedMs: number
  readonly ms: Readonly<Record<Probe, number>>
  /** The same without any fault, just before: what this machine adds. */
  readonly quietMs: number
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
   * @param options.holdMs How long it stays broken. @param options.serves What counts as service.
   */
  async through(
    name: string,
    fault: () => Promise<Mend | undefined>,
    options: { readonly holdMs?: number; readonly serves?: readonly Probe[] } = {},
  ): Promise<FaultRow> {
    const { array, account } = this
    const who = array.account(account)
    const uidsBefore = await this.messages()
    const tag = `${name.replace(/[^a-z0-9]+/gi, '-')}-${Date.now() % 100_000}`
    const writing = (prefix: string) => ({ prefix: `${prefix}-${tag}`, workers: 2, pauseMs: 150 })
    const inbound = Writer.start(bySmtp(array.endpoints.smtp, who.address), writing('in'))
    const user = Writer.start(byAppend(array, who), writing('us'))
    const probe = new ServiceProbe(array, who)
    const stopWatching = probe.watch(tag)
    let tried: readonly Tried[] = []
    let mend: Mend | undefined
    let faultMs = 0
    let sinceMs = 0
    let failed = true
    try {
      await pause(BEFORE_MS)
      faultMs = Date.now()
      sinceMs = performance.now()
      mend = await fault()
      await pause(options.holdMs ?? AFTER_MS)
      const mendNow = mend
      mend = undefined
      await mendNow?.()
      const [mailNode = ''] = this.shard.split('/')
      await array.ready(mailNode, SETTLE_MS)
      await pause(AFTER_MS)
      failed = false
    } finally {
      if (failed) await mend?.()
      await Promise.all([inbound.stop(), user.stop()])
      tried = await stopWatching()
    }
    await until('all that was accepted, once', READ_MS, async () => {
      await assertNothingLost(array, account, inbound, user, probe)
      return true
    })
    const uidsAfter = await this.messages()
    for (const [uid, bytes] of uidsBefore) {
      assert.ok(uidsAfter.get(uid)?.equals(bytes), `UID ${uid} is the same letter as before`)
    }
    const after = await array.ledger(this.shard)
    assert.ok(after)
    const seen = {
      tried,
      sinceMs,
      faultMs,
      inbound: inbound.attempts,
      user: user.attempts,
      before: this.#before,
      after,
    }
    return rowOf(name, seen, options.serves)
  }

  /** UID and bytes of all letters; a session that is moved to another member in the middle is tried again. */
  messages(): Promise<ReadonlyMap<number, Buffer>> {
    return until('all letters', READ_MS, () => allMessages(this.array, this.array.account(this.account)))
  }
}

function rowOf(
  name: string,
  seen: {
    tried: readonly Tried[]
    sinceMs: number
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
  const lastMs = Math.max(...seen.tried.map(({ endedMs }) => endedMs))
  const gap = (probe: Probe) => longestGap(seen.tried, probe, seen.sinceMs, lastMs)
  const ms = { login: gap('login'), FETCH: gap('FETCH'), APPEND: gap('APPEND'), LMTP: gap('LMTP'), SMTP: gap('SMTP') }
  const servedMs = Math.max(...serves.map((probe) => ms[probe]))
  const quietMs = Math.max(
    ...serves.map((probe) => longestGap(seen.tried, probe, seen.sinceMs - BEFORE_MS, seen.sinceMs)),
  )
  const endMs = Math.max(...all.map(({ endedMs }) => endedMs))
  const shares = (attempts: readonly Attempt[]) => bySecond(attempts, seen.faultMs, endMs).map(({ share }) => share)
  const digits = (of: readonly number[]) => of.map((share) => (share === 1 ? '*' : Math.floor(share * 10))).join('')
  const [userShares, inboundShares] = [shares(seen.user), shares(seen.inbound)]
  const text = [
    `${name}: away for ${seconds(servedMs)} s (${seconds(quietMs)} s without a fault)`,
    `mail from outside ${seconds(ms.SMTP)} s`,
    `${count('accepted')} accepted, ${count('refused')} refused, ${count('lost')} without an answer, 0 lost`,
    `epoch ${seen.before.epoch} -> ${seen.after.epoch}, primary ${seen.before.primary} -> ${seen.after.primary}`,
    `share accepted per second (tenths, * all): users ${digits(userShares)} outside ${digits(inboundShares)}`,
  ].join('; ')
  return {
    name,
    servedMs,
    ms,
    quietMs,
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

const seconds = (ms: number) => (Number.isFinite(ms) ? (ms / 1_000).toFixed(1) : 'never')

/** The table of a run, in Markdown. */
export function tableOf(rows: readonly FaultRow[]): string {
  const outages = (shares: readonly number[]) => shares.filter((share) => share < 0.5).length
  const lines = rows.map((row) => {
    const { ms, userShares, inboundShares } = row
    const cells = [
      row.name,
      `${seconds(row.servedMs)} (${seconds(row.quietMs)})`,
      seconds(ms.SMTP),
      `${outages(userShares)} / ${outages(inboundShares)}`,
      `${row.accepted}`,
      '0',
      `${row.before.epoch} -> ${row.after.epoch}`,
    ]
    return `| ${cells.join(' | ')} |`
  })
  return [
    '| case | users away for, s (without a fault) | mail from outside, s | seconds with < half accepted: users / outside | letters accepted | lost or doubled | epoch |',
    '|---|---|---|---|---|---|---|',
    ...lines,
  ].join('\n')
}
