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

const RETRY_MS = 25
/** Of one attempt: a connection into nothing must not hide that the next one would succeed. */
const ATTEMPT_MS = 2_000
const GIVE_UP_MS = 60_000

export class ServiceProbe {
  readonly #array: MailAccess
  readonly #account: DemoAccount
  readonly #giveUpMs: number
  /** Subjects of letters that were taken: they must be there in the end. */
  readonly accepted: string[] = []

  constructor(array: MailAccess, account: DemoAccount, giveUpMs: number = GIVE_UP_MS) {
    this.#array = array
    this.#account = account
    this.#giveUpMs = giveUpMs
  }

  /** @param tag Begins the subjects. @returns milliseconds since `sinceMs` until each probe first succeeded; Infinity: never. */
  async measure(tag: string, sinceMs: number): Promise<Readonly<Record<Probe, number>>> {
    const times = await Promise.all(PROBES.map((probe) => this.#until(probe, tag, sinceMs)))
    const [login = 0, FETCH = 0, APPEND = 0, LMTP = 0, SMTP = 0] = times
    return { login, FETCH, APPEND, LMTP, SMTP }
  }

  async #until(probe: Probe, tag: string, sinceMs: number): Promise<number> {
    for (let attempt = 0; performance.now() - sinceMs < this.#giveUpMs; attempt++) {
      const subject = `${probe}-${tag}-${attempt}`
      if (await this.#within(this.#try(probe, subject))) {
        const ms = performance.now() - sinceMs
        if (probe !== 'login' && probe !== 'FETCH') this.accepted.push(subject)
        return ms
      }
      await pause(RETRY_MS)
    }
    return Number.POSITIVE_INFINITY
  }

  async #within(attempt: Promise<boolean>): Promise<boolean> {
    const answered = attempt.catch(() => false)
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
