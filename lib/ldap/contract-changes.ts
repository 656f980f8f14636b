/** The second part of the directory's contract: addresses that change, groups, deletion with a grace, lists of any length. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type ShardName, toAccountId, toShardName } from '#lib/mail/types.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { randomId } from '#lib/ports/random.ts'
import { type DirectoryAdmin, openDirectoryAdmin } from './admin.ts'
import { type OpenedDirectory, openDirectory } from './client.ts'
import type { ContractTarget } from './contract.ts'
import type { StoredAccount, StoredGroup } from './entry.ts'
import { PAGE_ENTRIES } from './limits.ts'

const HOME = toShardName('n1/0')
const secrets = {
  passwordHash: '$argon2id$v=19$m=64,t=1,p=1$AAAAAAAA$AAAAAAAA',
  scramKeys: 'SCRAM-SHA-256$1:AA==$AA=:AA=',
}

export function directoryChangesContract(name: string, open: () => Promise<ContractTarget>): void {
  describe(`${name} keeps the contract of changes`, () => {
    let target: ContractTarget
    let admin: DirectoryAdmin
    let directory: OpenedDirectory
    let domains = 0

    before(async () => {
      target = await open()
      admin = openDirectoryAdmin(target.access('provision'))
      directory = openDirectory({ ...target.access('edge'), clock: nodeClock, random: nodeRandom })
    })
    after(async () => {
      await Promise.all([admin.close(), directory.close()])
      await target.close()
    })

    async function newDomain(): Promise<string> {
      const domain = `c${++domains}.example`
      await admin.ensureDomain({ name: domain, active: true, postmaster: null, catchAll: null, isDefault: false })
      return domain
    }

    async function account(address: string, aliases: string[] = [], home: ShardName = HOME): Promise<StoredAccount> {
      const added = await admin.addAccount({
        id: toAccountId(randomId(nodeRandom, 16)),
        address,
        aliases,
        displayName: 'Anna Ångström',
        home,
        quotaBytes: null,
        locale: 'en',
        entitlements: [],
        lastCommand: 'test:1',
        secrets,
      })
      assert.ok(added.kind === 'added', added.kind)
      await admin.updateAccount(added.account, 'test:1', { status: 'active' })
      return { ...added.account, status: 'active' }
    }

    function group(address: string, more: Partial<StoredGroup> = {}): StoredGroup {
      return {
        address,
        aliases: [],
        displayName: 'Alle Ämter',
        senders: 'anyone',
        members: [],
        lastCommand: 'test:1',
        ...more,
      }
    }

    async function read(address: string): Promise<StoredAccount> {
      const found = await admin.account(address)
      assert.ok(found, address)
      return found
    }

    test('setHome() writes where an account has moved, for who still has it as it was', async () => {
      const stored = await account(`mover@${await newDomain()}`)
      const there = toShardName('n2/1')
      assert.equal(await admin.setHome(stored, there, 2), true)
      assert.equal(await admin.setHome(stored, HOME, 2), false, 'of a generation that is over')
      const { home, generation } = (await admin.account(stored.address)) ?? assert.fail()
      assert.deepEqual([home, generation], [there, 2])
      const found = await directory.lookup(stored.address)
      assert.equal(found.kind === 'account' && found.account.home, there)
    })

    test('lookup() says what the account and then its domain wish of the filter, and what is not said stays', async () => {
      const domain = await newDomain()
      const user = await account(`filter@${domain}`)
      const own = { level: 'off', allow: [], deny: ['bad.example'] } as const
      const all = { level: 'strict', allow: ['good.example'], deny: [] } as const
      const wishes = async () => {
        directory.forget(null)
        const found = await directory.lookup(`filter@${domain}`)
        return found.kind === 'account' ? found.account.wishes : null
      }
      assert.equal(await wishes(), undefined)
      const entry = await admin.domain(domain)
      assert.ok(entry)
      assert.equal(await admin.ensureDomain({ ...entry, filter: { ...all, allow: [...all.allow], deny: [] } }), true)
      assert.equal(
        await admin.updateAccount(user, user.lastCommand, { filter: { ...own, allow: [], deny: [...own.deny] } }),
        true,
      )
      assert.deepEqual(await wishes(), { own, domain: all })
      const { filter: _, ...unsaid } = entry
      assert.equal(await admin.ensureDomain(unsaid), false)
      assert.deepEqual(await wishes(), { own, domain: all })
      assert.equal(
        await admin.updateAccount(user, user.lastCommand, { filter: { level: null, allow: [], deny: [] } }),
        true,
      )
      assert.deepEqual(await wishes(), { own: null, domain: all })
      const group = {
        address: `team@${domain}`,
        aliases: [],
        displayName: 'Team',
        senders: 'anyone',
        members: [],
      } as const
      await admin.addGroup({ ...group, lastCommand: 'test:1' })
      const added = await admin.group(group.address)
      assert.ok(added)
      assert.equal(await admin.updateGroup(added, 'test:2', { filter: { level: 'low', allow: [], deny: [] } }), true)
      const found = await directory.lookup(group.address)
      assert.equal(found.kind === 'group' && found.group.filter?.level, 'low')
    })

    test('renameAccount() changes the address and keeps the id and the old address', async () => {
      const domain = await newDomain()
      const before = await account(`anna@${domain}`, [`a@${domain}`])
      assert.equal(await admin.renameAccount(before, 'test:2', `anna.o'hara=x,y@${domain}`.replace(',', '+')), true)
      const after = await read(before.id)
      assert.equal(after.address, `anna.o'hara=x+y@${domain}`)
      assert.deepEqual(after.aliases, [`a@${domain}`, `anna@${domain}`])
      assert.equal(after.lastCommand, 'test:2')
      directory.forget(null)
      for (const address of [after.address, ...after.aliases]) {
        const found = await directory.lookup(address)
        assert.equal(found.kind === 'account' && found.account.id, before.id, address)
      }
    })

    test('renameAccount() to an own alias and back works, and a repeat of it changes nothing', async () => {
      const domain = await newDomain()
      const first = await account(`anna@${domain}`, [`ann@${domain}`])
      assert.equal(await admin.renameAccount(first, 'test:2', `ann@${domain}`), true)
      const second = await read(first.id)
      assert.equal(await admin.renameAccount(second, 'test:2', `ann@${domain}`), true)
      assert.deepEqual(await read(first.id), second)
      assert.equal(await admin.renameAccount(second, 'test:3', `anna@${domain}`), true)
      assert.deepEqual({ ...(await read(first.id)), lastCommand: 'test:1' }, first)
    })

    test('renameAccount() goes on between its two steps', async () => {
      const domain = await newDomain()
      const anna = await account(`anna@${domain}`)
      // The first step of a rename that died: both addresses are there, and the mark.
      assert.equal(await admin.updateAccount(anna, 'test:2', { addAlias: `ann@${domain}` }), true)
      const half = await read(anna.id)
      assert.equal(half.address, `anna@${domain}`)
      assert.equal(await admin.renameAccount(half, 'test:2', `ann@${domain}`), true)
      assert.equal((await read(anna.id)).address, `ann@${domain}`)
    })

    test('renameAccount() refuses an address that somebody else has, and changes nothing', async () => {
      const domain = await newDomain()
      const anna = await account(`anna@${domain}`)
      await account(`ben@${domain}`, [`b@${domain}`])
      await admin.addGroup(group(`all@${domain}`))
      for (const taken of ['ben', 'b', 'all'])
        await assert.rejects(
          admin.renameAccount(anna, 'test:2', `${taken}@${domain}`),
          { code: 'DIRECTORY_TAKEN' },
          taken,
        )
      assert.deepEqual(await read(anna.id), anna)
    })

    test('renameAccount() with an account that changed meanwhile says so', async () => {
      const domain = await newDomain()
      const anna = await account(`anna@${domain}`)
      assert.equal(await admin.updateAccount(anna, 'test:2', { displayName: 'Anna' }), true)
      assert.equal(await admin.renameAccount(anna, 'test:3', `ann@${domain}`), false)
    })

    test('an account that was renamed is deleted and its address is free', async () => {
      const domain = await newDomain()
      const anna = await account(`anna@${domain}`)
      await admin.renameAccount(anna, 'test:2', `ann@${domain}`)
      assert.equal(await admin.deleteAccount(await read(anna.id)), true)
      assert.equal(await admin.account(`anna@${domain}`), null)
      await account(`ann@${domain}`)
      await account(`anna@${domain}`)
    })

    test('updateAccount() adds and removes an alias, and refuses one that is taken', async () => {
      const domain = await newDomain()
      const anna = await account(`anna@${domain}`)
      await account(`ben@${domain}`)
      assert.equal(await admin.updateAccount(anna, 'test:2', { addAlias: `a@${domain}` }), true)
      const second = await read(anna.id)
      assert.deepEqual(second.aliases, [`a@${domain}`])
      await assert.rejects(admin.updateAccount(second, 'test:3', { addAlias: `ben@${domain}` }), {
        code: 'DIRECTORY_TAKEN',
      })
      assert.equal(await admin.updateAccount(second, 'test:3', { removeAlias: `a@${domain}` }), true)
      assert.deepEqual((await read(anna.id)).aliases, [])
    })

    test('updateAccount() keeps a name and the grace of a deletion', async () => {
      const domain = await newDomain()
      const anna = await account(`anna@${domain}`)
      const deletion = { atMs: 1_800_000_000_000, before: 'suspended' } as const
      await admin.updateAccount(anna, 'test:2', { status: 'deleting', deletion, displayName: '王小明' })
      const deleted = await read(anna.id)
      assert.deepEqual([deleted.status, deleted.deletion, deleted.displayName], ['deleting', deletion, '王小明'])
      directory.forget(null)
      assert.deepEqual(await directory.lookup(anna.address), { kind: 'unknown-address' })
      await admin.updateAccount(deleted, 'test:3', { status: 'active', deletion: null })
      assert.equal((await read(anna.id)).deletion, null)
    })

    test('lookup() finds a group by each of its addresses, with its members', async () => {
      const domain = await newDomain()
      const members = [`anna@${domain}`, `ben@${domain}`]
      const all = group(`all@${domain}`, { aliases: [`everyone@${domain}`], members, senders: 'internal' })
      assert.deepEqual(await admin.addGroup(all), { kind: 'added' })
      assert.deepEqual(await admin.group(`everyone@${domain}`), all)
      const { lastCommand: _, ...shown } = all
      for (const address of [`all@${domain}`, `EVERYONE@${domain}`, `all+detail@${domain}`])
        assert.deepEqual(await directory.lookup(address), { kind: 'group', group: shown }, address)
      assert.equal((await directory.checkPassword(`all@${domain}`, 'right', 'imap')).kind, 'denied')
      assert.equal(await admin.account(`all@${domain}`), null)
    })

    test('addGroup() and addAccount() never give one address twice', async () => {
      const domain = await newDomain()
      await account(`anna@${domain}`, [`a@${domain}`])
      const all = group(`all@${domain}`)
      await admin.addGroup(all)
      assert.deepEqual(await admin.addGroup(all), { kind: 'exists', group: all })
      for (const taken of ['anna', 'a'])
        assert.deepEqual(await admin.addGroup(group(`${taken}@${domain}`)), { kind: 'address-taken' }, taken)
      assert.deepEqual(await admin.addGroup(group(`x@${domain}`, { aliases: [`a@${domain}`] })), {
        kind: 'address-taken',
      })
      const rest = { displayName: 'x', home: HOME, quotaBytes: null, locale: 'en', entitlements: [], secrets }
      const wish = { ...rest, id: toAccountId(randomId(nodeRandom, 16)), lastCommand: 'test:1' }
      for (const wished of [
        { ...wish, address: `all@${domain}`, aliases: [] },
        { ...wish, address: `y@${domain}`, aliases: [`all@${domain}`] },
      ])
        assert.deepEqual(await admin.addAccount(wished), { kind: 'address-taken', address: `all@${domain}` })
    })

    test('updateGroup() changes what is named if nobody was faster, deleteGroup() frees the address', async () => {
      const domain = await newDomain()
      const all = group(`all@${domain}`, { members: [`a@${domain}`] })
      await admin.addGroup(all)
      const members = [`a@${domain}`, `b@${domain}`]
      assert.equal(await admin.updateGroup(all, 'test:2', { members, senders: 'members' }), true)
      assert.equal(await admin.updateGroup(all, 'test:3', { members: [] }), false)
      const changed = await admin.group(all.address)
      assert.deepEqual(changed, { ...all, members, senders: 'members', lastCommand: 'test:2' })
      assert.ok(changed)
      assert.equal(await admin.updateGroup(changed, 'test:4', { members: [], displayName: 'None' }), true)
      assert.deepEqual((await admin.group(all.address))?.members, [])
      assert.equal(await admin.deleteGroup(all), true)
      assert.equal(await admin.deleteGroup(all), false)
      await account(`all@${domain}`)
    })

    test('forget() of a member drops the groups that have it', async () => {
      const domain = await newDomain()
      const all = group(`all@${domain}`, { members: [`anna@${domain}`] })
      await admin.addGroup(all)
      const members = async () => {
        const found = await directory.lookup(all.address)
        return found.kind === 'group' ? found.group.members : null
      }
      assert.deepEqual(await members(), [`anna@${domain}`])
      await admin.replaceMember(`anna@${domain}`, `ann@${domain}`)
      assert.deepEqual(await members(), [`anna@${domain}`], 'cached')
      directory.forget(`anna@${domain}`)
      assert.deepEqual(await members(), [`ann@${domain}`])
    })

    test('replaceMember() follows a rename and a deletion through all groups', async () => {
      const domain = await newDomain()
      const at = (local: string) => `${local}@${domain}`
      await admin.addGroup(group(at('all'), { members: [at('anna'), at('ben')] }))
      await admin.addGroup(group(at('both'), { members: [at('ann'), at('anna')] }))
      await admin.addGroup(group(at('none'), { members: [at('ben')] }))
      assert.deepEqual((await admin.replaceMember(at('anna'), at('ann'))).sort(), [at('all'), at('both')])
      assert.deepEqual((await admin.group(at('all')))?.members, [at('ann'), at('ben')])
      assert.deepEqual((await admin.group(at('both')))?.members, [at('ann')])
      await admin.replaceMember(at('ben'), null)
      assert.deepEqual((await admin.group(at('none')))?.members, [])
      assert.deepEqual(await admin.replaceMember(at('nobody'), null), [])
    })

    test('domainsNaming() finds the active domains that an address is named by', async () => {
      const [first, second, off] = [await newDomain(), await newDomain(), await newDomain()]
      const boss = `boss@${first}`
      const rest = { active: true, isDefault: false }
      await admin.ensureDomain({ ...rest, name: first, postmaster: boss, catchAll: null })
      await admin.ensureDomain({ ...rest, name: second, postmaster: null, catchAll: boss })
      await admin.ensureDomain({ ...rest, name: off, active: false, postmaster: boss, catchAll: null })
      assert.deepEqual((await admin.domainsNaming(boss)).sort(), [first, second].sort())
      assert.deepEqual(await admin.domainsNaming(`nobody@${first}`), [])
    })

    test('eachAccount() hands on every account once, page by page, and stops when told to', async () => {
      const domain = await newDomain()
      const wanted = PAGE_ENTRIES + 7
      for (let i = 0; i < wanted; i += 20) {
        const some = Array.from({ length: Math.min(20, wanted - i) }, (_, j) => account(`u${i + j}@${domain}`))
        await Promise.all(some)
      }
      const seen: string[] = []
      const pages: number[] = []
      await admin.eachAccount({ domain }, (accounts) => {
        pages.push(accounts.length)
        seen.push(...accounts.map(({ address }) => address))
        return true
      })
      assert.equal(new Set(seen).size, wanted)
      assert.equal(seen.length, wanted)
      assert.ok(Math.max(...pages) <= PAGE_ENTRIES)
      let calls = 0
      await admin.eachAccount({ domain }, () => ++calls < 1)
      assert.equal(calls, 1)
    })

    test('eachAccount() chooses by shard, status and part of a name', async () => {
      const domain = await newDomain()
      const anna = await account(`anna@${domain}`, [`info@${domain}`])
      const ben = await account(`ben@${domain}`, [], toShardName('n2/1'))
      await admin.updateAccount(anna, 'test:2', { status: 'suspended', displayName: 'Zebra (Bar*)' })
      const chosen = async (filter: Parameters<DirectoryAdmin['eachAccount']>[0]) => {
        const found: string[] = []
        await admin.eachAccount({ domain, ...filter }, (accounts) => {
          found.push(...accounts.map(({ id }) => id))
          return true
        })
        return found
      }
      assert.deepEqual(await chosen({ home: toShardName('n2/1') }), [ben.id])
      assert.deepEqual(await chosen({ status: 'suspended' }), [anna.id])
      assert.deepEqual(await chosen({ contains: 'ANNA@' }), [anna.id])
      assert.deepEqual(await chosen({ contains: 'zebra (bar*)' }), [anna.id])
      assert.deepEqual(await chosen({ contains: '*' }), [anna.id])
      assert.deepEqual(await chosen({ contains: 'nobody' }), [])
    })
  })
}
