/**
 * Copies everything of a source into an account, folder by folder, in batches that are stored as a whole or not at all. Can be
 * ended at any time and started again: what was stored is not stored twice, what was in doubt is looked for first.
 */
import { createHash } from 'node:crypto'
import type { Batch, FolderState, Journal } from './journal.ts'
import { type MailboxClient, type MailboxName, MailboxRefusal } from './mailbox-client.ts'
import type { MailSource, SourceFolder, SourceLetter } from './source.ts'

/** A batch is one group commit of the shard; more letters at once are no faster, and larger ones cost memory on both sides. */
const BATCH_BYTES = 1024 * 1024
const BATCH_LETTERS = 50

export interface ImportCounts {
  folders: number
  letters: number
  bytes: number
  /** Stored by an earlier run. */
  skipped: number
  refused: number
}

export interface ImportEvents {
  /** A letter that the account does not take: too large, malformed. */
  readonly refused: (folder: string, id: string, why: string) => void
  /** Ids of this folder mean other letters than in an earlier run: it is left out. */
  readonly changed: (folder: string) => void
  readonly progress: (counts: ImportCounts) => void
}

export type ImportTarget = Pick<MailboxClient, 'mailboxes' | 'create' | 'subscribe' | 'uidNext' | 'append' | 'read'>

export async function importMail(
  source: MailSource,
  target: ImportTarget,
  journal: Journal,
  events: ImportEvents,
): Promise<ImportCounts> {
  const counts: ImportCounts = { folders: 0, letters: 0, bytes: 0, skipped: 0, refused: 0 }
  const mailboxes = await target.mailboxes()
  for await (const folder of source.folders()) {
    const name = targetName(folder, mailboxes)
    const key = folder.path.join('/')
    const state = journal.folder(key, folder.validity)
    if (state === null) {
      events.changed(key)
      continue
    }
    if (!mailboxes.some((mailbox) => mailbox.name === name)) {
      await make(target, name)
      mailboxes.push({ name, specialUse: null, selectable: true })
      if (folder.subscribed) await target.subscribe(name)
    }
    counts.folders++
    if (state.doubt) await settle(target, name, state, state.doubt, journal)
    counts.skipped += state.known.size
    await copyFolder(folder, name, target, state, journal, counts, events)
    events.progress(counts)
  }
  return counts
}

/** A mailbox below it may have made it (RFC 9051 section 6.3.4), or the user. */
async function make(target: ImportTarget, name: string): Promise<void> {
  try {
    await target.create(name)
  } catch (error) {
    if (!(error instanceof MailboxRefusal && error.code === 'ALREADYEXISTS')) throw error
  }
}

async function copyFolder(
  folder: SourceFolder,
  name: string,
  target: ImportTarget,
  state: FolderState,
  journal: Journal,
  counts: ImportCounts,
  events: ImportEvents,
): Promise<void> {
  let batch: SourceLetter[] = []
  let bytes = 0
  const send = async () => {
    if (batch.length > 0) await store(batch)
    batch = []
    bytes = 0
    events.progress(counts)
  }
  const store = async (letters: readonly SourceLetter[]): Promise<void> => {
    const items = letters.map(({ id, bytes: text }) => ({ id, sha256: sha256(text) }))
    journal.sending(state, { uidNext: await target.uidNext(name), items })
    try {
      await target.append(name, letters)
    } catch (error) {
      if (!(error instanceof MailboxRefusal)) throw error
      journal.undone(state)
      if (error.code === 'OVERQUOTA' || error.code === 'LIMIT' || error.code === 'UNAVAILABLE') throw error
      const [only] = letters
      if (letters.length > 1 || !only) {
        for (const letter of letters) await store([letter]) // one of them spoils the batch
        return
      }
      journal.refused(state, only.id)
      counts.refused++
      events.refused(name, only.id, error.message)
      return
    }
    journal.done(state)
    counts.letters += letters.length
    counts.bytes += letters.reduce((sum, letter) => sum + letter.bytes.length, 0)
  }
  // As it is now: what is stored meanwhile is known, and would be left out of what the source has still to give.
  for await (const letter of folder.letters(new Set(state.known))) {
    if (batch.length > 0 && bytes + letter.bytes.length > BATCH_BYTES) await send()
    batch.push(letter)
    bytes += letter.bytes.length
    if (batch.length >= BATCH_LETTERS) await send()
  }
  await send()
}

/** Looks for a batch that was sent when the last run ended: it is there as a whole, or not. */
async function settle(
  target: ImportTarget,
  name: string,
  state: FolderState,
  batch: Batch,
  journal: Journal,
): Promise<void> {
  const wanted = new Set(batch.items.map(({ sha256: hash }) => hash))
  if ((await target.uidNext(name)) > batch.uidNext) {
    await target.read(name, `${batch.uidNext}:*`, async (letter) => {
      if (letter.uid >= batch.uidNext) wanted.delete(sha256(letter.bytes))
    })
  }
  if (wanted.size === 0) journal.done(state)
  else journal.undone(state)
}

/** Special mailboxes by what they are for, others by name. */
export function targetName(
  folder: Pick<SourceFolder, 'path' | 'specialUse'>,
  mailboxes: readonly MailboxName[],
): string {
  if (folder.path.length === 1 && folder.path[0]?.toUpperCase() === 'INBOX') return 'INBOX'
  const use = folder.specialUse?.toLowerCase()
  const special = use && mailboxes.find((mailbox) => mailbox.specialUse?.toLowerCase() === use)
  if (special) return special.name
  // A level of its own is what `/` means here, whatever the source uses.
  return folder.path.map((part) => part.replaceAll('/', '_')).join('/')
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
