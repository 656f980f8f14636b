import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StoredAccount } from '#lib/ldap/entry.ts'
import { toAccountId, toShardName } from '#lib/mail/types.ts'
import { type AccountWish, columnsOf, csvRow, decide, type Facts, ldifRow, type RowProblem } from './account-rows.ts'

const HASH = '$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
const KEYS = `SCRAM-SHA-256$4096:${'A'.repeat(22)}==$${'A'.repeat(43)}=:${'A'.repeat(43)}=`

function row(columns: string, fields: string) {
  const found = columnsOf(columns.split(','))
  assert.ok('columns' in found, JSON.stringify(found))
  return csvRow(found.columns, fields.split('|'), 7)
}

test('csvRow() makes a wish of a row, with columns by any of their names', () => {
  assert.deepEqual(
    row(
      'E-Mail,display name,Quota,ALIASES,locale,shard,password',
      'Anna@A.example|Anna|2G|b@a.example; a@a.example,b@a.example|zh-CN|n1/0|secret',
    ),
    {
      kind: 'account',
      line: 7,
      wish: {
        address: 'anna@a.example',
        aliases: ['a@a.example', 'b@a.example'],
        displayName: 'Anna',
        quotaBytes: 2 * 1024 ** 3,
        locale: 'zh-CN',
        home: 'n1/0',
        secret: { password: 'secret' },
      },
    },
  )
})

test('csvRow() takes a row that is too short, and stored passwords', () => {
  const short = row('address,name,quota', 'a@a.example')
  assert.ok(short.kind === 'account' && short.wish.secret === null && short.wish.quotaBytes === null)
  const stored = row('address,passwordHash,scramKeys', `a@a.example|${HASH}|${KEYS}`)
  assert.deepEqual(stored.kind === 'account' && stored.wish.secret, { passwordHash: HASH, scramKeys: KEYS })
})

const wrong: [columns: string, fields: string, problem: RowProblem][] = [
  ['address', 'nobody', 'address'],
  ['address', 'a+b@a.example', 'address'],
  ['address,aliases', 'a@a.example|b@a.example nobody', 'alias'],
  ['address,quota', 'a@a.example|much', 'quota'],
  ['address,locale', 'a@a.example|?', 'locale'],
  ['address,shard', 'a@a.example|n1', 'shard'],
  ['address,passwordHash', 'a@a.example|{SSHA}xyz', 'password-form'],
]
for (const [columns, fields, problem] of wrong)
  test(`csvRow() says ${problem} of ${fields}`, () => {
    const found = row(columns, fields)
    assert.equal(found.kind === 'problem' && found.problem, problem)
    assert.equal(found.line, 7)
  })

test('columnsOf() wants an address and names what it does not know', () => {
  assert.deepEqual(columnsOf(['address', 'shoe size']), { unknown: 'shoe size' })
  assert.deepEqual(columnsOf(['name']), { unknown: 'name' })
})

const entry = (attributes: Record<string, string[]>) =>
  ldifRow({ line: 3, dn: 'x', attributes: new Map(Object.entries(attributes)) })

test('ldifRow() reads a person, and passes over what is none', () => {
  const found = entry({
    objectclass: ['inetOrgPerson'],
    cn: ['Anna A'],
    mail: ['anna@a.example', 'second@a.example'],
    maillocaladdress: ['Anna@a.example', 'a@a.example'],
    preferredlanguage: ['de'],
    userpassword: ['in clear'],
  })
  assert.ok(found.kind === 'account')
  assert.deepEqual(found.wish.aliases, ['a@a.example', 'second@a.example'])
  assert.deepEqual([found.wish.displayName, found.wish.locale], ['Anna A', 'de'])
  assert.deepEqual(found.wish.secret, { password: 'in clear' })
  assert.equal(entry({ ou: ['people'] }).kind, 'other')
  assert.equal(entry({ mail: ['all@a.example'], twinpostsenders: ['anyone'] }).kind, 'other')
  const hashed = entry({ mail: ['a@a.example'], userpassword: ['{SSHA}abc'] })
  assert.equal(hashed.kind === 'problem' && hashed.problem, 'password-form')
})

const wish: AccountWish = {
  address: 'anna@a.example',
  aliases: ['a@a.example'],
  displayName: null,
  quotaBytes: null,
  locale: null,
  home: null,
  secret: null,
}
const anna: StoredAccount = {
  id: toAccountId('a'.repeat(16)),
  address: 'anna@a.example',
  aliases: ['a@a.example'],
  displayName: 'Anna',
  home: toShardName('n1/0'),
  generation: 1,
  status: 'active',
  quotaBytes: null,
  locale: 'en',
  entitlements: [],
  lastCommand: '1:1:x',
  deletion: null,
}
const none: Facts = { foreignDomains: [], holder: null, group: false, seen: false }
const decisions: [name: string, wish: AccountWish, facts: Partial<Facts>, want: string][] = [
  ['a new address', wish, {}, 'create'],
  ['one that is there as wished', wish, { holder: anna }, 'unchanged'],
  ['one that an ended run began', wish, { holder: { ...anna, status: 'creating' } }, 'create'],
  ['one that is there with other aliases', { ...wish, aliases: [] }, { holder: anna }, 'differs'],
  ['one that is there on another shard', { ...wish, home: 'n1/1' }, { holder: anna }, 'differs'],
  ['one that is there on the shard', { ...wish, home: 'n1/0' }, { holder: anna }, 'unchanged'],
  ['an address that is another account’s alias', wish, { holder: { ...anna, address: 'b@a.example' } }, 'taken'],
  ['an address of a group', wish, { group: true }, 'taken'],
  ['one that was deleted', wish, { holder: { ...anna, status: 'deleting' } }, 'deleted'],
  ['a foreign domain', wish, { foreignDomains: ['a.example'] }, 'domain'],
  ['a row that is there twice', wish, { seen: true }, 'twice'],
]
for (const [name, wanted, facts, want] of decisions)
  test(`decide() says ${want} of ${name}`, () => {
    const decision = decide(wanted, { ...none, ...facts })
    assert.equal(decision.kind === 'refused' ? decision.problem : decision.kind, want)
  })
