import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { toShardName } from '#lib/mail/types.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { addressText } from './address.ts'
import { LinkError } from './dialer.ts'
import { createShardRouter } from './shard-router.ts'

const SHARD = toShardName('n1/0')
const PATIENCE_MS = 5_000

/** Dials to members that are not reachable wait until the test lets them fail, as those to a node that is cut off do. */
function setUp({ reachable }: { readonly reachable: readonly string[] }) {
  const dialled: string[] = []
  const waiting: (() => void)[] = []
  const router = createShardRouter({
    dialer: {
      dial(address) {
        const member = /n1-([01])/.exec(addressText(address))?.[1] ?? ''
        dialled.push(member)
        if (reachable.includes(member)) return Promise.resolve(new PassThrough())
        const { promise, reject } = Promise.withResolvers<PassThrough>()
        waiting.push(() => reject(new LinkError('LINK_UNREACHABLE', 'Cannot reach n1-0: timed out')))
        return promise
      },
      close() {},
    },
    addressing: { hostPattern: '{mailNode}-{member}.{mailNode}.mail.svc', pod: null, socketDir: null },
    clock: nodeClock,
    caller: 'test',
  })
  const ask = () => router.withPrimary(SHARD, PATIENCE_MS, async () => 'answer')
  return { dialled, waiting, router, ask }
}

test('A member that could not be reached is not asked first again, however many attempts to it are still under way', async () => {
  const { dialled, waiting, ask, router } = setUp({ reachable: ['1'] })
  const early = ask()
  const late = ask()
  assert.equal(dialled.join(''), '0', 'both wait for one stream to the preferred member')
  waiting.shift()?.()
  assert.equal(await early, 'answer')
  assert.equal(await late, 'answer')
  dialled.length = 0
  for (let i = 0; i < 3; i++) assert.equal(await ask(), 'answer')
  assert.ok(!dialled.includes('0'), `dialled ${dialled.join()}`)
  router.close()
})

test('An attempt that fails late does not take back what another one found', async () => {
  const { router } = setUp({ reachable: ['0', '1'] })
  const gate = Promise.withResolvers<void>()
  const lost = () => new LinkError('LINK_LOST', 'Lost n1-0')
  /** Of each try the client of the member that was asked. */
  const ask = async (fails: () => Promise<void>) => {
    const asked: unknown[] = []
    await router.withPrimary(SHARD, PATIENCE_MS, async (rpc) => {
      asked.push(rpc)
      if (asked.length > 1) return
      await fails()
      throw lost()
    })
    return asked
  }
  const slow = ask(() => gate.promise)
  const [zero, one] = await ask(async () => {})
  assert.notEqual(zero, one)
  gate.resolve()
  assert.equal((await slow)[0], zero)
  let next: unknown = null
  await router.withPrimary(SHARD, PATIENCE_MS, async (rpc) => {
    next ??= rpc
  })
  assert.equal(next, one)
  router.close()
})
