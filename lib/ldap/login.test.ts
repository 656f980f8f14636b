import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DirectoryAccount } from '#lib/directory/port.ts'
import { toAccountId, toShardName } from '#lib/mail/types.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { hashPassword } from '#lib/sasl/password.ts'
import { PasswordChecker } from './login.ts'

const ANNA: DirectoryAccount = {
  id: toAccountId('anna'.repeat(4)),
  address: 'anna@a.example',
  aliases: [],
  displayName: 'Anna',
  home: toShardName('n1/0'),
  generation: 1,
  status: 'active',
  quotaBytes: null,
}

async function world() {
  const clock = { now: 0, nowMs: () => 0, monotonicMs: () => clock.now, after: () => () => {} }
  const passwordHash = await hashPassword('right', nodeRandom, { memoryKib: 64, passes: 1, lanes: 1 })
  let asked = 0
  let current: DirectoryAccount | null = ANNA
  const checker = new PasswordChecker({
    clock,
    random: nodeRandom,
    async find(address) {
      asked++
      return address === ANNA.address
        ? { account: ANNA, secrets: { passwordHash, scramKeys: null, appPasswords: [] } }
        : null
    },
    current: async () => current,
  })
  return {
    clock,
    checker,
    asked: () => asked,
    become(account: DirectoryAccount | null) {
      current = account
    },
    check: (password: string) => checker.check(ANNA.address, password, 'imap'),
  }
}

test('PasswordChecker remembers a success for five minutes, and no failure', async () => {
  const { clock, check, asked } = await world()
  for (let i = 0; i < 3; i++) assert.equal((await check('right')).kind, 'ok')
  assert.equal(asked(), 1)
  for (let i = 0; i < 3; i++) assert.equal((await check('wrong')).kind, 'denied')
  assert.equal(asked(), 4)
  clock.now = 5 * 60_000
  assert.equal((await check('right')).kind, 'ok')
  assert.equal(asked(), 5)
})

test('PasswordChecker hashes once for logins that come at the same time', async () => {
  const { check, asked } = await world()
  const verdicts = await Promise.all(Array.from({ length: 5 }, () => check('right')))
  assert.ok(verdicts.every((verdict) => verdict.kind === 'ok'))
  assert.equal(asked(), 1)
})

test('PasswordChecker asks again after news by address and by id', async () => {
  const { checker, check, asked } = await world()
  await check('right')
  checker.forget(ANNA.address)
  await check('right')
  checker.forget(ANNA.id)
  await check('right')
  checker.forget('otto@a.example')
  await check('right')
  assert.equal(asked(), 3)
})

test('PasswordChecker follows the state of the account even from memory', async () => {
  const { check, become } = await world()
  assert.equal((await check('right')).kind, 'ok')
  become({ ...ANNA, status: 'suspended' })
  assert.equal((await check('right')).kind, 'suspended')
  become(null)
  assert.equal((await check('right')).kind, 'denied')
  become({ ...ANNA, id: toAccountId('otto'.repeat(4)) })
  assert.equal((await check('right')).kind, 'denied', 'another account under the same address')
})

test('PasswordChecker refuses to queue without bound', async () => {
  const { checker } = await world()
  const verdicts = await Promise.allSettled(
    Array.from({ length: 600 }, (_, i) => checker.check(ANNA.address, `wrong ${i}`, 'imap')),
  )
  const refused = verdicts.filter((verdict) => verdict.status === 'rejected')
  assert.ok(refused.length >= 90 && refused.length < 600, String(refused.length))
  assert.ok(refused.every((verdict) => verdict.reason.code === 'DIRECTORY_UNAVAILABLE'))
})
