/** RFC 4314 section 4, whole: what each command needs, held against every set of rights that a guest can have. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Flag, flagsFromNames, NO_FLAGS } from '#lib/mail/flags.ts'
import { toUid } from '#lib/mail/types.ts'
import type { ImapAccount, OpenMailbox } from '../store.ts'
import { MemoryAccount } from '../testing/memory-account.ts'
import { TEST_NOW_MS } from '../testing/memory-host.ts'
import { MemoryNeighbours } from '../testing/memory-neighbours.ts'
import { ALL_RIGHTS, allowedFlags, parseRights, shownRights, unionRights, withoutRights } from './rights.ts'
import { SharedView } from './shared-view.ts'

const BOX = '#user/anna@example.test/Box'
const SHELF = '#user/anna@example.test/Shelf'
const UID = toUid(1)
const options = { nowMs: () => TEST_NOW_MS }
const letter = (flags = NO_FLAGS) => ({ flags, internalDateMs: null, body: [Buffer.from('a: b\r\n\r\n')] })

/** Bob, with whom Anna shares a mailbox that has one letter, which is marked as deleted, and an empty one. */
async function guest(rights: string): Promise<{ anna: MemoryAccount; view: ImapAccount }> {
  const [anna, bob] = [new MemoryAccount(options), new MemoryAccount({ ...options, number: 1 })]
  const neighbours = new MemoryNeighbours()
  await anna.setAddresses(['anna@example.test'])
  for (const account of [anna, bob]) neighbours.add(account)
  const { id } = await anna.create('Box', null)
  await anna.append({ mailbox: 'Box', ...letter({ system: Flag.deleted, keywords: [] }) })
  const shelf = await anna.create('Shelf', null)
  for (const box of rights === '' ? [] : [id, shelf.id]) await anna.setGrant(box, 'bob@example.test', rights)
  await bob.append({ mailbox: 'INBOX', ...letter() })
  const identity = { address: 'bob@example.test', addresses: ['bob@example.test'] }
  return { anna, view: new SharedView(bob, identity, neighbours) }
}

async function open(view: ImapAccount, name: string): Promise<OpenMailbox> {
  const info = view.find(name)
  assert.ok(info !== null)
  return view.open(info.id, false, () => undefined)
}

async function store(view: ImapAccount, name: string): Promise<unknown> {
  const flags = flagsFromNames([name]) ?? assert.fail()
  return (await open(view, BOX)).store({ uids: [UID], change: 'add', flags })
}

/** `needs`: each of these words is enough, if all its letters are there. */
const operations: [name: string, needs: string[], act: (view: ImapAccount) => Promise<unknown>][] = [
  ['SELECT', ['r'], (view) => open(view, BOX)],
  ['STATUS', ['r'], async (view) => view.status(view.find(BOX)?.id ?? assert.fail())],
  ['APPEND', ['i'], (view) => view.appendAll(BOX, [letter()])],
  ['COPY into it', ['i'], async (view) => (await open(view, 'INBOX')).copy([UID], BOX)],
  ['COPY out of it', ['r'], async (view) => (await open(view, BOX)).copy([UID], 'INBOX')],
  ['MOVE out of it', ['rte'], async (view) => (await open(view, BOX)).move([UID], 'INBOX')],
  ['STORE \\Seen', ['rs'], (view) => store(view, '\\Seen')],
  ['STORE \\Deleted', ['rt'], (view) => store(view, '\\Deleted')],
  ['STORE \\Flagged', ['rw'], (view) => store(view, '\\Flagged')],
  ['STORE of a keyword', ['rw'], (view) => store(view, 'Work')],
  ['EXPUNGE', ['re'], async (view) => (await open(view, BOX)).expunge(null)],
  ['CREATE', ['k'], (view) => view.create(`${BOX}/Below`, null)],
  ['DELETE', ['x'], (view) => view.delete(BOX)],
  ['RENAME', ['xk'], (view) => view.rename(BOX, `${SHELF}/Box`)],
  ['GETACL', ['a'], async (view) => view.access?.grants(BOX)],
  ['SETACL', ['a'], async (view) => view.access?.grant(BOX, 'anyone', 'l')],
  ['SETMETADATA', ['w'], async (view) => view.setMetadata(view.find(BOX)?.id ?? assert.fail(), [])],
]

/** Without `p`, which is about mail from outside and no command. */
function* everySet(): Generator<string> {
  const rights = [...ALL_RIGHTS].filter((right) => right !== 'p')
  for (let bits = 0; bits < 1 << rights.length; bits++) yield rights.filter((_, i) => (bits & (1 << i)) !== 0).join('')
}

/** A mailbox that may not be known does not exist. */
const known = (rights: string) => /[lrikxa]/.test(rights)

for (const [name, needs, act] of operations) {
  test(`${name} needs ${needs.join(' or ')}, whatever else a guest has`, async () => {
    for (const rights of everySet()) {
      const { view } = await guest(rights)
      const may = known(rights) && needs.some((set) => [...set].every((right) => rights.includes(right)))
      const done = await act(view).then(
        () => true,
        () => false,
      )
      assert.equal(done, may, `with "${rights}"`)
    }
  })
}

test('LIST shows what may be looked up, and MYRIGHTS what is known', async () => {
  for (const rights of everySet()) {
    const { view } = await guest(rights)
    assert.equal(
      view.mailboxes().some(({ name }) => name === BOX),
      rights.includes('l'),
    )
    assert.equal(view.access?.rights(BOX), known(rights) ? rights : null)
  }
})

test('what a guest may not set does not come with its letters, and what it may not change stays', async () => {
  const all = { system: 31, keywords: ['Work'] }
  for (const rights of everySet()) {
    if (!rights.includes('i') || !rights.includes('r')) continue
    const { anna, view } = await guest(rights)
    await view.appendAll(BOX, [letter(all)])
    const box = await open(anna, 'Box')
    const [old, fresh] = box.facts([UID, toUid(2)])
    assert.deepEqual(fresh?.flags, allowedFlags(all, rights))
    if (!/[swt]/.test(rights)) continue
    await (await open(view, BOX)).store({ uids: [UID], change: 'replace', flags: all })
    const kept = rights.includes('t') ? 0 : (old?.flags.system ?? 0) & Flag.deleted
    const [changed] = box.facts([UID])
    assert.equal(changed?.flags.system, allowedFlags(all, rights).system | kept, `with "${rights}"`)
  }
})

const spoken: [said: string, kept: string | null, shown: string][] = [
  ['lrs', 'lrs', 'lrs'],
  ['srl', 'lrs', 'lrs'],
  ['', '', ''],
  ['c', 'k', 'kc'],
  ['d', 'xte', 'xted'],
  ['lrswipcda', 'lrswipkxtea', 'lrswipkxteacd'],
  ['lz', null, ''],
  ['L', null, ''],
]
for (const [said, kept, shown] of spoken) {
  test(`rights said as "${said}" are kept as ${kept} (RFC 4314 section 2.1.1)`, () => {
    assert.equal(parseRights(said), kept)
    if (kept !== null) assert.equal(shownRights(kept), shown)
  })
}

test('rights are added and taken away as sets', () => {
  assert.equal(unionRights('rl', 'ls', ''), 'lrs')
  assert.equal(withoutRights('lrs', 'rx'), 'ls')
})
