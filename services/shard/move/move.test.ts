import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { QueueRequest } from '#lib/frames/queue.ts'
import { Flag, NO_FLAGS } from '#lib/mail/flags.ts'
import { type AccountId, toUid } from '#lib/mail/types.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { sleep } from '#lib/ports/clock.ts'
import type { MailStore } from '../mailbox/mail-store.ts'
import { ANNA, BERT, recipient } from '../mailbox/testing/world.ts'
import { contents, TwoShards } from './testing/two-shards.ts'

async function letter(store: MailStore, text: string, account: AccountId = ANNA, mailbox = 'INBOX'): Promise<string> {
  const request = { traceId: 't', reversePath: 's@example.org', recipients: [recipient(account, { mailbox })] }
  const [outcome] = await store.deliver(request, [Buffer.from(text)])
  return outcome?.kind ?? 'none'
}

async function open(store: MailStore, name: string) {
  const account = store.openImapAccount(ANNA)
  const info = account.find(name) ?? assert.fail(name)
  return { account, box: await account.open(info.id, false, () => undefined) }
}

/** A letter of Anna's for somebody far away. */
async function submit(store: MailStore, to: string, text: string): Promise<string> {
  const { deliveryId } = recipient(ANNA)
  const queue: QueueRequest = {
    account: ANNA,
    deliveryId,
    headerBlock: Buffer.from('Received: here\r\n'),
    eightBit: true,
    smtpUtf8: false,
    ret: 'HDRS',
    envid: 'e1',
    recipients: [
      { address: to, notify: ['FAILURE', 'DELAY'], orcpt: `rfc822;${to}` },
      { address: `other-${to}`, notify: null, orcpt: null },
    ],
  }
  const request = { traceId: 't', reversePath: 'anna@example.test', recipients: [], queue }
  const [outcome] = await store.deliver(request, [Buffer.from(text)])
  return outcome?.kind ?? 'none'
}

/** An account with everything that one can have. */
async function lived(world: TwoShards, name = 'n1/0'): Promise<void> {
  const { store } = world.shard(name)
  const own = { kind: 'own', account: ANNA, generation: 1, quotaBytes: 5_000_000_000, locale: 'en' } as const
  await store.runAccountCommand(own)
  for (let i = 0; i < 30; i++) assert.equal(await letter(store, `letter ${i}`), 'stored')
  await letter(store, 'L'.repeat(1_200_000))
  const { account, box } = await open(store, 'INBOX')
  await account.create('Projects', null)
  await account.create('Projects/Old', null)
  await account.rename('Projects/Old', 'Projects/Older')
  await account.create('Doomed', null)
  await account.delete('Doomed')
  await account.subscribe('Elsewhere', true)
  await account.setMetadata(null, [{ name: '/private/comment', value: Buffer.from('mine') }])
  await account.setMetadata(box.info.id, [{ name: '/private/comment', value: Buffer.from('in') }])
  await account.append({
    mailbox: 'Drafts',
    flags: { system: Flag.draft, keywords: ['$Forwarded'] },
    internalDateMs: 86_400_000,
    body: [Buffer.from('a draft')],
  })
  const uids = (...numbers: number[]) => numbers.map(toUid)
  await box.copy(uids(1, 2, 3), 'Projects')
  await box.move(uids(4, 5), 'Projects/Older')
  await box.store({
    uids: uids(6, 7),
    change: 'add',
    flags: { system: Flag.seen, keywords: ['work'] },
  })
  await box.store({
    uids: uids(8, 9, 10),
    change: 'add',
    flags: { system: Flag.deleted, keywords: [] },
  })
  await box.expunge(null)
  await box.claimRecent()
  box.close()
  assert.equal(await submit(store, 'x@far.example', 'waits'), 'queued')
  assert.equal(await submit(store, 'y@near.example', 'is held'), 'queued')
  await store.queue.order({ kind: 'hold', filter: { to: 'near.example' } })
}

test('a move keeps everything of an account, and a second one brings it back', async (context) => {
  const world = await TwoShards.make(context)
  await lived(world)
  const before = await contents(world.shard('n1/0'), ANNA)
  await world.move('n1/0', 'n2/0', ANNA)
  assert.deepEqual(await contents(world.shard('n2/0'), ANNA), before)
  assert.equal(world.shard('n2/0').index.account(ANNA)?.generation, 2)
  await world.checkLogs()
  await letter(world.shard('n2/0').store, 'one more')
  const later = await contents(world.shard('n2/0'), ANNA)
  await world.move('n2/0', 'n1/0', ANNA)
  assert.deepEqual(await contents(world.shard('n1/0'), ANNA), later)
  await world.checkLogs()
})

