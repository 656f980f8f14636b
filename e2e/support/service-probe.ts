/**
 * "Served again" as every failover figure here means it: a login, a FETCH, an APPEND and an LMTP delivery have succeeded over new
 * connections. Mail from outside is told apart: in strict mode it waits for the second copy, and so does LMTP.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { DemoAccount } from './array.ts'
import { imapLogin, type MailAccess } from './imap.ts'
import { letter } from './pour.ts'
import { SmtpDialogue } from './smtp.ts'

export const PROBES = ['login', 'FETCH', 'APPEND', 'LMTP', 'SMTP'] as const
export type Probe = (typeof PROBES)[number]
export const SERVED: readonly Probe[] = ['login', 'FETCH', 'APPEND', 'LMTP']

/** Between two attempts while a failure is awaited to end, and while a whole fault is watched: each costs a TLS handshake. */
const RETRY_MS = 25
const WATCH_MS = 200
/** Of one attempt: a connection into nothing must not hide that the next one would succeed. */
const ATTEMPT_MS = 2_000
const GIVE_UP_MS = 60_000

/** One attempt over a new connection, in milliseconds of `performance.now()`. */
export interface Tried {
  readonly probe: Probe
  readonly endedMs: number
  readonly done: boolean
}

export class ServiceProbe {
  readonly #array: MailAccess
  readonly #account: DemoAccount
  /** Subjects of letters that were taken: they must be there in the end. */
  readonly accepted: string[] = []

  constructor(array: MailAccess, account: DemoAccount) {
    this.#array = array
    this.#account = account
  }

  /**
   * For faults that strike before this is called. @param tag Begins the subjects.
   * @returns milliseconds since `sinceMs` until each probe first succeeded; Infinity: never.
   */
  async measure(tag: string, sinceMs: number): Promise<Readonly<Record<Probe, number>>> {
    const times = await Promise.all(PROBES.map((probe) => this.#until(probe, tag, sinceMs)))
    const [login = 0, FETCH = 0, APPEND = 0, LMTP = 0, SMTP = 0] = times
    return { login, FETCH, APPEND, LMTP, SMTP }
  }

  /** Tries again and again, for faults that take their time. @returns how to stop, which gives all attempts. */
  watch(tag: string): () => Promise<readonly Tried[]> {
    const tried: Tried[] = []
    const stopping = new AbortController()
    const loops = PROBES.map(async (probe) => {
      for (let attempt = 0; !stopping.signal.aborted; attempt++) {
        const done = await this.#attempt(probe, `${probe}-${tag}-${attempt}`)
        tried.push({ probe, endedMs: performance.now(), done })
        await pause(WATCH_MS, null, { signal: stopping.signal }).catch(() => {})
      }
    })
    return async () => {
      stopping.abort()
      await Promise.all(loops)
      return tried
    }
  }

  async #until(probe: Probe, tag: string, sinceMs: number): Promise<number> {
    for (let attempt = 0; performance.now() - sinceMs < GIVE_UP_MS; attempt++) {
      if (await this.#attempt(probe, `${probe}-${tag}-${attempt}`)) return performance.now() - sinceMs
      await pause(RETRY_MS)
    }
    return Number.POSITIVE_INFINITY
  }

  async #attempt(probe: Probe, subject: string): Promise<boolean> {
    const answered = this.#try(probe, subject).then(
      (done) => {
        if (done && probe !== 'login' && probe !== 'FETCH') this.accepted.push(subject)
        return done
      },
      () => false,
    )
    return Promise.race([answered, pause(ATTEMPT_MS, false, { ref: false })])
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
      await dialogue.say(probe === 'LMTP' ? 'LHLO probe.example.net' : 'EHLO probe.example.net')
      return (await dialogue.deliver('s@example.net', [this.#account.address], letter(subject))).code === 250
    } finally {
      dialogue.close()
    }
  }
}

/**
 * How long a service was away: the longest time between two successes of a probe from `fromMs` on, the moment of the fault itself
 * counting as one. Infinity: it did not succeed in the last third of the time.
 */
export function longestGap(tried: readonly Tried[], probe: Probe, fromMs: number, toMs: number): number {
  const successes = tried
    .filter((one) => one.probe === probe && one.done && one.endedMs >= fromMs && one.endedMs <= toMs)
    .map(({ endedMs }) => endedMs)
    .sort((a, b) => a - b)
  if ((successes.at(-1) ?? fromMs) < toMs - (toMs - fromMs) / 3) return Number.POSITIVE_INFINITY
  return Math.max(...successes.map((at, i) => at - (successes[i - 1] ?? fromMs)))
}
