/**
 * A writer that goes on while things break and records every attempt with its time and outcome, and what is asked of such a
 * record: which share of the attempts was accepted in each second (refusing everything must not pass), and whether all that
 * was accepted is there once.
 */
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import type { ImapFlow } from 'imapflow'
import type { DemoAccount, Endpoint } from './array.ts'
import { imapLogin, type MailAccess } from './imap.ts'
import { letter, subjects } from './pour.ts'
import { SmtpDialogue } from './smtp.ts'

export interface Attempt {
  readonly subject: string
  /** When it began and when it was answered, in milliseconds of the machine's clock. */
  readonly beganMs: number
  readonly endedMs: number
  /** `lost`: the connection ended without an answer, so the letter may be there or not. */
  readonly outcome: 'accepted' | 'refused' | 'lost'
  /** The answer, for messages of tests. */
  readonly answer: string
}

/** What a writer does again and again: one letter, one attempt. */
export type Way = (subject: string) => Promise<Pick<Attempt, 'outcome' | 'answer'>>

export interface WriterOptions {
  /** Begins every subject, so that several writers can be told apart. */
  readonly prefix: string
  readonly workers?: number
  /** Between two attempts of one worker. */
  readonly pauseMs?: number
}

export class Writer {
  readonly attempts: Attempt[] = []
  readonly #stopping = new AbortController()
  #work: Promise<unknown> = Promise.resolve()
  #next = 0

  /** @param way Makes the way of one worker: a connection of its own. */
  static start(way: () => Way & { close?: () => void }, options: WriterOptions): Writer {
    const writer = new Writer()
    writer.#work = Promise.all(Array.from({ length: options.workers ?? 4 }, () => writer.#run(way(), options)))
    return writer
  }

  /** Ends after the attempts that are under way. */
  async stop(): Promise<readonly Attempt[]> {
    this.#stopping.abort()
    await this.#work
    return this.attempts
  }

  get accepted(): string[] {
    return this.attempts.filter(({ outcome }) => outcome === 'accepted').map(({ subject }) => subject)
  }

  async #run(way: Way & { close?: () => void }, { prefix, pauseMs = 50 }: WriterOptions): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      const subject = `${prefix}-${this.#next++}`
      const beganMs = Date.now()
      const result = await way(subject).catch((error: unknown) => ({ outcome: 'lost' as const, answer: String(error) }))
      this.attempts.push({ subject, beganMs, endedMs: Date.now(), ...result })
      await pause(pauseMs, null, { signal }).catch(() => {})
    }
    way.close?.()
  }
}

/** Mail from outside: one SMTP connection that is kept, one letter to `to` after the other. */
export function bySmtp(endpoint: Endpoint, to: string): () => Way & { close: () => void } {
  return () => {
    let open: SmtpDialogue | null = null
    const drop = () => {
      open?.close()
      open = null
    }
    const way: Way = async (subject) => {
      try {
        if (!open) {
          open = await SmtpDialogue.open(endpoint)
          await open.say('EHLO writer.example.net')
        }
        const reply = await open.deliver('s@example.net', [to], letter(subject))
        assert.ok(reply.code === 250 || (reply.code >= 400 && reply.code < 500), `${reply.code} ${reply.text}`)
        return { outcome: reply.code === 250 ? 'accepted' : 'refused', answer: `${reply.code} ${reply.text}` }
      } catch (error) {
        drop()
        throw error
      }
    }
    return Object.assign(way, { close: drop })
  }
}

