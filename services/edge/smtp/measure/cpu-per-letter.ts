/**
 * CPU that one letter costs an edge, for the own receiver and for the package smtp-server with the same intake behind it; the
 * shards are left out (a deliverer that stores nothing). No test: figures depend on the machine. Log lines go to standard
 * output as in production, figures to standard error:
 * `node services/edge/smtp/measure/cpu-per-letter.ts own 20000 4096 > /dev/null`, or `smtp-server` in place of `own`.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Server } from 'node:net'
import { PerformanceObserver } from 'node:perf_hooks'
import { SMTPServer } from 'smtp-server'
import { known } from '#lib/errors/assert.ts'
import { createLogger } from '#lib/log/logger.ts'
import { Registry } from '#lib/metrics/metrics.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import type { Reply } from '#lib/smtp/mod.ts'
import { secureContext } from '#lib/tls/material.ts'
import { PasswordGate } from '../../auth/password-gate.ts'
import { ConnectionLimits } from '../../connection-limits.ts'
import { createEdgeMetrics } from '../../metrics.ts'
import { ProxiedClients } from '../../policy/proxied-clients.ts'
import { testTlsMaterial } from '../../testing/certificates.ts'
import { FakeDirectory } from '../../testing/fake-directory.ts'
import { BodyBudget } from '../body-budget.ts'
import { DeliveryIds } from '../delivery-ids.ts'
import type { LetterBody } from '../letter-body.ts'
import { LetterIntake } from '../letter-intake.ts'
import { Ownership } from '../ownership.ts'
import { Recipients } from '../recipients.ts'
import { SmtpServer } from '../smtp-server.ts'
import { type Peer, type SmtpListener, SmtpService } from '../smtp-service.ts'

const [engine = 'own', letters = '20000', bytes = '4096'] = process.argv.slice(2)
const CONNECTIONS = 20
/** Letters before anything is counted: the code is compiled by then. */
const WARM_LETTERS = 10_000
const MIB = 1024 * 1024
const LISTENER: SmtpListener = { name: 'smtp', source: 'smtp', tls: 'none' }

function service(): SmtpService {
  const clock = nodeClock
  const random = nodeRandom
  const logger = createLogger('info', { service: 'edge', pod: 'measure' })
  const metrics = createEdgeMetrics(new Registry())
  const directory = new FakeDirectory()
  directory.add({ address: 'anna@example.test', home: 'n1/0' })
  const budget = new BodyBudget(128 * MIB, metrics)
  const hostname = 'mx.example.test'
  const context = secureContext(testTlsMaterial(hostname))
  const ownership = new Ownership({ directory, metrics, logger })
  return new SmtpService({
    ownership,
    hostname,
    messageBytesMax: 50 * MIB,
    recipientsMax: 1000,
    showClientAddress: false,
    recipients: new Recipients({
      directory,
      checks: { check: async (shard) => ({ shard, verdict: 'ok' }) },
      logger,
      metrics,
      postmaster: null,
    }),
    intake: new LetterIntake({
      deliverer: {
        deliver: async (_, deliveries) => deliveries.map(() => ({ kind: 'stored', uid: 1, duplicate: false })),
        deliverStream: async (_, deliveries) => deliveries.map(() => ({ kind: 'unavailable' })),
      },
      ids: new DeliveryIds(clock, random),
      ownership,
      filter: null,
      hostname,
      clock,
      random,
      logger,
      metrics,
    }),
    policy: null,
    budget,
    directory,
    gate: new PasswordGate({ directory, clock, logger, metrics }),
    tokens: null,
    scram: false,
    limits: new ConnectionLimits({ connectionsMax: 1000, perAddressMax: 1000, metrics }),
    clock,
    random,
    logger,
    metrics,
    tls: () => context,
  })
}

/** The package, with the handlers of the service behind its callbacks and a stream between. */
function packageServer(service: SmtpService): Server {
  const peers = new WeakMap<object, Peer>()
  const peerOf = (session: object) => known(peers.get(session), 'connected')
  const done = (refusal: Reply | null, callback: (error?: Error | null) => void) =>
    callback(refusal === null ? null : new Error(refusal.text))
  const server = new SMTPServer({
    disabledCommands: ['STARTTLS', 'AUTH'],
    disableReverseLookup: true,
    logger: false,
    onConnect(session, callback) {
      peers.set(session, service.stranger(LISTENER, session.remoteAddress))
      callback()
    },
    onMailFrom(address, session, callback) {
      const mail = { reversePath: address.address, sizeBytes: 0, body: '7BIT', smtpUtf8: false } as const
      const decision = service.sender(peerOf(session), { ...mail, dsn: { ret: null, envid: null } })
      void Promise.resolve(decision).then((refusal) => done(refusal, callback))
    },
    onRcptTo(address, session, callback) {
      const rcpt = { forwardPath: address.address, dsn: { notify: null, orcpt: null } }
      void service.recipient(peerOf(session), rcpt).then((refusal) => done(refusal, callback))
    },
    onData(stream, session, callback) {
      const peer = peerOf(session)
      const beganMs = service.clock.monotonicMs()
      const facts = { protocol: 'ESMTP', helo: 'load.example.net', tls: null } as const
      const body: LetterBody = service.newBody(peer, {
        onReady: () =>
          void service.letter(peer, body, beganMs, facts).then(([reply]) => callback(null, reply?.text ?? 'none')),
        onRoom: () => stream.resume(),
      })
      stream.on('data', (chunk: Buffer) => {
        if (!body.push(chunk)) stream.pause()
      })
      stream.on('end', () => body.end())
    },
  })
  return server.server
}

async function pour(port: number, count: number): Promise<void> {
  const args = [port, CONNECTIONS, count, bytes].map(String)
  const load = spawn(process.execPath, [new URL('./load.ts', import.meta.url).pathname, ...args], { stdio: 'inherit' })
  const [code] = await once(load, 'exit')
  if (code !== 0) throw new Error(`The load ended with ${code}`)
}

let collectedMs = 0
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) collectedMs += entry.duration
}).observe({ entryTypes: ['gc'] })

const server =
  engine === 'own'
    ? new SmtpServer(
        service(),
        LISTENER,
        new ProxiedClients([], nodeClock, createLogger('info', { service: 'edge', pod: 'measure' })),
      ).server
    : packageServer(service())
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const address = server.address()
const port = typeof address === 'object' && address !== null ? address.port : 0
await pour(port, WARM_LETTERS)
collectedMs = 0
const before = process.cpuUsage()
await pour(port, Number(letters))
const used = process.cpuUsage(before)
const perLetter = (ms: number) => `${(ms / Number(letters)).toFixed(3)} ms`
process.stderr.write(
  `${engine}: ${letters} letters of ${bytes} bytes, ${perLetter((used.user + used.system) / 1000)} of CPU each, ` +
    `${perLetter(used.system / 1000)} of it in the kernel, ${perLetter(collectedMs)} collecting garbage\n`,
)
server.close()
process.exit()
