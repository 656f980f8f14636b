/** imapflow, set up as a careful user's client: TLS verified against the array's CA, nothing hidden. */
import { ImapFlow } from 'imapflow'
import type { DemoAccount, Endpoint } from './array.ts'

/** What a client has to know of an array, wherever it runs. */
export interface MailAccess {
  /** PEM. */
  readonly ca: string
  readonly endpoints: { readonly imaps: Endpoint; readonly smtp: Endpoint; readonly lmtp: Endpoint }
  account(name: string): DemoAccount
}

export async function imapLogin(
  array: MailAccess,
  account: DemoAccount,
  { host, port }: Endpoint = array.endpoints.imaps,
): Promise<ImapFlow> {
  const client = new ImapFlow({
    host,
    port,
    secure: true,
    // The certificate names the Service's address, not that of each pod.
    tls: { ca: array.ca, ...(host === array.endpoints.imaps.host ? {} : { servername: 'localhost' }) },
    auth: { user: account.address, pass: account.password },
    logger: false,
  })
  client.on('error', () => {}) // connections are cut on purpose in some specs; the command in flight rejects
  await client.connect()
  return client
}

/** UID and exact bytes of every message of a mailbox. */
export async function allMessages(
  array: MailAccess,
  account: DemoAccount,
  mailbox = 'INBOX',
): Promise<Map<number, Buffer>> {
  const client = await imapLogin(array, account)
  const messages = new Map<number, Buffer>()
  const lock = await client.getMailboxLock(mailbox, { readOnly: true })
  try {
    if (client.mailbox && client.mailbox.exists > 0) {
      for await (const message of client.fetch('1:*', { uid: true, source: true })) {
        if (message.source) messages.set(message.uid, message.source)
      }
    }
  } finally {
    lock.release()
  }
  await client.logout()
  return messages
}

/**
 * Cuts our header block off a stored letter.
 * @returns What follows the block, or null if `stored` does not end with `sent` behind whole header lines of ours.
 */
export function withoutHeaderBlock(stored: Buffer, sent: Buffer): { block: string; body: Buffer } | null {
  const cut = stored.length - sent.length
  if (cut < 0 || !stored.subarray(cut).equals(sent)) return null
  const block = stored.subarray(0, cut).toString('latin1')
  return block === '' || (block.startsWith('Return-Path:') && block.endsWith('\r\n') && !block.includes('\r\n\r\n'))
    ? { block, body: stored.subarray(cut) }
    : null
}