/** A user: one IMAP session that is kept, one APPEND after the other. */
export function byAppend(
  array: MailAccess,
  account: DemoAccount,
  endpoint: Endpoint = array.endpoints.imaps,
): () => Way & { close: () => void } {
  return () => {
    let client: ImapFlow | null = null
    const drop = () => {
      client?.close()
      client = null
    }
    const way: Way = async (subject) => {
      try {
        client ??= await imapLogin(array, account, endpoint)
        const done = await client.append('INBOX', letter(subject))
        return done ? { outcome: 'accepted', answer: 'OK' } : { outcome: 'refused', answer: 'NO' }
      } catch (error) {
        const refused = refusalOf(error)
        if (refused !== null) return { outcome: 'refused', answer: refused }
        drop()
        throw error
      }
    }
    return Object.assign(way, { close: drop })
  }
}

/** What the server said, if imapflow's error is an answer of the server and the session goes on. */
function refusalOf(error: unknown): string | null {
  if (!(error instanceof Error) || !('responseStatus' in error)) return null
  const code = 'serverResponseCode' in error ? `[${String(error.serverResponseCode)}] ` : ''
  const text = 'responseText' in error ? String(error.responseText) : ''
  return error.responseStatus === 'NO' ? `NO ${code}${text}` : null
}

export interface Second {
  /** Seconds since the first attempt. */
  readonly second: number
  readonly attempts: number
  readonly accepted: number
  /** Of the attempts that were answered in it; 0 in a second without an answer. */
  readonly share: number
}

/** @param fromMs, toMs Whole seconds from `fromMs` on are looked at, by the time of the answer. */
export function bySecond(attempts: readonly Attempt[], fromMs: number, toMs: number): Second[] {
  return Array.from({ length: Math.floor((toMs - fromMs) / 1_000) }, (_, second) => {
    const begin = fromMs + second * 1_000
    const answered = attempts.filter(({ endedMs }) => endedMs >= begin && endedMs < begin + 1_000)
    const accepted = answered.filter(({ outcome }) => outcome === 'accepted').length
    return {
      second,
      attempts: answered.length,
      accepted,
      share: answered.length === 0 ? 0 : accepted / answered.length,
    }
  })
}

/** Share of all attempts answered between two times that were accepted; 0 if none was answered. */
export function acceptedShare(attempts: readonly Attempt[], fromMs: number, toMs: number): number {
  const answered = attempts.filter(({ endedMs }) => endedMs >= fromMs && endedMs < toMs)
  return answered.length === 0 ? 0 : answered.filter(({ outcome }) => outcome === 'accepted').length / answered.length
}

/**
 * Fails unless service went on: of the seconds between two times at most `outageSeconds` had less than half of their attempts
 * accepted. @returns the seconds, for the test's diagnostics.
 */
export function assertKeptAccepting(
  attempts: readonly Attempt[],
  fromMs: number,
  toMs: number,
  outageSeconds: number,
): string {
  const seconds = bySecond(attempts, fromMs, toMs)
  const shares = seconds.map(({ accepted, attempts: of }) => `${accepted}/${of}`).join(' ')
  const out = seconds.filter(({ share }) => share < 0.5).length
  const refusals = new Set(attempts.filter(({ outcome }) => outcome !== 'accepted').map(({ answer }) => answer))
  assert.ok(
    out <= outageSeconds,
    `${out} of ${seconds.length} seconds without service: ${shares}; ${[...refusals].slice(0, 5).join('; ')}`,
  )
  return `accepted/attempts by second: ${shares}`
}

/** All that was accepted is in the account's INBOX once, whole; what was refused or lost is there once at most. */
export async function assertNothingLost(
  array: MailAccess,
  name: string,
  ...writers: readonly { readonly accepted: readonly string[] }[]
): Promise<void> {
  const counts = new Map<string, number>()
  for (const subject of await subjects(array, name)) counts.set(subject, (counts.get(subject) ?? 0) + 1)
  for (const { accepted } of writers) {
    const missing = accepted.filter((subject) => !counts.has(subject))
    assert.deepEqual(missing, [], `${missing.length} of ${accepted.length} accepted letters are missing`)
  }
  const doubled = [...counts].filter(([, count]) => count > 1)
  assert.deepEqual(doubled, [], 'nothing is there twice')
}
