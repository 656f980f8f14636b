/** The text index towards a session: which letters of one mailbox a search can leave out. */
import type { TextFilter, TextWish } from '#lib/imap/store.ts'
import { type AccountId, toLsn } from '#lib/mail/types.ts'
import type { RowKey } from '../index/port.ts'
import type { StoreCore } from './store-core.ts'

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
  for (const [i, wish] of wishes.entries()) {
    const found = answer.candidates[i] ?? null
    candidates.set(wish, found === null ? null : new Set(found))
  }
  return {
    mayHave(wish, { uid, emailId }) {
      if (uid > asked) return true
      const found = candidates.get(wish) ?? null
      return found === null || found.has(emailId)
    },
  }
}
