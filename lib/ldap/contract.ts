/**
 * What Twinpost needs from a directory server, as one suite that runs on the embedded server and on OpenLDAP's slapd.
 * The target comes with the tree, the schema and the service identities in place.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Attribute, Change, Client, ResultCodeError } from 'ldapts'
import { type ShardName, toAccountId, toShardName } from '#lib/mail/types.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { randomId } from '#lib/ports/random.ts'
import { newAppPassword } from '#lib/sasl/app-password.ts'
import { hashPassword } from '#lib/sasl/password.ts'
import { formatScramKeys } from '#lib/sasl/scram.ts'
import { type DirectoryAdmin, openDirectoryAdmin } from './admin.ts'
import { type OpenedDirectory, openDirectory } from './client.ts'
import { accountEntry, type NewAccount, type StoredAccount } from './entry.ts'
import { and, dn, equals, not } from './names.ts'
import type { LdapAccess } from './pool.ts'
import { type Service, serviceDn, unitDn } from './schema.ts'

export interface ContractTarget {
  access(service: Service): LdapAccess
  close(): Promise<void>
}

const HOME = toShardName('n1/0')
const SCRAM_KEYS = `SCRAM-SHA-256$4096:${'A'.repeat(22)}==$${'A'.repeat(43)}=:${'A'.repeat(43)}=`

export function directoryContract(name: string, open: () => Promise<ContractTarget>): void {
  describe(`${name} keeps the directory contract`, () => {
    let target: ContractTarget
    let admin: DirectoryAdmin
    let directory: OpenedDirectory
    let passwordHash: string
    let domains = 0
    /** Those that a test made the default one. */
    const defaults: string[] = []

    before(async () => {
      target = await open()
      admin = openDirectoryAdmin(target.access('provision'))
      directory = openDirectory({ ...target.access('edge'), clock: nodeClock, random: nodeRandom })
      passwordHash = await hashPassword('right', nodeRandom, { memoryKib: 64, passes: 1, lanes: 1 })
    })
    after(async () => {
      await Promise.all([admin.close(), directory.close()])
      await target.close()
    })

    /** A domain of its own for each test. */
    async function newDomain(
      more: { postmaster?: string; catchAll?: string; isDefault?: boolean } = {},
    ): Promise<string> {
      const domain = `d${++domains}.example`
      const { postmaster = null, catchAll = null, isDefault = false } = more
      if (isDefault) defaults.push(domain)
      const at = (local: string | null) => (local === null ? null : `${local}@${domain}`)
      await admin.ensureDomain({
        name: domain,
        active: true,
        postmaster: at(postmaster),
        catchAll: at(catchAll),
        isDefault,
      })
      return domain
    }

    function newAccount(address: string, more: Partial<NewAccount> = {}): NewAccount {
      return {
        id: toAccountId(randomId(nodeRandom, 16)),
        address,
        aliases: [],
        displayName: 'Anna Ångström',
        home: HOME,
        quotaBytes: null,
        locale: 'de',
        entitlements: [],
        lastCommand: 'test:1',
        secrets: { passwordHash, scramKeys: SCRAM_KEYS },
        ...more,
      }
    }

    async function activeAccount(address: string, more: Partial<NewAccount> = {}): Promise<StoredAccount> {
      const added = await admin.addAccount(newAccount(address, more))
      assert.equal(added.kind, 'added')
      assert.ok(added.kind === 'added')
      assert.equal(await admin.updateAccount(added.account, added.account.lastCommand, { status: 'active' }), true)
      return { ...added.account, status: 'active' }
    }

    /** A connection of its own, for what the adapters never do. */
    async function raw<T>(service: Service, work: (client: Client) => Promise<T>): Promise<T> {
      const access = target.access(service)
      const client = new Client({ url: access.url, timeout: 5_000 })
      try {
        await client.bind(serviceDn(service, access.baseDn), access.password)
        return await work(client)
      } finally {
        await client.unbind()
      }
    }
    const people = () => unitDn('people', target.access('edge').baseDn)
    const answers = (code: number) => (error: unknown) => error instanceof ResultCodeError && error.code === code

    test('lookup() finds an account by every address, in any case, with its subaddress', async () => {
      const domain = await newDomain()
      const account = await activeAccount(`anna@${domain}`, { aliases: [`a.b@${domain}`], quotaBytes: 1024 })
      for (const [address, detail] of [
        [`anna@${domain}`, null],
        [`ANNA@${domain.toUpperCase()}`, null],
        [`A.B@${domain}`, null],
        [`anna+lists@${domain}`, 'lists'],
        [`anna+@${domain}`, ''],
      ] as const) {
        const found = await directory.lookup(address)
        assert.deepEqual(found, {
          kind: 'account',
          detail,
          account: {
            id: account.id,
            address: `anna@${domain}`,
            aliases: [`a.b@${domain}`],
            displayName: 'Anna Ångström',
            home: HOME,
            generation: 1,
            quotaBytes: 1024,
            status: 'active',
          },
        })
      }
    })

    test('lookup() tells an unknown address from a foreign domain', async () => {
      const domain = await newDomain()
      await admin.ensureDomain({
        name: `off.${domain}`,
        active: false,
        postmaster: null,
        catchAll: null,
        isDefault: false,
      })
      assert.deepEqual(await directory.lookup(`nobody@${domain}`), { kind: 'unknown-address' })
      assert.deepEqual(await directory.lookup(`"odd one"@${domain}`), { kind: 'unknown-address' })
      assert.deepEqual(await directory.lookup(`nobody@elsewhere.${domain}`), { kind: 'foreign-domain' })
      assert.deepEqual(await directory.lookup(`nobody@off.${domain}`), { kind: 'foreign-domain' })
      assert.deepEqual(await directory.lookup('no address at all'), { kind: 'foreign-domain' })
    })

    test('lookup() takes an internationalised domain in either form', async () => {
      await admin.ensureDomain({
        name: 'Bücher.example',
        active: true,
        postmaster: null,
        catchAll: null,
        isDefault: false,
      })
      await activeAccount('anna@xn--bcher-kva.example')
      assert.equal((await directory.lookup('anna@bücher.example')).kind, 'account')
      assert.equal((await directory.domain('BÜCHER.example'))?.name, 'xn--bcher-kva.example')
    })

    test('lookup() takes characters of filters and names as characters', async () => {
      const domain = await newDomain()
      const odd = `o'b=#{x}|~/$&%!?^_-*@${domain}`
      await activeAccount(odd)
      assert.equal((await directory.lookup(odd)).kind, 'account')
      for (const attack of ['*', 'o*', "o'b=#{x}|~/$&%!?^_-x", '*)(mail=*', 'a)(|(mail=*))', '\\2a', 'x\0'])
        assert.equal((await directory.lookup(`${attack}@${domain}`)).kind, 'unknown-address', attack)
      const stored = await admin.account(odd)
      assert.ok(stored)
      assert.equal(await admin.deleteAccount(stored), true)
      assert.equal(await admin.account(odd), null)
    })

    test('lookup() finds postmaster and abuse of every domain, and postmaster without one', async () => {
      const main = await newDomain({ postmaster: 'boss', isDefault: true })
      await activeAccount(`boss@${main}`)
      const own = await newDomain({ postmaster: 'chief' })
      await activeAccount(`chief@${own}`)
      const without = await newDomain()
      const lost = await newDomain({ postmaster: 'missing' })
      // Logins without a domain mean the same one, however they are written, with every mechanism.
      for (const login of ['boss', 'BOSS', `boss@${main}`]) {
        const verdict = await directory.checkPassword(login, 'right', 'imap')
        assert.equal(verdict.kind === 'ok' && verdict.account.address, `boss@${main}`, login)
        assert.equal((await directory.scramKeys(login)).account?.address, `boss@${main}`, login)
      }
      for (const login of ['chief', 'nobody', '', 'a b']) {
        assert.equal((await directory.checkPassword(login, 'right', 'imap')).kind, 'denied', login)
        assert.equal((await directory.scramKeys(login)).account, null, login)
      }
      assert.deepEqual(await directory.scramKeys('Nobody'), await directory.scramKeys(`nobody@${main}`))
      for (const [address, want] of [
        [`postmaster@${main}`, `boss@${main}`],
        [`Abuse@${own}`, `chief@${own}`],
        [`postmaster@${without}`, `boss@${main}`],
        [`abuse@${lost}`, `boss@${main}`],
        ['PostMaster', `boss@${main}`],
      ] as const) {
        const found = await directory.lookup(address)
        assert.equal(found.kind === 'account' && found.account.address, want, address)
      }
    })

    test('A login without a domain follows the domain that is the default one, and means nobody where there is none', async () => {
      const domain = await newDomain({ isDefault: true })
      await activeAccount(`moved@${domain}`)
      const other = await newDomain()
      await activeAccount(`moved@${other}`)
      const entry = { active: true, postmaster: null, catchAll: null }
      for (const name of defaults) await admin.ensureDomain({ ...entry, name, isDefault: name === domain })
      directory.forget(domain)
      const loggedIn = async () => {
        const verdict = await directory.checkPassword('moved', 'right', 'pop3')
        return verdict.kind === 'ok' ? verdict.account.address : verdict.kind
      }
      assert.equal(await loggedIn(), `moved@${domain}`)
      await admin.ensureDomain({ ...entry, name: domain, isDefault: false })
      await admin.ensureDomain({ ...entry, name: other, isDefault: true })
      directory.forget(other)
      assert.equal(await loggedIn(), `moved@${other}`)
      await admin.ensureDomain({ ...entry, name: other, isDefault: false })
      directory.forget(other)
      assert.equal(await loggedIn(), 'denied')
    })

    test('lookup() gives a catch-all what no address matches', async () => {
      const domain = await newDomain({ catchAll: 'all' })
      await activeAccount(`all@${domain}`)
      const found = await directory.lookup(`whoever@${domain}`)
      assert.equal(found.kind === 'account' && found.account.address, `all@${domain}`)
    })

    test('lookup() keeps what it knows until it is told to forget it', async () => {
      const domain = await newDomain()
      assert.equal((await directory.lookup(`late@${domain}`)).kind, 'unknown-address')
      const account = await activeAccount(`late@${domain}`)
      assert.equal((await directory.lookup(`late@${domain}`)).kind, 'unknown-address')
      directory.forget(`late@${domain}`)
      assert.equal((await directory.lookup(`late@${domain}`)).kind, 'account')
      await admin.deleteAccount(account)
      directory.forget(account.id)
      assert.equal((await directory.lookup(`late@${domain}`)).kind, 'unknown-address')
    })

    test('an account in the making is unknown to mail and login', async () => {
      const domain = await newDomain()
      await admin.addAccount(newAccount(`new@${domain}`))
      assert.equal((await directory.lookup(`new@${domain}`)).kind, 'unknown-address')
      assert.equal((await directory.checkPassword(`new@${domain}`, 'right', 'imap')).kind, 'denied')
      assert.equal((await admin.account(`new@${domain}`))?.status, 'creating')
    })

    test('addAccount() of an existing address gives the account that is there, with its shard', async () => {
      const domain = await newDomain()
      const first = await admin.addAccount(newAccount(`anna@${domain}`))
      const second = await admin.addAccount(newAccount(`anna@${domain}`, { home: toShardName('n2/1') }))
      assert.ok(first.kind === 'added' && second.kind === 'exists')
      assert.deepEqual(second.account, first.account)
    })

    test('addAccount() refuses an alias that is an address of another account', async () => {
      const domain = await newDomain()
      await activeAccount(`anna@${domain}`, { aliases: [`info@${domain}`] })
      for (const aliases of [[`info@${domain}`], [`INFO@${domain}`], [`anna@${domain}`]]) {
        const outcome = await admin.addAccount(newAccount(`otto@${domain}`, { aliases }))
        assert.deepEqual(outcome, { kind: 'address-taken', address: aliases[0] })
      }
      assert.deepEqual(await admin.addAccount(newAccount(`info@${domain}`)), {
        kind: 'address-taken',
        address: `info@${domain}`,
      })
    })

    test('addAccount() succeeds exactly once when many create one address at the same time', async () => {
      const domain = await newDomain()
      const admins = [admin, openDirectoryAdmin(target.access('provision'))]
      const tries = Array.from({ length: 10 }, (_, i) => admins[i % 2]?.addAccount(newAccount(`race@${domain}`)))
      const outcomes = await Promise.all(tries)
      assert.equal(outcomes.filter((outcome) => outcome?.kind === 'added').length, 1)
      assert.equal(outcomes.filter((outcome) => outcome?.kind === 'exists').length, 9)
      await admins[1]?.close()
    })

    test('addAccount() succeeds exactly once when many claim one alias at the same time', async () => {
      const domain = await newDomain()
      const admins = [admin, openDirectoryAdmin(target.access('provision'))]
      const tries = Array.from({ length: 10 }, (_, i) =>
        admins[i % 2]?.addAccount(newAccount(`u${i}@${domain}`, { aliases: [`shared@${domain}`] })),
      )
      const outcomes = await Promise.all(tries)
      assert.equal(outcomes.filter((outcome) => outcome?.kind === 'added').length, 1)
      await admins[1]?.close()
    })

    test('updateAccount() succeeds exactly once when many change what they read', async () => {
      const domain = await newDomain()
      const account = await activeAccount(`anna@${domain}`)
      const tries = Array.from({ length: 8 }, (_, i) =>
        admin.updateAccount(account, `test:${i + 2}`, { quotaBytes: i }),
      )
      const won = await Promise.all(tries)
      assert.equal(won.filter(Boolean).length, 1)
      const now = await admin.account(account.id)
      assert.equal(now?.quotaBytes, won.indexOf(true))
      assert.equal(now?.lastCommand, `test:${won.indexOf(true) + 2}`)
    })

    test('updateAccount() of a deleted account says so', async () => {
      const domain = await newDomain()
      const account = await activeAccount(`anna@${domain}`)
      assert.equal(await admin.deleteAccount(account), true)
      assert.equal(await admin.deleteAccount(account), false)
      assert.equal(await admin.updateAccount(account, 'test:9', { status: 'suspended' }), false)
    })

    test('checkPassword() accepts the right password, and tells a suspension only after it', async () => {
      const domain = await newDomain()
      const account = await activeAccount(`anna@${domain}`, { aliases: [`alias@${domain}`] })
      const ok = await directory.checkPassword(`Anna@${domain}`, 'right', 'imap')
      assert.ok(ok.kind === 'ok')
      assert.equal(ok.secret, 'password')
      assert.equal(ok.account.id, account.id)
      assert.equal((await directory.checkPassword(`alias@${domain}`, 'right', 'pop3')).kind, 'ok')
      assert.equal((await directory.checkPassword(`anna@${domain}`, 'wrong', 'imap')).kind, 'denied')
      assert.equal((await directory.checkPassword(`nobody@${domain}`, 'right', 'imap')).kind, 'denied')
      assert.equal((await directory.checkPassword('not an address', 'right', 'imap')).kind, 'denied')
      await admin.updateAccount(account, 'test:2', { status: 'suspended' })
      directory.forget(account.id)
      assert.equal((await directory.checkPassword(`anna@${domain}`, 'right', 'imap')).kind, 'suspended')
      assert.equal((await directory.checkPassword(`anna@${domain}`, 'wrong', 'imap')).kind, 'denied')
    })

    test('checkPassword() refuses the old password as soon as it is told of the change', async () => {
      const domain = await newDomain()
      const account = await activeAccount(`anna@${domain}`)
      assert.equal((await directory.checkPassword(`anna@${domain}`, 'right', 'imap')).kind, 'ok')
      const changed = await hashPassword('new', nodeRandom, { memoryKib: 64, passes: 1, lanes: 1 })
      await admin.updateAccount(account, 'test:2', { secrets: { passwordHash: changed, scramKeys: SCRAM_KEYS } })
      directory.forget(account.address)
      assert.equal((await directory.checkPassword(`anna@${domain}`, 'right', 'imap')).kind, 'denied')
      assert.equal((await directory.checkPassword(`anna@${domain}`, 'new', 'imap')).kind, 'ok')
    })

    test('scramKeys() gives the keys of an account, and of a name without keys always the same ones', async () => {
      const domain = await newDomain()
      const account = await activeAccount(`anna@${domain}`)
      const known = await directory.scramKeys(`Anna@${domain}`)
      assert.equal(known.account?.id, account.id)
      assert.equal(formatScramKeys(known.keys), SCRAM_KEYS)
      const unknown = await directory.scramKeys(`nobody@${domain}`)
      assert.equal(unknown.account, null)
      assert.deepEqual(await directory.scramKeys(`nobody@${domain}`), unknown)
      const restarted = openDirectory({ ...target.access('edge'), clock: nodeClock, random: nodeRandom })
      assert.deepEqual(await restarted.scramKeys(`nobody@${domain}`), unknown)
      await restarted.close()
      assert.notDeepEqual((await directory.scramKeys('not an address')).keys, unknown.keys)
    })

    test('checkPassword() keeps an app password to its scopes', async () => {
      const domain = await newDomain()
      const account = await activeAccount(`anna@${domain}`)
      const phone = newAppPassword('phone', ['imap', 'smtp'], nodeRandom)
      const tablet = newAppPassword('tablet', ['pop3'], nodeRandom)
      await admin.updateAccount(account, 'test:2', { addAppPassword: phone.stored })
      const now = await admin.account(account.id)
      assert.ok(now)
      await admin.updateAccount(now, 'test:3', { addAppPassword: tablet.stored })
      assert.deepEqual(await admin.appPasswords(account), ['phone', 'tablet'])
      const verdict = await directory.checkPassword(account.address, phone.secret, 'smtp')
      assert.equal(verdict.kind === 'ok' && verdict.secret, 'phone')
      assert.equal((await directory.checkPassword(account.address, phone.secret, 'pop3')).kind, 'denied')
      assert.equal((await directory.checkPassword(account.address, tablet.secret, 'pop3')).kind, 'ok')
      await admin.updateAccount({ ...now, lastCommand: 'test:3' }, 'test:4', { removeAppPassword: 'phone' })
      directory.forget(account.id)
      assert.equal((await directory.checkPassword(account.address, phone.secret, 'smtp')).kind, 'denied')
      assert.equal((await directory.checkPassword(account.address, 'right', 'smtp')).kind, 'ok')
    })

    for (const service of ['edge', 'provision', 'operator', 'cli', 'shard'] as const) {
      const reads = service === 'edge' || service === 'provision'
      test(`${service} ${reads ? 'reads' : 'sees nothing of'} passwords`, async () => {
        const domain = await newDomain()
        const account = await activeAccount(`anna@${domain}`)
        await raw(service, async (client) => {
          const search = (filter: string) => client.search(people(), { scope: 'one', filter, attributes: ['*'] })
          const [entry] = (await search(equals('mail', account.address))).searchEntries
          assert.ok(entry, 'the entry itself is visible')
          assert.equal('twinpostPasswordHash' in entry, reads)
          assert.equal('twinpostScramKeys' in entry, reads)
          const byHash = await search(and(equals('mail', account.address), '(twinpostPasswordHash=*)'))
          assert.equal(byHash.searchEntries.length, reads ? 1 : 0, 'no oracle through filters')
          const byNoHash = await search(and(equals('mail', account.address), not('(twinpostPasswordHash=*)')))
          assert.equal(byNoHash.searchEntries.length, 0, 'nor through their negation')
        })
      })
    }

    for (const service of ['edge', 'operator', 'cli', 'shard'] as const)
      test(`${service} cannot write accounts`, async () => {
        const domain = await newDomain()
        const account = await activeAccount(`anna@${domain}`)
        const entry = dn([['mail', account.address]], people())
        await raw(service, async (client) => {
          await assert.rejects(client.del(entry), answers(50))
          await assert.rejects(
            client.add(dn([['mail', `x@${domain}`]], people()), accountEntry(newAccount(`x@${domain}`))),
            answers(50),
          )
          const change = new Change({
            operation: 'replace',
            modification: new Attribute({ type: 'twinpostStatus', values: ['active'] }),
          })
          await assert.rejects(client.modify(entry, change), answers(50))
        })
      })

    test('a connection that is not bound learns nothing', async () => {
      const domain = await newDomain()
      await activeAccount(`anna@${domain}`)
      const access = target.access('edge')
      const client = new Client({ url: access.url, timeout: 5_000 })
      try {
        await assert.rejects(client.bind(serviceDn('edge', access.baseDn), 'not the password'), answers(49))
        const found = await client.search(people(), { scope: 'one' }).then(
          (result) => result.searchEntries.length,
          (error: unknown) => (error instanceof ResultCodeError ? 0 : assert.fail(String(error))),
        )
        assert.equal(found, 0)
      } finally {
        await client.unbind()
      }
    })

    test('openDirectory() with a wrong password cannot answer: it never says that an account is unknown', async () => {
      const wrong = openDirectory({
        ...target.access('edge'),
        password: 'x'.repeat(20),
        clock: nodeClock,
        random: nodeRandom,
      })
      await assert.rejects(wrong.lookup('anna@d1.example'), { code: 'DIRECTORY_UNAVAILABLE' })
      await assert.rejects(wrong.checkPassword('anna@d1.example', 'right', 'imap'), { code: 'DIRECTORY_UNAVAILABLE' })
      await wrong.close()
    })

    test('a modification is atomic: one wrong part undoes all', async () => {
      const domain = await newDomain()
      const account = await activeAccount(`anna@${domain}`)
      const part = (operation: 'add' | 'delete' | 'replace', type: string, values: string[]) =>
        new Change({ operation, modification: new Attribute({ type, values }) })
      await raw('provision', async (client) => {
        const changes = [
          part('replace', 'displayName', ['Someone Else']),
          part('delete', 'twinpostLastCommand', ['not this']),
          part('add', 'twinpostLastCommand', ['test:5']),
        ]
        await assert.rejects(client.modify(dn([['mail', account.address]], people()), changes), answers(16))
      })
      assert.deepEqual(await admin.account(account.id), account)
    })

    const violations: [name: string, change: Record<string, string[] | null>, code: number][] = [
      ['an attribute that the schema does not know', { shoeSize: ['42'] }, 17],
      ['an attribute that no class allows', { associatedDomain: ['a.example'] }, 65],
      ['a missing account id', { twinpostAccountId: null }, 65],
      ['two home shards', { twinpostShard: ['n1/0', 'n1/1'] }, 19],
      ['a quota in words', { twinpostQuotaBytes: ['much'] }, 21],
      ['an address with Unicode', { mailLocalAddress: ['ä@d.example'] }, 21],
    ]
    for (const [what, change, code] of violations)
      test(`an entry with ${what} is refused with ${code}`, async () => {
        const domain = await newDomain()
        const changed = { ...accountEntry(newAccount(`anna@${domain}`)), ...change }
        const entry = Object.fromEntries(
          Object.entries(changed).flatMap(([name, list]) => (list ? [[name, list]] : [])),
        )
        await raw('provision', (client) =>
          assert.rejects(client.add(dn([['mail', `anna@${domain}`]], people()), entry), answers(code)),
        )
      })

    test('a search for what the schema does not know matches nothing, nor does its negation', async () => {
      const domain = await newDomain()
      await activeAccount(`anna@${domain}`)
      await raw('cli', async (client) => {
        for (const filter of ['(shoeSize=42)', '(!(shoeSize=42))', '(|(shoeSize=42)(!(shoeSize=42)))']) {
          assert.equal((await client.search(people(), { scope: 'sub', filter })).searchEntries.length, 0, filter)
        }
      })
    })

    test('a search knows scopes, substrings, presence and negation', async () => {
      const domain = await newDomain()
      await activeAccount(`anna@${domain}`, { quotaBytes: 5 })
      await activeAccount(`anton@${domain}`)
      await activeAccount(`berta@${domain}`)
      await raw('cli', async (client) => {
        const addresses = async (filter: string, base = people(), scope: 'base' | 'one' | 'sub' = 'one') =>
          (
            await client.search(base, { scope, filter: and(`(mail=*@${domain})`, filter), attributes: ['mail'] })
          ).searchEntries
            .map((entry) => String(entry['mail']).replace(`@${domain}`, ''))
            .sort()
        assert.deepEqual(await addresses('(mail=AN*)'), ['anna', 'anton'])
        assert.deepEqual(await addresses('(mail=*n*n*)'), ['anna', 'anton'])
        assert.deepEqual(await addresses('(mail=a*na@*)'), ['anna'])
        assert.deepEqual(await addresses('(twinpostQuotaBytes=*)'), ['anna'])
        assert.deepEqual(await addresses('(!(twinpostQuotaBytes=*))'), ['anton', 'berta'])
        assert.deepEqual(await addresses('(|(mail=berta@*)(twinpostQuotaBytes=5))'), ['anna', 'berta'])
        assert.deepEqual(await addresses('(objectClass=person)', target.access('cli').baseDn, 'sub'), [
          'anna',
          'anton',
          'berta',
        ])
        assert.deepEqual(await addresses('(objectClass=*)', target.access('cli').baseDn, 'one'), [])
        assert.deepEqual(await addresses('(mail=*)', dn([['mail', `ANNA@${domain}`]], people()), 'base'), ['anna'])
      })
    })

    test('a search gives no more entries than were asked for, and all of them in pages', async () => {
      const domain = await newDomain()
      for (let i = 0; i < 7; i++) await activeAccount(`u${i}@${domain}`)
      await raw('cli', async (client) => {
        const filter = `(mail=*@${domain})`
        const few = await client.search(people(), { scope: 'one', filter, sizeLimit: 2, attributes: ['mail'] })
        assert.equal(few.searchEntries.length, 2)
        const pages: number[] = []
        const options = { scope: 'one' as const, filter, attributes: ['mail'], paged: { pageSize: 3 } }
        for await (const page of client.searchPaginated(people(), options)) pages.push(page.searchEntries.length)
        assert.deepEqual(pages, [3, 3, 1])
      })
      assert.equal((await admin.listAccounts({ domain })).length, 7)
      assert.equal((await admin.listAccounts({ domain, limit: 5 })).length, 5)
    })

    test('countAccounts() counts by home shard', async () => {
      const domain = await newDomain()
      const home: ShardName = toShardName('count/3')
      await activeAccount(`a@${domain}`, { home })
      await activeAccount(`b@${domain}`, { home })
      assert.equal((await admin.countAccounts()).get(home), 2)
      assert.deepEqual(
        (await admin.listAccounts({ home })).map((account) => account.address),
        [`a@${domain}`, `b@${domain}`],
      )
    })

    test('ensureDomain() changes what differs and says whether it did', async () => {
      const domain = await newDomain()
      const want = { name: domain, active: true, postmaster: `p@${domain}`, catchAll: null, isDefault: false }
      assert.equal(await admin.ensureDomain(want), true)
      assert.equal(await admin.ensureDomain(want), false)
      assert.equal(await admin.ensureDomain({ ...want, sending: 'v1.a' }), true)
      assert.equal(await admin.ensureDomain({ ...want, postmaster: null, active: false }), true)
      assert.deepEqual(await admin.domain(domain), { ...want, postmaster: null, active: false, sending: 'v1.a' })
      assert.equal(await admin.ensureDomain({ ...want, sending: null }), true)
      assert.ok((await admin.listDomains()).some((listed) => listed.name === domain))
      await assert.rejects(admin.ensureDomain({ ...want, name: 'no domain' }), { code: 'DIRECTORY_ADDRESS' })
    })

    test('removeDomain() removes what the owner keeps and nothing else', async () => {
      const operator = openDirectoryAdmin(target.access('operator'))
      const domain = await newDomain()
      const entry = { name: domain, active: true, postmaster: null, catchAll: null, isDefault: false }
      assert.equal(await operator.removeDomain(domain, 'Domain mail/a'), false, 'nobody keeps it')
      assert.equal(await operator.ensureDomain({ ...entry, owner: 'Domain mail/a' }), true)
      assert.equal(await admin.ensureDomain(entry), false, 'a command does not take it over')
      assert.equal(await operator.removeDomain(domain, 'Domain mail/b'), false)
      assert.deepEqual(await admin.domain(domain), { ...entry, owner: 'Domain mail/a' })
      assert.equal(await operator.removeDomain(domain, 'Domain mail/a'), true)
      assert.equal(await operator.removeDomain(domain, 'Domain mail/a'), false)
      assert.equal(await admin.domain(domain), null)
      await operator.close()
    })

    test('ensureShards() makes the list of shards true and drains the others', async () => {
      const operator = openDirectoryAdmin(target.access('operator'))
      const [a, b, c] = ['n8/0', 'n8/1', 'n9/0'].map(toShardName)
      assert.ok(a && b && c)
      await operator.ensureShards([
        { name: a, active: true },
        { name: b, active: true },
      ])
      await operator.ensureShards([
        { name: a, active: true },
        { name: c, active: true },
      ])
      assert.deepEqual(await admin.shards(), [
        { name: a, active: true },
        { name: b, active: false },
        { name: c, active: true },
      ])
      await operator.close()
    })
  })
}
