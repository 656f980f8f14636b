/**
 * The letter that `up` sends: in over SMTP as from another server, back out over IMAP and POP3, with real clients that check
 * the certificate. What comes back must be what was sent, byte for byte, after the header block that delivery adds.
 */
import { randomUUID } from 'node:crypto'
import { connect } from 'node:tls'
import { ImapFlow } from 'imapflow'
import type { Endpoint, Endpoints } from '#operator/api/local-layout.ts'
import { letterText, messageIdOf, TIMEOUT_MS, transportTo } from './show-letter.ts'

const SENDER = 'hello@twinpost.example'
const LINES = [
  'Two copies of this letter are on two disks before the sender hears 250.',
  '这封信在发信方收到 250 之前，已写入两块磁盘。',
]

export interface ImapFacts {
  readonly uid: number
  readonly bytes: number
}

export interface LetterFacts {
  readonly address: string
  /** Shard that the letter is in. */
  readonly home: string
  readonly smtpReply: string
  readonly imap: ImapFacts
  readonly pop3: { readonly number: number; readonly bytes: number }
  /** Reads it once more over IMAP. @throws if it cannot be read, or is not what was sent */
  readonly readAgain: () => Promise<ImapFacts>
}

export type LetterStep = 'SMTP' | 'IMAP' | 'POP3'

export class LetterError extends Error {
  override readonly name = 'LetterError'
  readonly step: LetterStep

  constructor(step: LetterStep, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.step = step
  }
}

/** @throws {LetterError} naming the step that failed */
export async function sendFirstLetter(endpoints: Endpoints, ca: string, subject: string): Promise<LetterFacts> {
  const account = endpoints.accounts.find(({ address }) => address.startsWith('postmaster@')) ?? endpoints.accounts[0]
  if (!account) throw new LetterError('SMTP', 'there is no account to write to')
  const token = randomUUID()
  const raw = Buffer.from(
    letterText({ from: `Twinpost <${SENDER}>`, to: account.address, subject, token }, LINES),
    'utf8',
  )
  const smtpReply = await step('SMTP', () => submit(endpoints.smtp, ca, account.address, raw))
  const readAgain = () => readImap(endpoints.imaps, ca, account, token, raw)
  const imap = await step('IMAP', readAgain)
  const pop3 = await step('POP3', () => readPop3(endpoints.pop3s, ca, account, raw))
  return { address: account.address, home: account.home, smtpReply, imap, pop3, readAgain }
}

async function step<T>(name: LetterStep, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw new LetterError(name, error)
  }
}

async function submit(smtp: Endpoint, ca: string, to: string, raw: Buffer): Promise<string> {
  const transport = transportTo(smtp, ca)
  try {
    const sent = await transport.sendMail({ envelope: { from: SENDER, to: [to] }, raw })
    return sent.response
  } finally {
    transport.close()
  }
}

async function readImap(
  { host, port }: Endpoint,
  ca: string,
  account: { readonly address: string; readonly password: string },
  token: string,
  raw: Buffer,
): Promise<ImapFacts> {
  const client = new ImapFlow({
    host,
    port,
    secure: true,
    tls: { ca },
    auth: { user: account.address, pass: account.password },
    logger: false,
    connectionTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
  })
  client.on('error', () => {}) // the command that was open rejects with it
  await client.connect()
  try {
    await client.mailboxOpen('INBOX')
    const found = await client.search({ header: { 'message-id': messageIdOf(token) } }, { uid: true })
    const uid = found === false || found === undefined ? undefined : found.at(-1)
    if (uid === undefined) throw new Error('the letter is not in INBOX')
    const message = await client.fetchOne(String(uid), { source: true }, { uid: true })
    if (message === false || !message.source) throw new Error('the letter cannot be fetched')
    mustEndWith(message.source, raw)
    return { uid, bytes: message.source.length }
  } finally {
    await client.logout().catch(() => client.close())
  }
}

async function readPop3(
  { host, port }: Endpoint,
  ca: string,
  account: { readonly address: string; readonly password: string },
  raw: Buffer,
): Promise<LetterFacts['pop3']> {
  const socket = connect({ host, port, ca, timeout: TIMEOUT_MS })
  socket.once('timeout', () => socket.destroy(new Error('timed out')))
  const chunks = socket[Symbol.asyncIterator]()
  let buffered = Buffer.alloc(0)
  /** Bytes up to and with `end`; they begin with +OK or this throws. */
  const answer = async (end: string): Promise<Buffer> => {
    for (;;) {
      const line = buffered.indexOf('\r\n')
      if (line >= 0 && !buffered.subarray(0, line).toString('latin1').startsWith('+OK')) {
        throw new Error(buffered.subarray(0, line).toString('latin1'))
      }
      const at = buffered.indexOf(end)
      if (at >= 0) {
        const found = buffered.subarray(0, at + end.length)
        buffered = buffered.subarray(at + end.length)
        return found
      }
      const { value, done }: IteratorResult<Buffer> = await chunks.next()
      if (done) throw new Error('the connection ended')
      buffered = Buffer.concat([buffered, value])
    }
  }
  const ask = async (command: string, end = '\r\n') => {
    socket.write(`${command}\r\n`)
    return await answer(end)
  }
  try {
    await answer('\r\n')
    await ask(`USER ${account.address}`)
    await ask(`PASS ${account.password}`)
    const number = Number((await ask('STAT')).toString('latin1').split(' ')[1])
    const retrieved = await ask(`RETR ${number}`, '\r\n.\r\n')
    const first = retrieved.indexOf('\r\n') + 2
    const source = retrieved.subarray(first, retrieved.length - 3)
    mustEndWith(source, raw) // the letter has no line that begins with a dot: nothing to undo (RFC 1939 section 3)
    await ask('QUIT')
    return { number, bytes: source.length }
  } finally {
    socket.destroy()
  }
}

function mustEndWith(stored: Uint8Array, sent: Buffer): void {
  const end = Buffer.from(stored).subarray(-sent.length)
  if (!end.equals(sent)) throw new Error('the letter came back with other bytes')
}
