/**
 * The mail of one account out of a backup: its shard's log is restored into a folder that is thrown away, an index is built from it, and
 * its mailboxes are read one after the other. Nothing of the running array is touched.
 */

import { flagNames } from '#lib/mail/flags.ts'
import type { AccountId, Uid } from '#lib/mail/types.ts'
import { toUid } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Disk } from '#lib/ports/disk.ts'
import type { Random } from '#lib/ports/random.ts'
import { openIndex } from '../index/mod.ts'
import type { MailboxRow, ShardIndex } from '../index/port.ts'
import { Log } from '../log/log.ts'
import { BodyCache } from '../mailbox/body-cache.ts'
import { messageBytes } from '../mailbox/message-bytes.ts'
import { BackupError } from './errors.ts'
import { type BackupSource, restoreLog } from './restore.ts'

/** Letters are read once: what is kept serves only a body that several copies share. */
const BODY_CACHE_BYTES = 8 * 1024 * 1024

export interface ExtractedMailbox {
  readonly name: string
  /** As `\Sent`; null: none. */
  readonly specialUse: string | null
  readonly subscribed: boolean
  readonly uidValidity: number
}

export interface ExtractedLetter {
  readonly uid: Uid
  /** As IMAP writes them. */
  readonly flags: readonly string[]
  readonly internalDateMs: number
  readonly sizeBytes: number
}

export interface ExtractOptions {
  readonly source: BackupSource
  readonly untilMs: number | null
  readonly account: AccountId
  /** A folder of its own, empty; the caller removes it. `rootPath` is the disk's root. */
  readonly place: { readonly disk: Disk; readonly folder: string; readonly rootPath: string }
  readonly clock: Clock
  readonly random: Random
  readonly onMailbox: (mailbox: ExtractedMailbox) => Promise<void>
  /** @param bytes As IMAP would serve them, header block and all */
  readonly onLetter: (letter: ExtractedLetter, bytes: Uint8Array) => Promise<void>
}

/** @throws {BackupError} as `replay`; BACKUP_MISSING: the account was not in this shard then */
export async function extractAccount(options: ExtractOptions): Promise<void> {
  const { source, untilMs, account, place, clock, random, onMailbox } = options
  const { disk, folder } = place
  const log = await Log.open({ disk, directory: `${folder}/log`, shard: source.shard, clock, random, epoch: 'seen' })
  try {
    await restoreLog(source, untilMs, log)
    const { index } = await openIndex({ log, place: { ...place, folder: `${folder}/index` } })
    try {
      const row = index.account(account)
      if (row === null) {
        throw new BackupError(
          'BACKUP_MISSING',
          `The backup of ${source.shard} holds no account ${account} at that time`,
        )
      }
      const subscribed = new Set(index.subscriptions(row.key))
      const bodies = new BodyCache(log, BODY_CACHE_BYTES)
      for (const mailbox of index.mailboxes(row.key)) {
        const { name, specialUse, uidValidity } = mailbox
        await onMailbox({
          name,
          specialUse: specialUse && `\\${specialUse}`,
          uidValidity,
          subscribed: subscribed.has(name),
        })
        await readLetters(index, mailbox, bodies, options.onLetter)
      }
    } finally {
      index.close()
    }
  } finally {
    await log.close()
  }
}

async function readLetters(
  index: ShardIndex,
  mailbox: MailboxRow,
  bodies: BodyCache,
  onLetter: ExtractOptions['onLetter'],
): Promise<void> {
  for (const uid of index.uids(mailbox.key)) {
    const [row] = index.messagesBetween(mailbox.key, toUid(uid), toUid(uid))
    const source = index.source(mailbox.key, toUid(uid))
    if (row === undefined || source === null) continue
    const { flags, internalDateMs, sizeBytes } = row
    const bytes = await messageBytes(bodies, source).read(0, sizeBytes)
    await onLetter({ uid: toUid(uid), flags: flagNames(flags), internalDateMs, sizeBytes: bytes.length }, bytes)
  }
}
