/**
 * What events mean to an edge: drop what is cached about the account, and end the sessions of one that may not go on.
 * Without NATS nothing of this is needed for right answers: caches age, and the shard has the last word.
 */
import type { Directory } from '#lib/directory/port.ts'
import { listenEvents } from '#lib/events/listener.ts'
import type { NatsLink } from '#lib/events/nats.ts'
import type { AccountId } from '#lib/mail/types.ts'
import { toAccountId } from '#lib/mail/types.ts'

/** The part of an event that matters here. */
export type News =
  | {
      readonly type: 'account.changed'
      readonly payload: { readonly account: string; readonly addresses: readonly string[]; readonly change: string }
    }
  | {
      readonly type: 'route.changed'
      readonly payload: { readonly account: string; readonly addresses: readonly string[] }
    }
  | { readonly type: 'domain.changed' }
  | { readonly type: 'group.changed'; readonly payload: { readonly addresses: readonly string[] } }

/** Changes after which nobody may stay logged in (rules.md, "Who may say what"), with what the user is told. */
const ENDING: ReadonlyMap<string, string> = new Map([
  ['password', 'The password was changed, please log in again'],
  ['suspended', 'This account is suspended'],
  ['deleted', 'This account is gone'],
])

export interface NewsReader {
  readonly directory: Pick<Directory, 'forget'>
  readonly endSessions: (account: AccountId, text: string) => void
}

export function applyNews(news: News, { directory, endSessions }: NewsReader): void {
  switch (news.type) {
    case 'domain.changed':
      directory.forget(null) // rare, and touches any number of addresses
      return
    case 'group.changed':
      for (const address of news.payload.addresses) directory.forget(address)
      return
    case 'account.changed':
    case 'route.changed': {
      const account = toAccountId(news.payload.account)
      for (const known of [account, ...news.payload.addresses]) directory.forget(known)
      const text = news.type === 'account.changed' ? ENDING.get(news.payload.change) : undefined
      if (text !== undefined) endSessions(account, text)
      return
    }
    default:
      news satisfies never
  }
}

export function followNews(link: NatsLink, reader: NewsReader): void {
  listenEvents(
    link,
    ['account.changed', 'route.changed', 'domain.changed', 'group.changed'],
    (event) => applyNews(event, reader),
    () => reader.directory.forget(null),
  )
}
