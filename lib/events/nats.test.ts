import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { jetstreamManager } from '@nats-io/jetstream'
import { silentLogger } from '#lib/log/logger.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { type AuditPlace, readAudit } from './audit.ts'
import type { AnyEvent, ProvisionResult } from './events.ts'
import { listenEvents } from './listener.ts'
import { createProvisioningClient } from './provisioning.ts'
import { createEventPublisher, type EventPublisher } from './publisher.ts'
import { NatsFixture, needsNats } from './testing/nats-fixture.ts'
import { type CommandDelivery, type CommandOutcome, startWorkQueue, type WorkQueue } from './work-queue.ts'

const ADDRESS = 'anna@a.example'

describe('events over a real nats-server', needsNats, () => {
  const nats = new NatsFixture()
  /** What the worker does with each command; a test puts its own in. */
  let work: (delivery: CommandDelivery) => Promise<CommandOutcome>
  let queue: WorkQueue
  let publisher: EventPublisher

  const answer = (delivery: CommandDelivery, changed = true): Promise<CommandOutcome> => {
    const result: ProvisionResult = { ok: true, commandId: delivery.event.id, changed, account: null }
    return publisher
      .publish('provision.result', result, `${delivery.event.id}-result`)
      .then(() => ({ kind: 'done' }) as const)
  }

  before(async () => {
    await nats.start()
    const link = nats.link('provision')
    publisher = createEventPublisher(link, { source: 'provision', clock: nodeClock, random: nodeRandom })
    work = (delivery) => answer(delivery)
    queue = startWorkQueue({
      link,
      replicas: 1,
      clock: nodeClock,
      logger: silentLogger,
      handle: (delivery) => work(delivery),
    })
  })
  after(async () => {
    await queue.close()
    await nats.close()
  })

  const client = (user: 'cli' | 'operator' = 'cli') =>
    createProvisioningClient({
      link: nats.link(user),
      clock: nodeClock,
      random: nodeRandom,
      actor: { name: 'admin', origin: user },
    })

  test('submit() sends a command and reads its result', async () => {
    let seen: CommandDelivery | null = null
    work = (delivery) => {
      seen = delivery
      return answer(delivery)
    }
    const result = await client().createAccount({ address: ADDRESS, password: 'secret of anna' })
    assert.deepEqual(result, { ok: true, commandId: result.commandId, changed: true, account: null })
    assert.ok(seen)
    const { event, place }: CommandDelivery = seen
    assert.equal(event.payload.command.kind, 'account.create')
    assert.deepEqual(event.payload.actor, { name: 'admin', origin: 'cli' })
    assert.ok(!JSON.stringify(event).includes('secret of anna'), 'the password does not travel')
    assert.ok(place.sequence >= 1 && place.stream > 0)
  })

  test('submit() of the same id again reads the result that is there, and nobody works twice', async () => {
    let worked = 0
    work = (delivery) => {
      worked++
      return answer(delivery)
    }
    const operator = client('operator')
    const first = await operator.submit({ kind: 'account.resume', address: ADDRESS }, { id: 'once' })
    const second = await operator.submit({ kind: 'account.resume', address: ADDRESS }, { id: 'once' })
    assert.deepEqual(second, first)
    assert.equal(worked, 1)
  })

  test('submit() waits while the worker cannot, and the command comes again', async () => {
    const deliveries: number[] = []
    work = async (delivery) => {
      deliveries.push(delivery.delivery)
      if (delivery.delivery === 1) return { kind: 'retry' }
      if (delivery.delivery === 2) throw new Error('unexpected')
      return await answer(delivery)
    }
    assert.equal((await client().deleteAccount(ADDRESS)).ok, true)
    assert.deepEqual(deliveries, [1, 2, 3])
  })

  test('submit() gives up without a result, and says that the command may still be carried out', async () => {
    const { promise: hanging, resolve: release } = Promise.withResolvers<CommandOutcome>()
    work = () => hanging
    await assert.rejects(client().resume(ADDRESS, { timeoutMs: 300 }), { code: 'PROVISION_TIMEOUT' })
    work = (delivery) => answer(delivery)
    release({ kind: 'retry' })
  })

  test('submit() refuses a command that breaks its schema before it is sent', async () => {
    await assert.rejects(client().setQuota(ADDRESS, -1), { code: 'EVENTS_INVALID' })
    await assert.rejects(client().resume(ADDRESS, { id: 'not an id' }), { code: 'EVENTS_INVALID' })
    await assert.rejects(client().setPassword(ADDRESS, ''), { code: 'SASL_SECRET' })
  })

  test('result() finds what a command got', async () => {
    const result = await client().suspend(ADDRESS, 'spam', { id: 'kept' })
    assert.deepEqual(await queue.result('kept'), result)
    assert.equal(await queue.result('never'), null)
  })

  test('publish() stores an event once, however often it is said', async () => {
    const link = nats.link('operator')
    const news = { name: 'a.example' }
    await publisher.publish('domain.changed', news, 'same')
    await publisher.publish('domain.changed', news, 'same')
    const manager = await jetstreamManager(await nats.link('provision').connection(5_000), { checkAPI: false })
    const before = (await manager.streams.info('TP_NEWS')).state.messages
    await publisher.publish('domain.changed', news, 'same')
    await publisher.publish('domain.changed', news, 'other')
    assert.equal((await manager.streams.info('TP_NEWS')).state.messages, before + 1)
    await link.close()
  })

  test('readAudit() reads the trail from a time or a place, in its order, over many batches', async () => {
    const link = nats.link('cli')
    const record = (target: string) => ({
      actor: { name: 'admin', origin: 'test' },
      action: 'account.create',
      target,
      reason: '',
      outcome: 'changed',
      before: null,
      after: null,
    })
    const read = async (place: AuditPlace) => {
      const targets: string[] = []
      const next = await readAudit(link, place, (event) => {
        if (event.type === 'audit.provision') targets.push(event.payload.target)
      })
      return { targets, next }
    }
    assert.deepEqual((await read({ sinceMs: nodeClock.nowMs() })).targets, [])
    const wanted = Array.from({ length: 600 }, (_, i) => `u${i}@a.example`)
    for (const target of wanted) await publisher.publish('audit.provision', record(target), `audit-${target}`)
    const all = await read({ sinceMs: 0 })
    assert.deepEqual(all.targets, wanted)
    assert.deepEqual(await read(all.next), { targets: [], next: all.next })
    await publisher.publish('audit.provision', record('last@a.example'), 'audit-last')
    assert.deepEqual((await read(all.next)).targets, ['last@a.example'])
    assert.deepEqual((await read({ sinceMs: nodeClock.nowMs() + 60_000 })).targets, [])
    await link.close()
  })

  test('listenEvents() hears news, and of gaps; offers wait while the server is away', async () => {
    const link = nats.link('edge')
    const { promise: heard, resolve: hear } = Promise.withResolvers<AnyEvent>()
    const { promise: first, resolve: firstGap } = Promise.withResolvers<void>()
    const { promise: second, resolve: secondGap } = Promise.withResolvers<void>()
    let gaps = 0
    listenEvents(link, ['account.changed'], hear, () => (++gaps === 1 ? firstGap() : secondGap()))
    await first
    await (await link.connection(5_000)).flush()
    await nats.stop()
    const changed = { account: 'a'.repeat(16), addresses: [ADDRESS], change: 'password' as const }
    publisher.offer('account.changed', changed)
    await nats.start()
    await second
    const event = await heard
    assert.equal(event.type, 'account.changed')
    assert.deepEqual(event.payload, changed)
    assert.equal(publisher.dropped, 0)
    assert.equal((await client().resume(ADDRESS)).ok, true)
  })

  test('connectNats() returns at once and connects when the server is there', async () => {
    await nats.stop()
    const link = nats.link('cli')
    assert.equal(link.connected, false)
    await assert.rejects(link.connection(50), { code: 'EVENTS_UNAVAILABLE' })
    await nats.start()
    await link.connection(10_000)
    assert.equal(link.connected, true)
  })

  test('connectNats() with a wrong password gets no connection', async () => {
    const link = nats.link('cli', 'edge')
    await assert.rejects(link.connection(700), { code: 'EVENTS_UNAVAILABLE' })
    assert.equal(link.connected, false)
  })

  const forbidden: [user: 'edge' | 'shard' | 'cli', subject: string][] = [
    ['edge', 'twinpost.provision.command'],
    ['edge', 'twinpost.account.changed'],
    ['shard', 'twinpost.provision.command'],
    ['shard', 'twinpost.route.changed'],
    ['cli', 'twinpost.provision.result.x'],
    ['cli', '$JS.API.STREAM.DELETE.TP_COMMANDS'],
    ['edge', '$JS.API.STREAM.INFO.TP_COMMANDS'],
  ]
  for (const [user, subject] of forbidden)
    test(`${user} may not publish to ${subject}`, async () => {
      const connection = await nats.link(user).connection(5_000)
      const { promise, resolve } = Promise.withResolvers<string>()
      void (async () => {
        for await (const status of connection.status()) if (status.type === 'error') resolve(String(status.error))
      })()
      connection.publish(subject, '{}')
      assert.match(await promise, /[Pp]ermissions? [Vv]iolation/)
    })

  for (const [user, subject] of [
    ['edge', 'twinpost.provision.command'],
    ['cli', 'twinpost.audit.>'],
    ['shard', '_INBOX_cli.>'],
    ['edge', '>'],
  ] as const)
    test(`${user} may not listen to ${subject}`, async () => {
      const connection = await nats.link(user).connection(5_000)
      const { promise, resolve } = Promise.withResolvers<string>()
      connection.subscribe(subject, { callback: (error) => resolve(String(error)) })
      assert.match(await promise, /[Pp]ermissions? [Vv]iolation/)
    })
})
