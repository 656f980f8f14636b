/** A real nats-server for tests: our own configuration file, a free port, a folder that is removed afterwards. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '#lib/log/logger.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { sleep } from '#lib/ports/clock.ts'
import { connectNats, type NatsLink } from '../nats.ts'
import { NATS_USERS, type NatsUser } from '../permissions.ts'
import { natsServerConfig } from '../server-config.ts'
import { TEST_TLS } from './certificate.ts'

const installed = new URL('../../../.tools/nats-server/bin/nats-server', import.meta.url).pathname
const binary = process.env['TWINPOST_NATS_SERVER'] ?? installed

/** Options for `test` or `describe`: skipped, with the reason, where there is no nats-server. */
export const needsNats = existsSync(binary)
  ? {}
  : { skip: `no nats-server at ${binary}: set TWINPOST_NATS_SERVER or run make up once` }

export class NatsFixture {
  readonly #folder = mkdtempSync(join(tmpdir(), 'twinpost-nats-'))
  readonly #links: NatsLink[] = []
  #port = 0
  #process: ChildProcess | null = null

  async start(): Promise<void> {
    if (this.#port === 0) this.#port = await freePort()
    const path = (name: string) => join(this.#folder, name)
    writeFileSync(path('tls.crt'), TEST_TLS.cert)
    writeFileSync(path('tls.key'), TEST_TLS.key)
    for (const user of NATS_USERS) writeFileSync(path(user), `password of ${user}\n`)
    const config = natsServerConfig({
      serverName: 'test',
      host: '127.0.0.1',
      port: this.#port,
      monitoring: null,
      storeDir: path('store'),
      tls: { certFile: path('tls.crt'), keyFile: path('tls.key'), caFile: path('tls.crt') },
      passwords: Object.fromEntries(NATS_USERS.map((user) => [user, `password of ${user}`])) as Record<
        NatsUser,
        string
      >, // one for each of the users
    })
    writeFileSync(path('nats.conf'), config)
    this.#process = spawn(binary, ['-c', path('nats.conf')], { stdio: 'ignore' })
    await listening(this.#port)
  }

  async stop(): Promise<void> {
    const child = this.#process
    if (!child) return
    this.#process = null
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
  }

  /** A link as one of the users, closed with the fixture. */
  link(user: NatsUser, passwordOf: string = user): NatsLink {
    const link = connectNats({
      url: `tls://server.test:${this.#port}`,
      user,
      passwordFile: join(this.#folder, passwordOf),
      caFile: join(this.#folder, 'tls.crt'),
      name: `test ${user}`,
      resolve: async () => '127.0.0.1',
      clock: nodeClock,
      logger: silentLogger,
    })
    this.#links.push(link)
    return link
  }

  async close(): Promise<void> {
    await Promise.all(this.#links.map((link) => link.close()))
    await this.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  const port = await new Promise<number>((resolve, reject) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      if (address !== null && typeof address === 'object') resolve(address.port)
      else reject(new Error('no port'))
    })
  })
  await new Promise((done) => server.close(done))
  return port
}

async function listening(port: number): Promise<void> {
  const tries = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy()
        resolve(true)
      })
      socket.on('error', () => resolve(false))
    })
  while (!(await tries())) await sleep(nodeClock, 20)
}
