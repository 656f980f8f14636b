/** A Maildir or an mbox file as a source. */
import { createReadStream } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { decodeMutf7 } from '#lib/imap/syntax/mutf7.ts'
import { storableFlags, toCrlf } from './letter-text.ts'
import { flagsOfName, mailboxOfFolder, parseKeywords, timeOfName, uniqueOfName } from './maildir.ts'
import { parseMbox } from './mbox.ts'
import type { MailSource, SourceFolder, SourceLetter } from './source.ts'

/** @throws if it is no Maildir */
export async function openMaildirSource(path: string): Promise<MailSource> {
  const root = resolve(path)
  if (!(await isFolder(join(root, 'cur')))) throw new Error(`${path} is no Maildir: it has no folder cur`)
  return {
    name: `maildir:${root}`,
    async *folders() {
      yield await maildirFolder(root, '')
      const entries = await readdir(root, { withFileTypes: true })
      const names = entries.filter((one) => one.isDirectory() && /^\.[^.]/.test(one.name)).map((one) => one.name)
      for (const name of names.sort())
        if (await isFolder(join(root, name, 'cur'))) yield await maildirFolder(root, name)
    },
    close: async () => {},
  }
}

async function maildirFolder(root: string, name: string): Promise<SourceFolder> {
  const folder = join(root, name)
  const subscriptions = await readFile(join(root, 'subscriptions'), 'utf8').catch(() => '')
  const keywords = parseKeywords(await readFile(join(folder, 'dovecot-keywords'), 'utf8').catch(() => ''))
  return {
    path: mailboxOfFolder(name).map((part) => decodeMutf7(part) ?? part),
    specialUse: null,
    subscribed: name === '' || subscriptions.split(/\s*\n/).includes(name.slice(1)),
    validity: 'maildir', // names of files are never given twice
    async *letters(known): AsyncGenerator<SourceLetter> {
      for (const part of ['cur', 'new']) {
        const names = await readdir(join(folder, part)).catch(() => [])
        for (const file of names.filter((one) => !one.startsWith('.')).sort()) {
          const id = encodeURIComponent(uniqueOfName(file))
          if (known.has(id)) continue
          const path = join(folder, part, file)
          const [bytes, facts] = await Promise.all([readFile(path), stat(path)])
          const seconds = timeOfName(file) ?? facts.mtimeMs / 1000
          const flags = storableFlags(flagsOfName(file, keywords))
          yield { id, bytes: toCrlf(bytes), flags, date: new Date(Math.floor(seconds) * 1000) }
        }
      }
    },
  }
}

/** One file is one mailbox: called as the file, without its end; `INBOX`, `mbox` and `inbox` are the inbox. */
export async function openMboxSource(path: string): Promise<MailSource> {
  const file = resolve(path)
  const facts = await stat(file)
  if (facts.isDirectory()) {
    const files = (await readdir(file)).filter((name) => /\.mbox$/i.test(name)).sort()
    return {
      name: `mbox:${file}`,
      async *folders() {
        for (const name of files) yield mboxFolder(join(file, name))
      },
      close: async () => {},
    }
  }
  return {
    name: `mbox:${file}`,
    async *folders() {
      yield mboxFolder(file)
    },
    close: async () => {},
  }
}

function mboxFolder(file: string): SourceFolder {
  const name = decodeName(basename(file).replace(/\.mbox$/i, ''))
  return {
    path: /^(?:inbox|mbox)$/i.test(name) ? ['INBOX'] : name.split('/'),
    specialUse: null,
    subscribed: true,
    validity: 'mbox',
    async *letters(known): AsyncGenerator<SourceLetter> {
      for await (const letter of parseMbox(createReadStream(file))) {
        const id = String(letter.offset)
        if (!known.has(id)) yield { ...letter, id, flags: storableFlags(letter.flags) }
      }
    },
  }
}

/** As `mail export` writes names: what a file cannot be called is a hex pair behind a percent sign. */
function decodeName(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (facts) => facts.isDirectory(),
    () => false,
  )
}
