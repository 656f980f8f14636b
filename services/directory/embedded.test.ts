import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { TEST_TLS } from '#lib/events/testing/certificate.ts'
import { openDirectory } from '#lib/ldap/client.ts'
import { type ContractTarget, directoryContract } from '#lib/ldap/contract.ts'
import { directoryChangesContract } from '#lib/ldap/contract-changes.ts'
import { POOL_CONNECTIONS } from '#lib/ldap/limits.ts'
import type { LdapAccess } from '#lib/ldap/pool.ts'
import { SERVICES, type Service } from '#lib/ldap/schema.ts'
import { silentLogger } from '#lib/log/logger.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { createLdapServer, type LdapServer } from './ldap-server.ts'
import { DirectoryStore } from './store.ts'
import { ensureTree } from './tree.ts'

const BASE = 'o=twinpost'
/** A certificate of nobody we know; its key was thrown away. */
const OTHER_CA = `-----BEGIN CERTIFICATE-----
MIIBjzCCATWgAwIBAgIUQ9e+YwX2LFEjxxPgx+TFddaJDuIwCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRQW5vdGhlciBhdXRob3JpdHkwIBcNMjYxMTI0MDgzODMxWhgP
MjEyNjEwMzEwODM4MzFaMBwxGjAYBgNVBAMMEUFub3RoZXIgYXV0aG9yaXR5MFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEJIuDvqNTYRRCaucKY8/PXqHXDSjeD1Zq
d48zXQ+Ue13HWl0yZxB0gI6q9KcOj4iAhpqE106XdEk34BqW2FX2B6NTMFEwHQYD
VR0OBBYEFFz1Uuy8DAQQD3KVaAeeJkW41sziMB8GA1UdIwQYMBaAFFz1Uuy8DAQQ
D3KVaAeeJkW41sziMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIg
IgBCSW4yq09kR61betWRDmSUja7sKL3Wz2as4xZvacoCIQCulADw5H6JM4kJ65UE
L+wGn8rIEQOtWwsNT3yM/RHShA==
-----END CERTIFICATE-----
`
const credentials = Object.fromEntries(SERVICES.map((service) => [service, `password of ${service}`.padEnd(20, '.')]))

function embedded(folder: string): { server: LdapServer; store: DirectoryStore } {
  const store = new DirectoryStore(join(folder, 'directory.sqlite'), BASE)
  ensureTree(store, BASE)
  const observe = () => {}
  const options = { store, baseDn: BASE, credentials, tls: null, clock: nodeClock, logger: silentLogger, observe }
  return { server: createLdapServer(options), store }
}

function accessTo(port: number, service: Service): LdapAccess {
  const resolve = async (host: string) => host
  const password = credentials[service] ?? ''
  return { url: `ldap://127.0.0.1:${port}`, baseDn: BASE, service, password, tls: () => ({ ca: '' }), resolve }
}

let folder: string
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'twinpost-directory-'))
})
after(() => rmSync(folder, { recursive: true, force: true }))

async function openEmbedded(): Promise<ContractTarget> {
  const own = mkdtempSync(join(tmpdir(), 'twinpost-directory-'))
  const { server, store } = embedded(own)
  const port = await server.listen(0, '127.0.0.1')
  return {
    access: (service) => accessTo(port, service),
    async close() {
      await server.close()
      store.close()
      rmSync(own, { recursive: true, force: true })
    },
  }
}
directoryContract('The embedded directory', openEmbedded)
directoryChangesContract('The embedded directory', openEmbedded)

test('openDirectory() says that it cannot answer while the server is away, and answers when it is back', async () => {
  const first = embedded(folder)
  const port = await first.server.listen(0, '127.0.0.1')
  const directory = openDirectory({ ...accessTo(port, 'edge'), clock: nodeClock, random: nodeRandom })
  assert.equal(await directory.domain('a.example'), null)
  await first.server.close()
  first.store.close()
  await assert.rejects(directory.domain('b.example'), { code: 'DIRECTORY_UNAVAILABLE' })
  await assert.rejects(directory.lookup('x@c.example'), { code: 'DIRECTORY_UNAVAILABLE' })
  const second = embedded(folder)
  await second.server.listen(port, '127.0.0.1')
  await Promise.all(Array.from({ length: 20 }, (_, i) => directory.domain(`d${i}.example`)))
  assert.ok(second.server.connectionCount <= POOL_CONNECTIONS)
  assert.equal(await directory.domain('b.example'), null)
  assert.deepEqual(await directory.lookup('x@c.example'), { kind: 'foreign-domain' })
  await directory.close()
  await second.server.close()
  second.store.close()
})

test('createLdapServer() closes a connection that does not speak LDAP, and serves the others', async () => {
  const { server, store } = embedded(folder)
  const port = await server.listen(0, '127.0.0.1')
  const directory = openDirectory({ ...accessTo(port, 'edge'), clock: nodeClock, random: nodeRandom })
  for (const bytes of [
    'GET / HTTP/1.1\r\n\r\n',
    '\x30\x05\x02\x01\x01\x7f\x00',
    '\x30\x84\x7f\xff\xff\xff' + 'x'.repeat(2_000_000),
  ]) {
    await new Promise<void>((closed) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(Buffer.from(bytes, 'latin1')))
      socket.on('error', () => {}) // a reset is a way of closing
      socket.on('close', () => closed())
    })
  }
  assert.equal(await directory.domain('a.example'), null)
  await directory.close()
  await server.close()
  store.close()
})

test('openDirectory() speaks TLS with a server of the role directory, and trusts no other authority', async () => {
  const store = new DirectoryStore(':memory:', BASE)
  ensureTree(store, BASE)
  const server = createLdapServer({
    store,
    baseDn: BASE,
    credentials,
    tls: TEST_TLS,
    clock: nodeClock,
    logger: silentLogger,
    observe: () => {},
  })
  const port = await server.listen(0, '127.0.0.1')
  const access = { ...accessTo(port, 'edge'), url: `ldaps://another.name:${port}`, resolve: async () => '127.0.0.1' }
  const common = { clock: nodeClock, random: nodeRandom }
  const trusting = openDirectory({ ...access, tls: () => ({ ca: TEST_TLS.ca }), ...common })
  await trusting.probe()
  const distrusting = openDirectory({ ...access, tls: () => ({ ca: OTHER_CA }), ...common })
  await assert.rejects(distrusting.probe(), { code: 'DIRECTORY_UNAVAILABLE' })
  await Promise.all([trusting.close(), distrusting.close()])
  await server.close()
  store.close()
})
