/**
 * Finds letters of an account by their Message-ID, or by the id that servers of ours gave them, and tells what was put into their header
 * blocks when they came: why they are where they are. Looks at the newest letters of each mailbox, and says if it did not see all.
 */

import type { ExplainReport } from '#lib/frames/explain.ts'
import { QUARANTINE } from '#lib/frames/quarantine.ts'
import { type AccountId, toUid } from '#lib/mail/types.ts'
import { Headers } from '#lib/mime/mod.ts'
import type { MessageSource } from '../index/port.ts'
import { messageBytes } from '../mailbox/message-bytes.ts'
import type { StoreCore } from '../mailbox/store-core.ts'
import { QUARANTINE_ACCOUNT } from './quarantine.ts'

/** Letters of one account that one question looks at: each may cost a read from the disk. */
const LOOKED_AT_MAX = 3_000
/** Where a Message-ID is looked for: beyond that it is no header that people send. */
const HEADER_BYTES = 32 * 1024
const FOUND_MAX = 20

/** @throws {StoreError} STORE_UNKNOWN_ACCOUNT, STORE_MOVED */
export async function explain(core: StoreCore, account: AccountId | null, name: string): Promise<ExplainReport> {
  const letters: ExplainReport['letters'] = []
  let lookedAt = 0
  core.check()
  const nothingHeld = account === null && core.accounts.get(QUARANTINE_ACCOUNT) === null
  const mailboxes = nothingHeld ? [] : [...core.account(account ?? QUARANTINE_ACCOUNT).all()]
  for (const { row } of mailboxes) {
    for (const number of core.index.uids(row.key).toReversed()) {
      if (lookedAt >= LOOKED_AT_MAX || letters.length >= FOUND_MAX) return { letters, lookedAt, all: false }
      const uid = toUid(number)
      const source = core.index.source(row.key, uid)
      const message = core.index.message(row.key, uid)
      if (source === null || message === null) continue // expunged meanwhile
      lookedAt++
      if (!(await isCalled(core, source, name))) continue
      const block = new Headers(source.headerBlock)
      letters.push({
        mailbox: account === null ? QUARANTINE : row.name,
        uid,
        receivedMs: message.internalDateMs,
        fields: block.fields.map((field) => ({ name: field.name, value: block.value(field).replace(/\s+/g, ' ') })),
      })
    }
  }
  return { letters, lookedAt, all: true }
}

async function isCalled(core: StoreCore, source: MessageSource, name: string): Promise<boolean> {
  const received = new Headers(source.headerBlock).first('Received') ?? ''
  if (/ id ([A-Za-z0-9]+)[ ;]/.exec(received)?.[1] === name) return true
  const start = source.headerBlock.byteLength
  const header = new Headers(await messageBytes(core.bodies, source).read(start, HEADER_BYTES))
  return header.all('Message-ID').some((value) => value === `<${name}>`)
}
