import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StoredGroup } from '#lib/ldap/entry.ts'
import { decideGroup, type GroupFacts, type GroupWish, groupColumns, groupRow } from './group-rows.ts'

function row(columns: string, fields: string) {
  const found = groupColumns(columns.split(','))
  assert.ok('columns' in found, JSON.stringify(found))
  return groupRow(found.columns, fields.split('|'), 3)
}

test('groupRow() makes a wish of a row', () => {
  assert.deepEqual(
    row('Address,members,aliases,name,senders', 'All@a.example|b@a.example, A@a.example; b@a.example||Alle|anyone'),
    {
      kind: 'group',
      line: 3,
      wish: {
        address: 'all@a.example',
        aliases: [],
        displayName: 'Alle',
        senders: 'anyone',
        members: ['a@a.example', 'b@a.example'],
      },
    },
  )
  const short = row('address,members', 'all@a.example')
  assert.ok(short.kind === 'group' && short.wish.senders === 'internal')
})

for (const [columns, fields, problem] of [
  ['address', 'nobody', 'address'],
  ['address,members', 'a@a.example|b@a.example nobody', 'member'],
  ['address,aliases', 'a@a.example|nobody', 'alias'],
  ['address,senders', 'a@a.example|moderated', 'senders'],
  ['address,members', `a@a.example|${Array.from({ length: 501 }, (_, i) => `u${i}@a.example`).join(' ')}`, 'too-many'],
] as const)
  test(`groupRow() says ${problem} of ${fields.slice(0, 40)}`, () => {
    const found = row(columns, fields)
    assert.equal(found.kind === 'problem' && found.problem, problem)
  })

test('groupColumns() names what it does not know', () => {
  assert.deepEqual(groupColumns(['address', 'owner']), { unknown: 'owner' })
  assert.deepEqual(groupColumns(['members']), { unknown: 'members' })
})

const wish: GroupWish = {
  address: 'all@a.example',
  aliases: [],
  displayName: null,
  senders: 'internal',
  members: ['a@a.example', 'b@a.example'],
}
const group: StoredGroup = { ...wish, displayName: 'All', lastCommand: '1:1:x' }
const none: GroupFacts = { foreignDomains: [], group: null, taken: false, seen: false }
const decisions: [name: string, facts: Partial<GroupFacts>, want: object][] = [
  ['a new one', {}, { kind: 'create' }],
  ['one that is there', { group }, { kind: 'unchanged' }],
  [
    'one to which not all have come',
    { group: { ...group, members: ['b@a.example'] } },
    { kind: 'join', members: ['a@a.example'] },
  ],
  [
    'one with somebody else in it',
    { group: { ...group, members: ['c@a.example'] } },
    { kind: 'refused', problem: 'differs' },
  ],
  ['one with other senders', { group: { ...group, senders: 'anyone' } }, { kind: 'refused', problem: 'differs' }],
  ['an address that an account has', { taken: true }, { kind: 'refused', problem: 'taken' }],
  ['a foreign domain', { foreignDomains: ['x'] }, { kind: 'refused', problem: 'domain' }],
  ['a row that is there twice', { seen: true }, { kind: 'refused', problem: 'twice' }],
]
for (const [name, facts, want] of decisions)
  test(`decideGroup() of ${name}`, () => assert.deepEqual(decideGroup(wish, { ...none, ...facts }), want))
