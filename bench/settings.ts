/** What is measured, and for how long. The same on both sides; environment variables make a run shorter or longer. */

/** Mailboxes that get the letters. */
export const MAILBOX_COUNT = 20
/** SMTP connections. */
export const CONNECTION_COUNT = numberFrom('BENCH_CONNECTIONS', 50)
/** Octets of one letter as sent, header and line ends counted. */
export const LETTER_BYTES = 4096
/** Seconds of sending; what is on its way then is finished and counted with its time. */
export const SECONDS = numberFrom('BENCH_SECONDS', 10)
/** Seconds of the same work before: servers run for months, and a compiler that compiles while it serves needs some thousand letters. */
export const WARM_UP_SECONDS = numberFrom('BENCH_WARM_UP_SECONDS', 20)
/** Letters in each mailbox before the IMAP mix begins. */
export const MIX_LETTERS = 200
/** Idle IMAP sessions whose memory is measured. */
export const IDLE_SESSIONS = numberFrom('BENCH_IDLE_SESSIONS', 500)
/** Longest wait for accepted letters to become readable before the run is called a failure. */
export const READABLE_WAIT_MS = 300_000
/** Between two looks whether all letters can be read. */
export const POLL_MS = 50

function numberFrom(name: string, otherwise: number): number {
  const value = Number(process.env[name] ?? otherwise)
  if (Number.isFinite(value) && value > 0) return value
  throw new Error(`Cannot use ${name}=${process.env[name]}: it must be a number above 0`)
}
