/**
 * Measures how long a shard does not serve when its primary is killed with -9, ten times in a row in one array: until a login, a
 * FETCH, an APPEND and an LMTP delivery have succeeded, and until a letter from outside was accepted with durability.inbound
 * `preferred` (one copy is enough) and `required` (the killed member must be back in sync). Nothing that was accepted may be missing.
 *
 *   node e2e/measure/failover.ts [KILLS]        or: make measure-failover
 */
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { type DemoAccount, TestArray } from '../support/array.ts'
import { imapLogin } from '../support/imap.ts'
import { letter, pairInSync, pour } from '../support/pour.ts'
import { SmtpDialogue } from '../support/smtp.ts'
import { assertNothingLost } from '../support/writer.ts'
import { machineText, median } from './machine.ts'

const KILLS = Number(process.argv[2] ?? 10)
const RETRY_MS = 25
const GIVE_UP_MS = 60_000
/** Longer than the hold-down after a change of role, and than a restarted container needs. */
const REST_MS = 3_000

type Probe = 'login' | 'FETCH' | 'APPEND' | 'LMTP' | 'SMTP'
const PROBES: readonly Probe[] = ['login', 'FETCH', 'APPEND', 'LMTP', 'SMTP']
/** All of them make "served again"; mail from outside is told apart. */
const SERVED: readonly Probe[] = ['login', 'FETCH', 'APPEND', 'LMTP']

interface Run {
  readonly ms: Readonly<Record<Probe, number>>
  readonly accepted: readonly string[]
}

class Measurement {
  readonly #array: TestArray
  readonly #account: DemoAccount
  readonly accepted: string[] = []

  constructor(array: TestArray) {
    this.#array = array
    this.#account = array.account('alice')
  }

  /** Kills the primary once. */
  async run(number: number): Promise<Run> {
    const { primary } = await pairInSync(this.#array, this.#account.home)
    assert.ok(primary)
    const before = await pour(this.#array, `before-${number}`, this.#account.address, 20)
    this.accepted.push(...before.accepted)
    const killedMs = performance.now()
    process.kill(primary.pid, 'SIGKILL')
    const entries = await Promise.all(
      PROBES.map(async (probe) => [probe, await this.#until(probe, number, killedMs)] as const),
    )
    const ms = Object.fromEntries(entries)
    return { ms: { login: 0, FETCH: 0, APPEND: 0, LMTP: 0, SMTP: 0, ...ms }, accepted: before.accepted }
  }

  async #until(probe: Probe, number: number, killedMs: number): Promise<number> {
    for (let attempt = 0; performance.now() - killedMs < GIVE_UP_MS; attempt++) {
      const subject = `${probe}-${number}-${attempt}`
      const done = await this.#try(probe, subject).catch(() => false)
      if (done) {
        const ms = performance.now() - killedMs
        if (probe !== 'login' && probe !== 'FETCH') this.accepted.push(subject)
        return ms
      }
      await pause(RETRY_MS)
    }
    return Number.POSITIVE_INFINITY
  }

  async #try(probe: Probe, subject: string): Promise<boolean> {
    if (probe === 'LMTP' || probe === 'SMTP') return await this.#deliver(probe, subject)
    const client = await imapLogin(this.#array, this.#account)
    try {
      if (probe === 'APPEND') return (await client.append('INBOX', letter(subject))) !== false
      if (probe === 'login') return true
      await client.mailboxOpen('INBOX')
      const message = await client.fetchOne('1', { source: true })
      return message !== false && (message.source?.length ?? 0) > 0
    } finally {
      client.close()
    }
  }

  async #deliver(probe: 'LMTP' | 'SMTP', subject: string): Promise<boolean> {
    const { lmtp, smtp } = this.#array.endpoints
    const dialogue = await SmtpDialogue.open(probe === 'LMTP' ? lmtp : smtp)
    try {
      await dialogue.say(probe === 'LMTP' ? 'LHLO measure.example.net' : 'EHLO measure.example.net')
      return (await dialogue.deliver('s@example.net', [this.#account.address], letter(subject))).code === 250
    } finally {
      dialogue.close()
    }
  }
}

async function measure(mode: 'preferred' | 'required'): Promise<void> {
  const array = await TestArray.start({ small: true, spec: `durability:\n  inbound:\n    mode: ${mode}\n` })
  try {
    const measurement = new Measurement(array)
    const runs: Run[] = []
    for (let number = 1; number <= KILLS; number++) {
      runs.push(await measurement.run(number))
      await pause(REST_MS)
    }
    await pairInSync(array, array.account('alice').home)
    await assertNothingLost(array, 'alice', measurement)
    print(mode, runs, measurement.accepted.length)
  } finally {
    await array.remove()
  }
}

function print(mode: string, runs: readonly Run[], accepted: number): void {
  const seconds = (ms: number) => (ms / 1_000).toFixed(2).padStart(7)
  const row = (name: string, of: readonly number[]) =>
    console.log(`${name.padEnd(14)}${[...of, median(of), Math.max(...of)].map(seconds).join('')}`)
  console.log(`\ndurability.inbound ${mode}: seconds after kill -9 of the primary, the last two are median and maximum`)
  for (const probe of PROBES)
    row(
      probe,
      runs.map(({ ms }) => ms[probe]),
    )
  // In strict mode LMTP waits for the second copy as all mail from elsewhere does.
  const served = mode === 'required' ? SERVED.filter((probe) => probe !== 'LMTP') : SERVED
  row(
    'served again',
    runs.map(({ ms }) => Math.max(...served.map((probe) => ms[probe]))),
  )
  console.log(`${accepted} letters accepted, 0 lost`)
}

console.log(machineText())
await measure('preferred')
await measure('required')
console.log(machineText())