test('a letter that is being tried stays until it is known what came of it', async (context) => {
  const world = await TwoShards.make(context)
  await lived(world)
  const { store } = world.shard('n1/0')
  const items = await store.queue.take({ itemsMax: 9, busy: [], waitMs: 0 }, context)
  assert.equal(items.length, 1, 'the other one is held')
  await world.start('n1/0', 'n2/0', ANNA)
  await until(() => world.shard('n2/0').index.queue.openEntries(0, 9).length === 1)
  const [item] = items
  assert.ok(item)
  const results = item.recipients.map(({ place }) => ({
    place,
    kind: 'delivered' as const,
    reply: '',
    remote: '',
    dsn: false,
  }))
  await store.queue.result({ attempt: item.attempt, results })
  await world.settled()
  assert.equal(world.shard('n1/0').index.queue.openEntries(0, 9).length, 0)
  assert.equal(world.shard('n2/0').index.queue.openEntries(0, 9).length, 1)
})

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 2_000 && !holds(); tries++) await sleep(nodeClock, 2)
  assert.ok(holds())
}

test('after a move its source says where the account is, and its sessions have ended', async (context) => {
  const world = await TwoShards.make(context)
  await lived(world)
  const { store } = world.shard('n1/0')
  const ended: string[] = []
  store.registerSession(ANNA, 'imap', (reason) => ended.push(reason))
  const { account, box } = await open(store, 'INBOX')
  await world.move('n1/0', 'n2/0', ANNA)
  assert.deepEqual(ended, ['The account has moved to another server, please connect again'])
  assert.deepEqual(store.checkRecipients([{ account: ANNA, sizeBytes: 0 }]), [{ kind: 'moved', target: 'n2/0' }])
  assert.equal(await letter(store, 'late'), 'moved')
  assert.equal(store.whyNotServed(ANNA)?.code, 'STORE_MOVED')
  await assert.rejects(store.runAccountCommand({ kind: 'suspend', account: ANNA }), { code: 'STORE_MOVED' })
  await assert.rejects(account.create('Late', null), { code: 'STORE_MOVED' })
  await assert.rejects(box.store({ uids: [toUid(1)], change: 'add', flags: NO_FLAGS }))
})

test('a letter that comes again after a move is known at the target', async (context) => {
  const world = await TwoShards.make(context)
  await lived(world)
  const to = recipient(ANNA)
  const request = { traceId: 't', reversePath: 's@example.org', recipients: [to] }
  const [first] = await world.shard('n1/0').store.deliver(request, [Buffer.from('once')])
  assert.equal(first?.kind, 'stored')
  await world.move('n1/0', 'n2/0', ANNA)
  const [second] = await world.shard('n2/0').store.deliver(request, [Buffer.from('once')])
  assert.deepEqual(second, { ...first, duplicate: true })
})

test('letters, flags and expunges go on during a move, and none is lost or doubled', async (context) => {
  const world = await TwoShards.make(context)
  await lived(world)
  let home = world.shard('n1/0')
  const stored = new Set<string>()
  let stop = false
  const writer = (async () => {
    for (let i = 0; !stop; i++) {
      const kind = await letter(home.store, `while moving ${i}`)
      if (kind === 'moved') home = home.name === 'n1/0' ? world.shard('n2/0') : world.shard('n1/0')
      if (kind === 'stored') stored.add(`while moving ${i}`)
      else i--
      await sleep(nodeClock, 1)
    }
  })()
  const changer = (async () => {
    for (let uid = 11; !stop; uid = uid > 28 ? 11 : uid + 1) {
      try {
        const { box } = await open(home.store, 'INBOX')
        const flags = { system: uid % 2 === 0 ? Flag.flagged : Flag.answered, keywords: [] }
        await box.store({ uids: [toUid(uid)], change: 'add', flags })
        box.close()
      } catch {
        await sleep(nodeClock, 1) // just then it moves
      }
      await sleep(nodeClock, 1)
    }
  })()
  for (const [from, to] of [
    ['n1/0', 'n2/0'],
    ['n2/0', 'n1/0'],
    ['n1/0', 'n2/0'],
  ] as const) {
    await world.move(from, to, ANNA)
    await sleep(nodeClock, 30)
  }
  stop = true
  await Promise.all([writer, changer])
  const texts = JSON.stringify(await contents(world.shard('n2/0'), ANNA)).match(/while moving \d+/g) ?? []
  assert.deepEqual(texts.toSorted(), [...stored].toSorted())
  assert.ok(stored.size > 20, `${stored.size} letters came while it moved`)
  await world.checkLogs()
})

