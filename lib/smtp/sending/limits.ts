/** What a server may make the sender hold, and how long each step may take. */

/** RFC 5321 section 4.5.3.1.5: 512 bytes; twice that and more for those who write essays. */
export const REPLY_LINE_BYTES_MAX = 2_048
/** EHLO of a server with everything has some thirty lines. */
export const REPLY_LINES_MAX = 128
/** Recipients whose RCPT goes out before the answers to earlier ones are read (RFC 2920). */
export const RECIPIENTS_IN_FLIGHT_MAX = 50

/** What is awaited. RFC 5321 section 4.5.3.2 gives each its time. */
export type Awaited = 'greeting' | 'hello' | 'start-tls' | 'command' | 'data' | 'block' | 'end' | 'quit'

/**
 * RFC 5321 section 4.5.3.2, shorter where a server that needs so long has never been of use: greeting and commands 5 min there.
 * The end of the letter keeps its ten minutes: to give up there is to send a letter twice (section 4.5.3.2.6).
 */
export const TIMES_MS: Readonly<Record<Awaited, number>> = {
  greeting: 60_000,
  hello: 60_000,
  'start-tls': 60_000,
  command: 300_000,
  data: 120_000,
  block: 180_000,
  end: 600_000,
  quit: 2_000,
}
