/** Writes everything of an account into files: a Maildir, a folder of mbox files, or one zip. Memory is one letter. */
import { createWriteStream } from 'node:fs'
import { appendFile, mkdir, rename, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ZipWriter } from '#lib/bytes/zip-writer.ts'
import { encodeMutf7 } from '#lib/imap/syntax/mutf7.ts'
import { toLf } from './letter-text.ts'
import type { MailboxClient, StoredLetter } from './mailbox-client.ts'
import { folderOfMailbox, infoOfFlags, keywordsText } from './maildir.ts'
import { mboxEntry } from './mbox.ts'

export const EXPORT_FORMATS = ['maildir', 'mbox', 'zip'] as const
export type ExportFormat = (typeof EXPORT_FORMATS)[number]

export interface ExportCounts {
  folders: number
  letters: number
  bytes: number
}

interface Sink {
  begin(mailbox: string): Promise<void>
  letter(letter: StoredLetter): Promise<void>
  /** The mailbox is complete. */
  finish(): Promise<void>
  /** Everything is. */
  end(): Promise<void>
}

/** @param to A path at which nothing is yet. */
export async function exportMail(
  account: Pick<MailboxClient, 'mailboxes' | 'read'>,
  format: ExportFormat,
  to: string,
): Promise<ExportCounts> {
  const counts: ExportCounts = { folders: 0, letters: 0, bytes: 0 }
  const sink = await SINKS[format](to)
  for (const { name, selectable } of await account.mailboxes()) {
    if (!selectable) continue
    await sink.begin(name)
    await account.read(name, '1:*', async (letter) => {
      await sink.letter(letter)
      counts.letters++
      counts.bytes += letter.bytes.length
    })
    await sink.finish()
    counts.folders++
  }
  await sink.end()
  return counts
}

const SINKS: Readonly<Record<ExportFormat, (to: string) => Promise<Sink>>> = {
  async maildir(root) {
    await makeMaildir(root)
    let folder = root
    let keywords: string[] = []
    return {
      async begin(mailbox) {
        const parts = mailbox.split('/').map((part) => encodeMutf7(part))
        folder = join(root, folderOfMailbox(parts))
        keywords = []
        if (folder !== root) await makeMaildir(folder)
      },
      async letter({ uid, bytes, flags, date }) {
        const text = toLf(bytes)
        const seconds = Math.floor(date.getTime() / 1000)
        const name = `${seconds}.U${uid}.twinpost,S=${text.length}${infoOfFlags(flags, keywords)}`
        const draft = join(folder, 'tmp', `U${uid}`)
        await writeFile(draft, text)
        await utimes(draft, date, date)
        await rename(draft, join(folder, 'cur', name))
      },
      async finish() {
        if (keywords.length > 0) await writeFile(join(folder, 'dovecot-keywords'), keywordsText(keywords))
      },
      end: async () => {},
    }
  },
  async mbox(root) {
    await mkdir(root)
    let file = root
    return {
      async begin(mailbox) {
        file = join(root, `${encodeName(mailbox)}.mbox`)
        await writeFile(file, '', { flag: 'wx' })
      },
      letter: async (letter) => await appendFile(file, mboxEntry(letter)),
      finish: async () => {},
      end: async () => {},
    }
  },
  async zip(path) {
    const out = createWriteStream(path, { flags: 'wx' })
    const write = (bytes: Buffer) =>
      new Promise<void>((resolve, reject) => out.write(bytes, (error) => (error ? reject(error) : resolve())))
    const zip = new ZipWriter()
    const index: string[] = []
    let folder = ''
    return {
      async begin(mailbox) {
        folder = mailbox.split('/').map(encodeName).join('/')
      },
      async letter({ uid, bytes, flags, date }) {
        const name = `${folder}/${String(uid).padStart(8, '0')}.eml`
        await write(zip.add(name, bytes, date))
        index.push(`${JSON.stringify({ file: name, uid, flags, date: date.toISOString() })}\n`)
      },
      finish: async () => {},
      async end() {
        await write(zip.add('index.jsonl', Buffer.from(index.join('')), new Date(0)))
        await write(zip.end())
        await new Promise<void>((resolve, reject) =>
          out.end((error?: Error | null) => (error ? reject(error) : resolve())),
        )
      },
    }
  },
}

async function makeMaildir(path: string): Promise<void> {
  await mkdir(path)
  for (const part of ['cur', 'new', 'tmp']) await mkdir(join(path, part))
}

/** A name of a mailbox as a name of a file: read back by decodeURIComponent. */
function encodeName(name: string): string {
  const safe = name.replace(
    /[%/\\:*?"<>|\0-\x1f\x7f]/g,
    (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
  return safe === '.' || safe === '..' ? safe.replaceAll('.', '%2e') : safe
}
