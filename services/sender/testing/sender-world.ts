/** A sender between a real queue of a shard in memory and remote servers on loopback. */
import type { Duplex } from 'node:stream'
import { PassThrough } from 'node:stream'
import { sealingOf } from '#lib/directory/domain-sending.ts'
import type { Directory } from '#lib/directory/port.ts'
import { parseZone, zoneResolver } from '#lib/dns/zone-file.ts'
import { known } from '#lib/errors/assert.ts'
import { decodeDeliverBegin, encodeDeliverResult, FrameType } from '#lib/frames/shard-protocol.ts'
import type { RpcClient } from '#lib/link/rpc-client.ts'
import type { ShardRouter } from '#lib/link/shard-router.ts'
import { createLogger } from '#lib/log/logger.ts'
import { toShardName } from '#lib/mail/types.ts'
import { createRegistry } from '#lib/metrics/metrics.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import type { TlsSession } from '#lib/tls-policy/tls-report.ts'
import { SqliteIndex } from '#shard/index/sqlite-index.ts'
import { MailStore } from '#shard/mailbox/mail-store.ts'
import { MemoryLog } from '#shard/mailbox/testing/memory-log.ts'
import { ANNA } from '#shard/mailbox/testing/world.ts'
import { serveQueueFrame } from '#shard/server/queue-frames.ts'
import { LetterSigner } from '../letter-signer.ts'
import { createSenderMetrics } from '../metrics.ts'
import { routeTo, routeVia } from '../remote-route.ts'
import { Sender, type SenderOptions } from '../sender.ts'

export const SHARD = toShardName('n1/0')

/** What opens `sending` of the domain. */
export const SEALING = known(sealingOf('a word for tests'), 'a word')

export class SenderWorld {
  store: MailStore
  readonly log = new MemoryLog()
  readonly index = new SqliteIndex(':memory:')
  /** The stream that attempts belong to. */
  stream: Duplex = new PassThrough()
  mayServe = true
  /** What the directory says of example.test, sealed. */
  sending: string | null = null
  /** Bodies that came into mailboxes of ours. */
  readonly delivered: {
    readonly account: string
    readonly deliveryId: string
    readonly header: string
    readonly body: string
  }[] = []
  readonly tlsSessions: TlsSession[] = []
  readonly sender: Sender
  #letters = 0

  static async make(zone: string, port: number, given: Partial<SenderOptions> = {}): Promise<SenderWorld> {
    const world = new SenderWorld(zone, port, given)
    await world.store.runAccountCommand({ kind: 'own', account: ANNA, generation: 1, quotaBytes: null, locale: 'en' })
    world.sender.start()
    return world
  }

  private constructor(zone: string, port: number, given: Partial<SenderOptions>) {
    this.store = this.#open()
    const names = parseZone(zone)
    const route = {
      resolver: zoneResolver(() => names),
      random: nodeRandom,
      ownNames: new Set(['mx.example.test']),
      port,
      policies: null,
    }
    const metrics = createSenderMetrics(createRegistry('sender'), () => ({ letters: 0, connections: 0 }))
    const directory = this.#directory()
    const sealing = () => SEALING
    this.sender = new Sender({
      signer: new LetterSigner({ directory, sealing, clock: nodeClock, metrics }),
      shards: [SHARD],
      router: this.#router(),
      directory,
      route: (domain) => routeTo(domain, route),
      routeVia: (smarthost) => routeVia(smarthost, route.resolver),
      connection: { hostname: 'mx.example.test', tls: 'opportunistic', localAddress: null, ca: null, clock: nodeClock },
      tlsReports: { count: (session) => this.tlsSessions.push(session) },
      lettersMax: 100,
      clock: nodeClock,
      logger: createLogger('error', { service: 'sender' }),
      metrics,
      ...given,
    })
  }

  async submit(to: readonly string[], body = 'From: <anna@example.test>\r\n\r\nHello\r\n'): Promise<void> {
    const deliveryId = Buffer.alloc(16)
    deliveryId.writeUInt32BE(++this.#letters, 0)
    const recipients = to.map((address) => ({ address, notify: null, orcpt: null }))
    const queue = {
      account: ANNA,
      deliveryId,
      headerBlock: Buffer.from('Received: by mx.example.test\r\n'),
      eightBit: false,
      smtpUtf8: false,
      ret: null,
      envid: null,
      recipients,
    }
    await this.store.deliver(
      { traceId: `t${this.#letters}`, reversePath: 'anna@example.test', recipients: [], queue },
      [Buffer.from(body)],
    )
  }

  /** Another process is primary now: the log goes on, the stream is gone. */
  failOver(): void {
    this.store.depose('failover')
    this.stream.destroy()
    this.stream = new PassThrough()
    this.store = this.#open()
  }

  async until(what: () => boolean, withinMs = 8_000): Promise<void> {
    const deadline = nodeClock.monotonicMs() + withinMs
    while (!what()) {
      if (nodeClock.monotonicMs() > deadline) throw new Error('it did not come to that in time')
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  async stop(): Promise<void> {
    await this.sender.stop(200)
    this.store.depose('over')
    this.index.close()
  }

  #open(): MailStore {
    return new MailStore({
      log: this.log,
      index: this.index,
      clock: nodeClock,
      random: nodeRandom,
      hostname: 'mx.example.test',
      onFailure: (error) => {
        throw error
      },
    })
  }

  #router(): ShardRouter {
    const rpc = {
      request: async (type: number, [payload]: readonly Uint8Array[]): Promise<Buffer> => {
        const frame = { type, requestId: 1, payload: Buffer.from(payload ?? []) }
        const served = { mayServe: () => this.mayServe, shard: SHARD }
        return Buffer.from(await serveQueueFrame(frame, this.store.queue, this.stream, served))
      },
      open: (_type: number, [begin]: readonly Uint8Array[]) => {
        const { recipients } = decodeDeliverBegin(begin ?? new Uint8Array())
        const pieces: Uint8Array[] = []
        const { promise, resolve } = Promise.withResolvers<Buffer>()
        return {
          answer: promise,
          send: async (type: number, more: readonly Uint8Array[]) => {
            if (type === FrameType.deliverData) pieces.push(...more.map((one) => Buffer.from(one)))
            else {
              for (const { account, deliveryId, headerBlock } of recipients) {
                this.delivered.push({
                  account,
                  deliveryId: Buffer.from(deliveryId).toString('hex'),
                  header: Buffer.from(headerBlock).toString(),
                  body: Buffer.concat(pieces).toString(),
                })
              }
              resolve(encodeDeliverResult([{ kind: 'stored', uid: 1, duplicate: false }]))
            }
          },
        }
      },
    }
    return {
      // The few members that a sender uses.
      withPrimary: (_shard, _patienceMs, ask) => ask(rpc as unknown as RpcClient),
      openSession: () => Promise.reject(new Error('not here')),
      forget: () => undefined,
      close: () => undefined,
    }
  }

  #directory(): Directory {
    const account = {
      id: ANNA,
      address: 'anna@example.test',
      aliases: [],
      displayName: '',
      home: SHARD,
      generation: 1,
      status: 'active' as const,
      quotaBytes: null,
    }
    const here: Pick<Directory, 'lookup' | 'domain'> = {
      lookup: async (address) =>
        address === account.address ? { kind: 'account', account, detail: null } : { kind: 'unknown-address' },
      domain: async (name) =>
        name === 'example.test' ? { name, active: true, catchAll: null, sending: this.sending } : null,
    }
    return here as unknown as Directory // a sender asks nothing else
  }
}
