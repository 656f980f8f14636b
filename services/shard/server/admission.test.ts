/** Sessions of administrators: only with a ticket that provisioning has left, once, and also where users are kept out. */
import assert from 'node:assert/strict'
import { duplexPair } from 'node:stream'
import { test } from 'node:test'
import { FrameDecoder } from '#lib/frames/codec.ts'
import {
  decodeRefusal,
  encodeHello,
  encodeSessionOpen,
  FrameType,
  type Purpose,
  type RefusalReason,
} from '#lib/frames/shard-protocol.ts'
import { writeFrame } from '#lib/link/rpc-client.ts'
import { silentLogger } from '#lib/log/logger.ts'
import { toShardName } from '#lib/mail/types.ts'
import { Registry } from '#lib/metrics/metrics.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import type { PeerIdentity, Role } from '#lib/tls/roles.ts'
import { ANNA, type World, worldWith } from '../mailbox/testing/world.ts'
import { createShardMetrics } from '../metrics.ts'
import { createSessionHost } from '../sessions/host.ts'
import type { Served } from './served.ts'
import { serveStream } from './streams.ts'

const SHARD = toShardName('n1/0')
const TICKET = 't'.repeat(32)

function shardOf(world: World) {
  const never = () => assert.fail('nobody asks for this')
  const served: Served = {
    shard: SHARD,
    serving: () => ({ kind: 'primary', store: world.store }),
    status: never,
    mayServe: () => true,
    admit: () => null,
    mayAcknowledge: () => true,
    command: never,
  }
  const metrics = createShardMetrics(new Registry(), never, never, never)
  const environment = { served, clock: nodeClock, logger: silentLogger, metrics, sessionsMax: 10 }
  const context = { ...environment, openSession: createSessionHost(environment), peerPod: 'n1-1', openReplica: never }

  /** Says one frame as a role. @returns what is answered */
  async function say(role: Role, purpose: Purpose, type: number, payload: Uint8Array): Promise<number | RefusalReason> {
    const [client, server] = duplexPair()
    const peer: PeerIdentity = { role, owner: 'test' }
    serveStream(server, peer, context)
    writeFrame(client, FrameType.hello, 0, [encodeHello({ purpose, shard: SHARD, caller: 'test' })])
    writeFrame(client, type, 1, [payload])
    const decoder = new FrameDecoder()
    for await (const chunk of client) {
      decoder.push(chunk)
      const frame = decoder.next()
      if (!frame) continue
      client.destroy()
      return frame.type === FrameType.refused ? decodeRefusal(frame.payload).reason : frame.type
    }
    return assert.fail('nothing was answered')
  }

  return {
    tell: (role: Role, command: object) =>
      say(role, 'rpc', FrameType.accountCommand, Buffer.from(JSON.stringify({ account: ANNA, ...command }))),
    open: (role: Role, sessionId: string) =>
      say(
        role,
        'session',
        FrameType.sessionOpen,
        encodeSessionOpen({
          protocol: 'imap',
          account: ANNA,
          login: 'anna',
          sessionId,
          clientAddress: '127.0.0.1',
          clientPort: 0,
          tls: null,
          clientId: [],
        }),
      ),
  }
}

const admit = { kind: 'admit', ticket: TICKET, seconds: 60 }

test('the command line opens a session with a ticket of provisioning, once', async () => {
  const shard = shardOf(await worldWith())
  assert.equal(await shard.open('cli', TICKET), 'forbidden')
  assert.equal(await shard.tell('provision', admit), FrameType.accountResult)
  assert.equal(await shard.open('cli', 'x'.repeat(32)), 'forbidden')
  assert.equal(await shard.open('cli', TICKET), FrameType.sessionOpened)
  assert.equal(await shard.open('cli', TICKET), 'forbidden')
})

test('nobody but provisioning admits sessions: else the audit trail could be passed by', async () => {
  const shard = shardOf(await worldWith())
  for (const role of ['cli', 'operator'] as const) assert.equal(await shard.tell(role, admit), 'forbidden')
  assert.equal(await shard.open('cli', TICKET), 'forbidden')
})

test('an administrator sees a suspended account, its user does not', async () => {
  const world = await worldWith()
  const shard = shardOf(world)
  const suspended = world.store.runAccountCommand({ kind: 'suspend', account: ANNA })
  await new Promise((resolve) => setImmediate(resolve))
  world.log.sync()
  await suspended
  assert.equal(await shard.open('edge', 's1'), 'suspended')
  await shard.tell('provision', admit)
  assert.equal(await shard.open('cli', TICKET), FrameType.sessionOpened)
})
