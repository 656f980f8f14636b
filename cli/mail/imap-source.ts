/** Another IMAP server as a source, through imapflow: it knows how odd servers are. Read-only: nothing there is marked as seen. */
import { ImapFlow, type ListResponse } from 'imapflow'
import { storableFlags, toCrlf } from './letter-text.ts'
import type { MailSource, SourceFolder, SourceLetter } from './source.ts'

/** UIDs asked for at once: a page of replies, of which one letter at a time is in memory. */
const UIDS_AT_ONCE = 200
/** Views of letters that are in other folders too (RFC 6154, and what one large provider calls important). */
const VIEWS = /^\\(?:All|Flagged|Important)$/i

export interface ImapAccess {
  readonly host: string
  readonly port: number
  /** TLS from the first byte; else STARTTLS is demanded. */
  readonly secure: boolean
  readonly user: string
  readonly password: string
}

/** `imaps://user@host[:port]`, `imap://` for STARTTLS. @returns null for what is none */
export function parseImapUrl(text: string, password: string): ImapAccess | null {
  const url = URL.canParse(text) ? new URL(text) : null
  if (!url || !/^imaps?:$/.test(url.protocol) || url.username === '' || url.hostname === '') return null
  const secure = url.protocol === 'imaps:'
  return {
    host: url.hostname,
    port: Number(url.port || (secure ? 993 : 143)),
    secure,
    user: decodeURIComponent(url.username),
    password: url.password === '' ? password : decodeURIComponent(url.password),
  }
}

export async function openImapSource(access: ImapAccess): Promise<MailSource> {
  const { host, port, secure, user, password } = access
  const client = new ImapFlow({
    host,
    port,
    secure,
    ...(secure ? {} : { doSTARTTLS: true }),
    auth: { user, pass: password },
    logger: false,
    disableAutoIdle: true,
  })
  client.on('error', () => {}) // the command in flight rejects and says why
  await client.connect()
  return {
    name: `${secure ? 'imaps' : 'imap'}://${encodeURIComponent(user)}@${host}:${port}`,
    async *folders() {
      for (const found of await client.list()) {
        if (found.flags.has('\\Noselect') || found.flags.has('\\NonExistent')) continue
        if (VIEWS.test(found.specialUse ?? '')) continue
        yield await folderOf(client, found)
      }
    },
    close: () => client.logout().catch(() => client.close()),
  }
}

async function folderOf(client: ImapFlow, found: ListResponse): Promise<SourceFolder> {
  const status = await client.status(found.path, { uidValidity: true })
  return {
    path: /^inbox$/i.test(found.path) ? ['INBOX'] : found.path.split(found.delimiter || '/'),
    specialUse: found.specialUse ?? null,
    subscribed: found.subscribed,
    validity: String((status && status.uidValidity) || 'none'),
    async *letters(known): AsyncGenerator<SourceLetter> {
      const lock = await client.getMailboxLock(found.path, { readOnly: true })
      try {
        const all = (await client.search({ all: true }, { uid: true })) || []
        const missing = all.filter((uid) => !known.has(String(uid))).sort((a, b) => a - b)
        for (let at = 0; at < missing.length; at += UIDS_AT_ONCE) {
          const range = missing.slice(at, at + UIDS_AT_ONCE).join(',')
          const wanted = { uid: true, flags: true, internalDate: true, source: true }
          for await (const message of client.fetch(range, wanted, { uid: true })) {
            if (!message.source) continue // expunged meanwhile
            yield {
              id: String(message.uid),
              bytes: toCrlf(message.source),
              flags: storableFlags(message.flags ?? []),
              date: new Date(message.internalDate ?? 0),
            }
          }
        }
      } finally {
        lock.release()
      }
    },
  }
}
