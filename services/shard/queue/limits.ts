/** Times and bounds of the outgoing queue, each with its reason. */
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

export interface QueueLimits {
  /** Recipients outside that one account may write to in an hour and in a day; more is held to be abuse (rules.md, Limits). */
  readonly recipientsPerHourMax: number
  readonly recipientsPerDayMax: number
  /** Recipients of one letter. */
  readonly recipientsPerLetterMax: number
}

export const QUEUE_LIMITS: QueueLimits = {
  recipientsPerHourMax: 500,
  recipientsPerDayMax: 2_000,
  recipientsPerLetterMax: 1_000,
}

export const HOUR = HOUR_MS
export const DAY = 24 * HOUR_MS

/**
 * Pauses after the first, second, ... failed attempt; the last one goes on. The first are short: greylisting (RFC 6647) asks for a
 * minute or five, a restart takes as long, and most letters that are late are late for such a reason.
 */
export const RETRY_PAUSES_MS: readonly number[] = [
  MINUTE_MS,
  5 * MINUTE_MS,
  15 * MINUTE_MS,
  30 * MINUTE_MS,
  HOUR_MS,
  2 * HOUR_MS,
  4 * HOUR_MS,
]
/** Pauses differ by so much of themselves, so that what failed together does not come back together. */
export const RETRY_JITTER_SHARE = 0.2
/** Mail inside of the array: another shard is back in seconds. */
export const TRANSIT_PAUSES_MS: readonly number[] = [2_000, 5_000, 15_000, MINUTE_MS, 5 * MINUTE_MS]

/** RFC 5321 section 4.5.4.1 wants four to five days. What we say about a letter is worth less than the letter. */
export const LIFETIME_MS = { submission: 5 * DAY, transit: 5 * DAY, notification: 3 * DAY } as const
/** The sender of a letter is told once that it is late. */
export const WARN_AFTER_MS = 4 * HOUR_MS

/** After the stream of a sender has ended, or the shard has a new primary: that sender's right to write the final dot is over by then (rule 18). */
export const DOUBT_MS = 3_000
/** A sender that keeps an attempt without a word for longer has lost it: more than all times of RFC 5321 section 4.5.3.2 for one letter. */
export const ATTEMPT_MS_MAX = 60 * MINUTE_MS
/** How often entries are looked at whose time is over, and attempts that have become old. */
export const SWEEP_INTERVAL_MS = 30_000
export const SWEEP_ENTRIES = 100

/** Of one destination in one answer: the others come first. */
export const ITEMS_PER_DESTINATION = 10
/** Original letters up to here are returned whole with a notification that was asked for it. */
export const RETURNED_BYTES_MAX = 64 * 1024
/** Of the header section that a notification quotes. */
export const RETURNED_HEADER_BYTES_MAX = 32 * 1024
