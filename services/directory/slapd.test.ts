/** The directory contract on OpenLDAP, where it is installed: our own process on a loopback port, with our schema and access rules. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Client } from 'ldapts'
import { openDirectoryAdmin } from '#lib/ldap/admin.ts'
import { type ContractTarget, directoryContract } from '#lib/ldap/contract.ts'
import { directoryChangesContract } from '#lib/ldap/contract-changes.ts'
import type { LdapAccess } from '#lib/ldap/pool.ts'
import { SERVICES, type Service, serviceDn } from '#lib/ldap/schema.ts'
import { accessRules, schemaLdif, uniqueUris } from '#lib/ldap/schema-ldif.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { sleep } from '#lib/ports/clock.ts'

const BASE = 'o=twinpost'
const ROOT = { dn: 'cn=admin,o=twinpost', password: 'password of the administrator' }
const SCHEMA_DIR = '/etc/ldap/schema'
const MODULE_DIR = '/usr/lib/ldap'
const SLAPD = ['/usr/sbin/slapd', '/usr/lib/openldap/slapd'].find((path) => existsSync(path))
const usable = SLAPD !== undefined && existsSync(SCHEMA_DIR) && existsSync(MODULE_DIR)

function configLdif(folder: string): string {
  const rules = accessRules(BASE).map((rule, i) => `olcAccess: {${i}}${rule}`)
  // As the image ships it.
  const limits = readFileSync(new URL('../../images/openldap/config.ldif', import.meta.url), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('olcLimits: dn.onelevel='))
    .map((line) => line.replace('@BASE_DN@', BASE))
  const unique = uniqueUris(BASE).map((uri) => `olcUniqueURI: ${uri}`)
  return [
    'dn: cn=config\nobjectClass: olcGlobal\ncn: config\n',
    `dn: cn=module{0},cn=config\nobjectClass: olcModuleList\ncn: module{0}\nolcModulePath: ${MODULE_DIR}\nolcModuleLoad: back_mdb\nolcModuleLoad: unique\n`,
    'dn: cn=schema,cn=config\nobjectClass: olcSchemaConfig\ncn: schema\n',
    ...['core', 'cosine', 'inetorgperson', 'misc'].map((name) => `include: file://${SCHEMA_DIR}/${name}.ldif\n`),
    schemaLdif(),
    `dn: olcDatabase={1}mdb,cn=config\nobjectClass: olcDatabaseConfig\nobjectClass: olcMdbConfig\nolcDatabase: {1}mdb\nolcDbDirectory: ${folder}/data\nolcSuffix: ${BASE}\nolcRootDN: ${ROOT.dn}\nolcRootPW: ${ROOT.password}\nolcDbIndex: mailLocalAddress,twinpostAccountId,mail eq\n${limits.join('\n')}\n${rules.join('\n')}\n`,
    `dn: olcOverlay=unique,olcDatabase={1}mdb,cn=config\nobjectClass: olcOverlayConfig\nobjectClass: olcUniqueConfig\nolcOverlay: unique\n${unique.join('\n')}\n`,
  ].join('\n')
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

async function answering(port: number): Promise<void> {
  for (;;) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy()
        resolve(true)
      })
      socket.on('error', () => resolve(false))
    })
    if (open) return
    await sleep(nodeClock, 20)
  }
}

if (!usable)
  test('The directory contract on slapd', { skip: 'slapd with its schemas and modules is not installed' }, () => {})
else {
  const openSlapd = async (): Promise<ContractTarget> => {
    const folder = mkdtempSync(join(tmpdir(), 'twinpost-slapd-'))
    mkdirSync(join(folder, 'data'))
    mkdirSync(join(folder, 'config'))
    writeFileSync(join(folder, 'config.ldif'), configLdif(folder))
    const loaded = spawnSync(SLAPD, ['-T', 'add', '-n', '0', '-F', `${folder}/config`, '-l', `${folder}/config.ldif`])
    if (loaded.status !== 0) throw new Error(`slapd refused its configuration: ${loaded.stderr.toString()}`)
    const port = await freePort()
    const url = `ldap://127.0.0.1:${port}`
    const child = spawn(SLAPD, ['-d', '0', '-h', url, '-F', `${folder}/config`], { stdio: 'ignore' })
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    await answering(port)

    const password = (service: Service) => `password of ${service}`
    const common = { url, baseDn: BASE, tls: () => ({ ca: '' }), resolve: async (host: string) => host }
    const root: LdapAccess = { ...common, service: 'provision', bindDn: ROOT.dn, password: ROOT.password }
    const admin = openDirectoryAdmin(root)
    await admin.ensureTree()
    await admin.close()
    const client = new Client({ url })
    await client.bind(ROOT.dn, ROOT.password)
    for (const service of SERVICES) {
      const objectClass = ['applicationProcess', 'simpleSecurityObject']
      await client.add(serviceDn(service, BASE), { objectClass, cn: service, userPassword: password(service) })
    }
    await client.unbind()
    return {
      access: (service) => ({ ...common, service, password: password(service) }),
      async close() {
        child.kill('SIGTERM')
        await ended
        rmSync(folder, { recursive: true, force: true })
      },
    }
  }
  directoryContract('slapd', openSlapd)
  directoryChangesContract('slapd', openSlapd)
}
