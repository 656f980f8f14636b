/**
 * Two servers as the image runs them, in mirror mode on loopback addresses: with the scripts, the configuration and the access rules of
 * the image, over TLS, through our own LDAP client. Where slapd is not installed the tests say so and skip.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { connect } from 'node:tls'
import { type DirectoryAdmin, openDirectoryAdmin } from '#lib/ldap/admin.ts'
import type { NewAccount } from '#lib/ldap/entry.ts'
import { SERVICES } from '#lib/ldap/schema.ts'
import { toAccountId, toShardName } from '#lib/mail/types.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { sleep } from '#lib/ports/clock.ts'
import { randomId } from '#lib/ports/random.ts'
import { createAuthority, issueLeaf, type KeyPair, namesRequest } from '#operator/pki/certificates.ts'

const RUN = join(import.meta.dirname, 'run.sh')
const ALIVE = join(import.meta.dirname, 'alive.sh')
const installed = ['/usr/sbin/slapd', '/usr/bin/ldapwhoami', '/etc/ldap/schema/misc.ldif'].every(existsSync)
const skip = !installed && 'slapd and ldap-utils are not installed'
const BASE = 'o=twinpost'
const folder = mkdtempSync(join(tmpdir(), 'twinpost-mirror-'))
const cleanUps: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })]
after(async () => {
  for (const cleanUp of cleanUps.reverse()) await cleanUp()
})

let authority: KeyPair
async function certify(): Promise<void> {
  authority ??= await createAuthority('test', nodeClock.nowMs(), nodeRandom)
  const uri = 'twinpost://directory/directory'
  const leaf = await issueLeaf(authority, namesRequest('d', ['127.0.0.1'], [uri]), nodeClock.nowMs(), nodeRandom)
  mkdirSync(join(folder, 'tls'), { recursive: true })
  for (const [name, text] of [
    ['ca.crt', authority.cert],
    ['tls.key', leaf.key],
    ['tls.crt', leaf.cert],
  ] as const)
    writeFileSync(join(folder, 'tls', name), text)
}

const passwords = join(folder, 'passwords')
function setPassword(service: string, password: string): void {
  mkdirSync(passwords, { recursive: true })
  writeFileSync(join(passwords, service), password)
}

/** One server with a volume of its own. */
class Slapd {
  readonly url: string
  readonly #id: number
  readonly #port: number
  readonly #peer: number
  #process: ChildProcess | null = null

  constructor(id: number, port: number, peer: number) {
    this.#id = id
    this.#port = port
    this.#peer = peer
    this.url = `ldaps://127.0.0.1:${port}`
    cleanUps.push(() => this.kill())
  }

  #path(name: string): string {
    return join(folder, String(this.#id), name)
  }

  start(): void {
    for (const name of ['data', 'run']) mkdirSync(this.#path(name), { recursive: true })
    this.#process = spawn(RUN, {
      detached: true, // a group of its own: killing it ends shell and slapd at once, as the end of a container does
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        PATH: process.env['PATH'],
        SERVER_ID: String(this.#id),
        PEERS: `ldaps://127.0.0.1:${this.#peer}`,
        LISTEN: `${this.url}/`,
        DATA_DIR: this.#path('data'),
        RUN_DIR: this.#path('run'),
        TLS_DIR: join(folder, 'tls'),
        PASSWORDS_DIR: passwords,
        DB_BYTES_MAX: '100000000',
        LOOK_SECONDS: '1',
        PEER_PATIENCE: '3',
      },
    })
  }

  /** What the readiness probe says. */
  get ready(): boolean {
    const env = { PATH: process.env['PATH'], RUN_DIR: this.#path('run') }
    return spawnSync(ALIVE, ['ready'], { env, stdio: 'ignore' }).status === 0
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    process.kill(signal === 'SIGKILL' ? -child.pid : child.pid, signal)
    await ended
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  stop(): Promise<void> {
    return this.#end('SIGTERM')
  }

  loseVolume(): void {
    rmSync(this.#path('data'), { recursive: true })
  }

  as(service: (typeof SERVICES)[number], password = `password of ${service}`): DirectoryAdmin {
    const admin = openDirectoryAdmin({
      url: this.url,
      baseDn: BASE,
      service,
      password,
      tls: () => ({ ca: authority.cert }),
      resolve: async (host) => host,
    })
    cleanUps.push(() => admin.close())
    return admin
  }

  /** Fingerprint of the certificate that it shows now. */
  shown(): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: this.#port, ca: authority.cert }, () => {
        resolve(socket.getPeerCertificate().fingerprint256)
        socket.destroy()
      })
      socket.on('error', reject)
    })
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  await new Promise((done) => server.close(done))
  if (address === null || typeof address !== 'object') throw new Error('no port')
  return address.port
}

