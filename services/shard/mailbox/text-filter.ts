/** The text index towards a session: which letters of one mailbox a search can leave out. */
import type { TextFilter, TextWish, UidRange } from '#lib/imap/store.ts'
import { rangesOf } from '#lib/imap/syntax/ranges.ts'
import { type AccountId, toLsn } from '#lib/mail/types.ts'
import type { RowKey } from '../index/port.ts'
import type { StoreCore } from './store-core.ts'

/** Candidates that are looked for one by one; with more of them it is as fast to go through all messages. */
const FEW = 1000
/** UIDs in one look for them: some ms of the event loop. */
const UIDS_AT_ONCE = 16_384
const UID_MAX = 0xffff_ffff

/** Null: there is no text index, or it cannot answer. */
export async function textFilter(
  core: Pick<StoreCore, 'text' | 'index'>,
  account: AccountId,
  mailbox: RowKey,
  wishes: readonly TextWish[],
): Promise<TextFilter | null> {
  const answer = (await core.text?.ask(account, wishes)) ?? null
  if (answer === null) return null
  // In one mailbox UIDs grow with the LSN: what came after the last letter that was asked was not asked.
  const asked = core.index.lastUidUpTo(mailbox, toLsn(answer.appliedLsn))
  const candidates = new Map<TextWish, ReadonlySet<string> | null>()
  const within = new Map<TextWish, readonly UidRange[]>()
  for (const [i, wish] of wishes.entries()) {
    const found = answer.candidates[i] ?? null
    candidates.set(wish, found === null ? null : new Set(found))
    if (found === null || found.length > FEW) continue
    const known = found.length === 0 ? [] : await uidsOf(core, mailbox, found, asked)
    within.set(wish, [...rangesOf(known), { from: asked + 1, to: UID_MAX }])
  }
  return {
    within,
    mayHave(wish, { uid, emailId }) {
      if (uid > asked) return true
      const found = candidates.get(wish) ?? null
      return found === null || found.has(emailId)
    },
  }
}

/** UIDs up to `upTo` of letters with these EMAILIDs, ascending; also of expunged ones, which sessions may still show. */
async function uidsOf(
  { index }: Pick<StoreCore, 'index'>,
  mailbox: RowKey,
  emailIds: readonly string[],
  upTo: number,
): Promise<number[]> {
  const uids: number[] = []
  for (let from = 1; from <= upTo; from += UIDS_AT_ONCE) {
    if (from > 1) await new Promise((resolve) => setImmediate(resolve))
    uids.push(...index.uidsWithEmailIds(mailbox, emailIds, from, Math.min(upTo, from + UIDS_AT_ONCE - 1)))
  }
  return uids
}