test('a move that is cancelled leaves no trace at the target and nothing changed at the source', async (context) => {
  const world = await TwoShards.make(context)
  await lived(world)
  const before = await contents(world.shard('n1/0'), ANNA)
  world.fault = async (when, what) => {
    if (when === 'before' && what === 'copy') {
      await world.shard('n1/0').store.moves?.order({ kind: 'cancel', account: ANNA })
      return true
    }
    return false
  }
  const { move } = await world.start('n1/0', 'n2/0', ANNA)
  await world.settled()
  assert.deepEqual(await contents(world.shard('n1/0'), ANNA), before)
  assert.equal(world.shard('n2/0').index.account(ANNA)?.status, 'deleted')
  const over = world.notices.find((notice) => notice.kind === 'over' && notice.move === move)
  assert.equal(over?.kind === 'over' && over.phase, 'cancelled')
  assert.equal(await letter(world.shard('n1/0').store, 'it stays'), 'stored')
  assert.equal(await letter(world.shard('n2/0').store, 'not there'), 'unknown')
  world.fault = async () => false
  await world.move('n1/0', 'n2/0', ANNA)
  await world.checkLogs()
})

test('a target that may not take accounts ends the move before anything is copied', async (context) => {
  const world = await TwoShards.make(context)
  await lived(world)
  const { move } = await world.start('n1/0', 'n2/0', ANNA)
  world.mayNot = 'the members of this shard run different versions'
  await world.settled()
  const over = world.notices.find((notice) => notice.kind === 'over' && notice.move === move)
  assert.deepEqual(over?.kind === 'over' && [over.phase, over.reason], ['failed', world.mayNot])
  assert.equal(await letter(world.shard('n1/0').store, 'it stays'), 'stored')
  await assert.rejects(world.start('n1/0', 'n2/0', ANNA), { code: 'STORE_MOVE' })
})

test('an account has one move at a time, and the same order finds the one that is under way', async (context) => {
  const world = await TwoShards.make(context)
  await lived(world)
  const { move } = await world.start('n1/0', 'n2/0', ANNA, 'once')
  assert.equal((await world.start('n1/0', 'n2/0', ANNA, 'once')).move, move)
  await assert.rejects(world.start('n1/0', 'n2/0', ANNA, 'twice'), { code: 'STORE_MOVE' })
  await world.settled()
  assert.equal((await world.start('n1/0', 'n2/0', ANNA, 'once')).phase, 'done')
  await assert.rejects(world.start('n1/0', 'n2/0', ANNA, 'thrice'), { code: 'STORE_MOVED' })
  await assert.rejects(world.start('n1/0', 'n2/0', BERT), { code: 'STORE_UNKNOWN_ACCOUNT' })
})

test('an account that is suspended, or deleted while it moves, stays so', async (context) => {
  const world = await TwoShards.make(context)
  await lived(world)
  await world.shard('n1/0').store.runAccountCommand({ kind: 'suspend', account: ANNA })
  await world.move('n1/0', 'n2/0', ANNA)
  assert.equal(world.shard('n2/0').index.account(ANNA)?.status, 'suspended')
  world.fault = async (when, what) => {
    if (when === 'after' && what === 'offer')
      await world.shard('n2/0').store.runAccountCommand({ kind: 'delete', account: ANNA })
    return false
  }
  await world.start('n2/0', 'n1/0', ANNA)
  await world.settled()
  assert.equal(world.shard('n2/0').index.account(ANNA)?.status, 'deleted')
  assert.equal(world.shard('n1/0').index.account(ANNA)?.status, 'moved')
})

/** Each message of a whole move: the process that gets it, or the one that sent it, dies before or after. */
for (const victim of ['n1/0', 'n2/0'] as const) {
  test(`a move ends well whenever ${victim === 'n1/0' ? 'its source' : 'its target'} dies`, async (context) => {
    for (let kill = 0; kill < 60; kill++) {
      const world = await TwoShards.make(context)
      await lived(world)
      const before = await contents(world.shard('n1/0'), ANNA)
      let messages = 0
      let killed = false
      world.fault = async () => {
        if (killed || messages++ !== kill) return false
        killed = true
        await world.restart(victim)
        return true
      }
      await world.start('n1/0', 'n2/0', ANNA)
      await world.settled()
      assert.equal(world.shard('n1/0').index.account(ANNA)?.status, 'moved', `message ${kill}`)
      assert.deepEqual(await contents(world.shard('n2/0'), ANNA), before, `message ${kill}`)
      assert.equal(world.shard('n2/0').index.account(ANNA)?.generation, 2)
      assert.equal(world.shard('n1/0').index.queue.openEntries(0, 9).length, 0, `message ${kill}`)
      await world.checkLogs()
      world.stop()
      if (!killed) {
        assert.ok(kill > 10, `a move has ${kill} messages`)
        return
      }
    }
    assert.fail('a move has more messages than were tried')
  })
}
