import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyNews, type News } from './news.ts'

const account = 'annaaaaaaaaaaaaa'
const addresses = ['anna@example.test', 'a.miller@example.test']

const cases: [name: string, news: News, forgotten: (string | null)[], ended: boolean][] = [
  [
    'drops an account and its addresses when it has moved',
    { type: 'route.changed', payload: { account, addresses } },
    [account, ...addresses],
    false,
  ],
  [
    'drops and goes on when the quota changed',
    { type: 'account.changed', payload: { account, addresses, change: 'quota' } },
    [account, ...addresses],
    false,
  ],
  [
    'ends sessions when the password changed',
    { type: 'account.changed', payload: { account, addresses, change: 'password' } },
    [account, ...addresses],
    true,
  ],
  [
    'ends sessions when the account was suspended',
    { type: 'account.changed', payload: { account, addresses: [], change: 'suspended' } },
    [account],
    true,
  ],
  ['drops everything when a domain changed', { type: 'domain.changed' }, [null], false],
]
for (const [name, news, forgotten, ended] of cases) {
  test(`applyNews() ${name}`, () => {
    const seen: (string | null)[] = []
    const endedAccounts: string[] = []
    applyNews(news, {
      directory: { forget: (what) => seen.push(what) },
      endSessions: (which) => endedAccounts.push(which),
    })
    assert.deepEqual(seen, forgotten)
    assert.deepEqual(endedAccounts, ended ? [account] : [])
  })
}