async function eventually(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const endAtMs = nodeClock.monotonicMs() + 30_000
  while (!(await holds())) {
    if (nodeClock.monotonicMs() > endAtMs) throw new Error(`${what} did not come true within 30 s`)
    await sleep(nodeClock, 50)
  }
}

const account = (name: string): NewAccount => ({
  id: toAccountId(randomId(nodeRandom, 16)),
  address: `${name}@example.test`,
  aliases: [],
  displayName: name,
  locale: 'en',
  home: toShardName('n1/0'),
  quotaBytes: null,
  entitlements: [],
  lastCommand: 'test:1',
  secrets: {
    passwordHash: '$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA',
    scramKeys: 'SCRAM-SHA-256$4096:c2FsdA==$a:b',
  },
})

test('two servers in mirror mode', { skip }, async (t) => {
  await certify()
  for (const service of [...SERVICES, 'replication']) setPassword(service, `password of ${service}`)
  const [portA, portB] = [await freePort(), await freePort()]
  const a = new Slapd(1, portA, portB)
  const b = new Slapd(2, portB, portA)
  const names = async (server: Slapd) => {
    const admin = server.as('provision')
    return (await admin.shards())
      .map((shard) => shard.name)
      .sort()
      .join(' ')
  }
  const addShards = (server: Slapd, ...shards: string[]) =>
    server.as('operator').ensureShards(shards.map((name) => ({ name: toShardName(name), active: true })))

  await t.test('one that has nothing is not ready while its peer is away', async () => {
    a.start()
    await eventually(
      () =>
        a.shown().then(
          () => true,
          () => false,
        ),
      'an answer',
    )
    await sleep(nodeClock, 4_000)
    assert.equal(a.ready, false, 'the patience is for servers that have data')
  })

  await t.test('both are ready, and each has what was written to the other', async () => {
    b.start()
    await eventually(() => a.ready && b.ready, 'readiness of both')
    await addShards(a, 'n1/0')
    await eventually(async () => (await names(b)) === 'n1/0', 'n1/0 at the other')
    await addShards(b, 'n1/0', 'n1/1')
    await eventually(async () => (await names(a)) === 'n1/0 n1/1', 'n1/1 at the first')
  })

  await t.test('an address exists once', async () => {
    const outcomes = await Promise.all([
      a.as('provision').addAccount(account('ann')),
      a.as('provision').addAccount(account('ann')),
    ])
    assert.deepEqual(outcomes.map((one) => one.kind === 'added').sort(), [false, true])
  })

  await t.test('a killed one is not ready before it has what it missed', async () => {
    await b.kill()
    await addShards(a, 'n1/0', 'n1/1', 'n2/0')
    b.start()
    await eventually(() => b.ready, 'readiness')
    assert.equal(await names(b), 'n1/0 n1/1 n2/0', 'at the moment it is ready')
  })

  await t.test(
    'one that lost its volume is not ready before it has everything again, also what it wrote itself',
    async () => {
      await a.kill()
      a.loseVolume()
      await addShards(b, 'n1/0', 'n1/1', 'n2/0', 'n2/1')
      a.start()
      await eventually(() => a.ready, 'readiness')
      assert.equal(await names(a), 'n1/0 n1/1 n2/0 n2/1')
      assert.equal((await a.as('provision').account('ann@example.test'))?.address, 'ann@example.test')
    },
  )

  await t.test('one that has data serves when its peer stays away', async () => {
    await Promise.all([a.stop(), b.stop()])
    b.start()
    await eventually(() => b.ready, 'readiness')
    a.start()
    await eventually(() => a.ready, 'readiness of the other')
  })

  await t.test('new passwords and certificates are taken without a restart', async () => {
    setPassword('cli', 'another password')
    await eventually(
      () =>
        Promise.all([a, b].map((one) => one.as('cli', 'another password').probe())).then(
          () => true,
          () => false,
        ),
      'the new password',
    )
    await assert.rejects(a.as('cli').probe(), 'the old one is no more')
    const before = await a.shown()
    await certify()
    await eventually(async () => (await a.shown()) !== before, 'the new certificate')
  })

  await t.test('a clean stop is quick', async () => {
    const beganMs = nodeClock.monotonicMs()
    await Promise.all([a.stop(), b.stop()])
    assert.ok(nodeClock.monotonicMs() - beganMs < 5_000)
  })
})
