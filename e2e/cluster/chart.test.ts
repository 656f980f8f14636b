/**
 * The chart on a real cluster, as an administrator uses it: install, `helm test`, a MailNode, mail in and out; then the release is removed
 * and mail still flows; then it is installed again and finds everything: the same UIDs, passwords and volumes.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { ImapFlow } from 'imapflow'
import type { Endpoint } from '../support/array.ts'
import { withoutHeaderBlock } from '../support/imap.ts'
import { letter } from '../support/pour.ts'
import { SmtpDialogue } from '../support/smtp.ts'
import { findDriver } from './testing/driver.ts'
import { buildImages } from './testing/images.ts'
import { isReady, Kubectl, type KubeJson, type Pod, until } from './testing/kubectl.ts'

const CHART = resolve(import.meta.dirname, '../../charts/twinpost')
const TARGETS = ['twinpost', 'nats', 'openldap', 'resolver']
const NAMESPACE = `chart-${process.pid % 10_000}`
const HOSTNAME = 'mail.example.test'
const ADDRESS = 'alice@example.test'
const PASSWORD = 'correct horse battery staple'
const INSTALL_MS = 400_000
const READY_MS = 300_000

const driver = await findDriver()
const hasHelm = await run('helm', ['version']).then(
  () => true,
  () => false,
)
const skip = typeof driver === 'string' ? driver : !hasHelm && 'no helm on PATH'
const kubectl = new Kubectl(typeof driver === 'string' ? '' : driver.kubeconfig)
const inNamespace = ['-n', NAMESPACE]
let nodeAddress = ''

/** Bytes of the letters that were accepted, by subject. */
const accepted = new Map<string, Buffer>()

function run(command: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((done, failed) => {
    const env = { ...process.env, ...(typeof driver === 'string' ? {} : { KUBECONFIG: driver.kubeconfig }) }
    const options = { env, timeout: INSTALL_MS, maxBuffer: 64 * 1024 * 1024 }
    const child = execFile(command, args, options, (error, stdout, stderr) => {
      if (error) failed(new Error(`${command} ${args.join(' ')}: ${stderr.trim()}\n${stdout}`))
      else done(stdout)
    })
    child.stdin?.end(input)
  })
}

before(async () => {
  if (skip || typeof driver === 'string') return
  // TWINPOST_E2E_CHART_IMAGES: archives of the four that are there already.
  await driver.loadImages(process.env['TWINPOST_E2E_CHART_IMAGES']?.split(',') ?? (await buildImages(TARGETS)))
  const [node] = await kubectl.list('nodes')
  const addresses = node?.status?.['addresses'] as readonly { type: string; address: string }[]
  nodeAddress = addresses.find(({ type }) => type === 'InternalIP')?.address ?? ''
})

after(async () => {
  if (skip || process.env['KEEP'] === '1') return
  await kubectl.run(['delete', 'namespace', NAMESPACE, '--ignore-not-found', '--timeout=140s'])
})

/** @param more Options beside those of the README. @returns how long it took, in ms. */
async function install(...more: string[]): Promise<number> {
  const began = performance.now()
  const values = {
    'mail.hostname': HOSTNAME,
    'mail.service.type': 'NodePort',
    'mail.service.externalTrafficPolicy': 'Cluster',
    'nats.storage.size': '1Gi',
    'directory.storage.size': '1Gi',
  }
  const set = Object.entries(values).flatMap(([key, value]) => ['--set', `${key}=${value}`])
  await run('helm', ['install', 'twinpost', CHART, ...inNamespace, ...set, ...more, '--wait', '--timeout', '6m'])
  return performance.now() - began
}

async function endpoint(listener: string): Promise<Endpoint> {
  const service = await kubectl.get('service', 'twinpost-mail', ...inNamespace)
  const ports = service.spec?.['ports'] as readonly { name: string; nodePort: number }[]
  return { host: nodeAddress, port: ports.find(({ name }) => name === listener)?.nodePort ?? 0 }
}

async function authority(): Promise<string> {
  const secret = (await kubectl.get('secret', 'twinpost-ca', ...inNamespace)) as KubeJson & {
    data: { 'tls.crt': string }
  }
  return Buffer.from(secret.data['tls.crt'], 'base64').toString('utf8')
}

async function send(subject: string): Promise<void> {
  const body = letter(subject)
  await until(`a place for ${subject}`, 60_000, async () => {
    const dialogue = await SmtpDialogue.open(await endpoint('smtp'))
    try {
      await dialogue.say('EHLO client.example.net')
      const reply = await dialogue.deliver('s@example.net', [ADDRESS], body)
      assert.equal(reply.code, 250, reply.text)
      return true
    } finally {
      dialogue.close()
    }
  })
  accepted.set(subject, body)
}

/** UIDVALIDITY, and every message by UID. */
async function mailbox(): Promise<{ validity: string; messages: Map<number, Buffer> }> {
  const { host, port } = await endpoint('imaps')
  const tls = { ca: await authority(), servername: HOSTNAME }
  const auth = { user: ADDRESS, pass: PASSWORD }
  const client = new ImapFlow({ host, port, secure: true, tls, auth, logger: false })
  client.on('error', () => {}) // the command in flight rejects
  await client.connect()
  try {
    const opened = await client.mailboxOpen('INBOX', { readOnly: true })
    const messages = new Map<number, Buffer>()
    if (opened.exists > 0) {
      for await (const { uid, source } of client.fetch('1:*', { uid: true, source: true })) {
        if (source) messages.set(uid, source)
      }
    }
    return { validity: String(opened.uidValidity), messages }
  } finally {
    client.close()
  }
}

/** Every accepted letter is there once, byte for byte. */
async function allThere(): Promise<{ validity: string; messages: Map<number, Buffer> }> {
  const found = await mailbox()
  for (const [subject, body] of accepted) {
    const copies = [...found.messages.values()].filter((stored) => withoutHeaderBlock(stored, body) !== null)
    assert.equal(copies.length, 1, subject)
  }
  assert.equal(found.messages.size, accepted.size)
  return found
}

/** In the pod of provisioning, which may reach NATS, as the command line's user. */
async function createAccount(address: string): Promise<void> {
  const secret = (await kubectl.get('secret', 'twinpost-credentials', ...inNamespace)) as KubeJson & {
    data: Record<string, string>
  }
  const password = Buffer.from(secret.data['nats-cli'] ?? '', 'base64').toString('utf8')
  const script = `
    import { readFileSync } from 'node:fs'
    import { connectNats } from '/opt/twinpost/lib/events/nats.ts'
    import { createProvisioningClient } from '/opt/twinpost/lib/events/provisioning.ts'
    import { createLogger } from '/opt/twinpost/lib/log/logger.ts'
    import { nodeClock as clock } from '/opt/twinpost/lib/platform/node-clock.ts'
    import { nodeRandom as random } from '/opt/twinpost/lib/platform/node-random.ts'
    import { createResolver } from '/opt/twinpost/lib/platform/resolver.ts'
    const secrets = async () => ({ password: ${JSON.stringify(password)}, ca: readFileSync('/etc/twinpost/tls/ca.crt', 'utf8') })
    const link = connectNats({ url: process.env.TWINPOST_NATS_URL, user: 'cli', secrets, name: 'e2e', clock,
      resolve: createResolver(null), logger: createLogger('error', { service: 'e2e' }) })
    const client = createProvisioningClient({ link, clock, random, actor: { name: 'e2e', origin: 'e2e' } })
    const made = await client.createAccount({ address: '${address}', password: '${PASSWORD}' })
    console.log(JSON.stringify(made))
    await link.close()
  `
  await until('the account', 90_000, async () => {
    const pod = ['exec', '-i', ...inNamespace, 'deployment/twinpost-provision', '--']
    const said = await kubectl.run([...pod, 'node', '--input-type=module', '-'], script)
    const made = JSON.parse(said.trim().split('\n').at(-1) ?? '{}') as { ok: boolean; code?: string; message?: string }
    if (!made.ok) throw new Error(`${made.code}: ${made.message}`)
    return true
  })
}

test('helm install, and helm test says that the parts work together', { skip }, async (t) => {
  await kubectl.apply([
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: NAMESPACE, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
    },
  ])
  // The CRDs may be there already, applied by hand: the release takes them over.
  const tookMs = await install('--take-ownership', '--force-conflicts')
  t.diagnostic(`everything Ready after ${(tookMs / 1_000).toFixed(1)} s`)
  await run('helm', ['test', 'twinpost', ...inNamespace, '--logs'])
  const pods = await kubectl.pods(NAMESPACE, 'app.kubernetes.io/name=twinpost')
  assert.deepEqual(
    pods.filter((pod) => !isReady(pod)).map(({ metadata }) => metadata.name),
    [],
  )
})

test('a MailNode and a Domain are applied; a letter comes in and goes out', { skip }, async (t) => {
  const began = performance.now()
  const of = (kind: string, name: string, spec: Readonly<Record<string, unknown>>) => ({
    apiVersion: 'twinpost.io/v1alpha1',
    kind,
    metadata: { name, namespace: NAMESPACE },
    spec,
  })
  await kubectl.apply([
    of('MailNode', 'n1', { storage: { size: '1Gi' } }),
    of('Domain', 'example-test', { name: 'example.test' }),
  ])
  await until('the MailNode', READY_MS, async () => {
    const members = await kubectl.pods(NAMESPACE, 'app.kubernetes.io/instance=n1')
    return members.length === 2 && members.every(isReady) ? true : null
  })
  t.diagnostic(`Ready after ${((performance.now() - began) / 1_000).toFixed(1)} s`)
  await createAccount(ADDRESS)
  await send('before the release is removed')
  await allThere()
})

test('a directory server goes away: the other one takes the writes, and the first comes back with all of them', {
  skip,
}, async (t) => {
  const writer = async () => {
    const service = await kubectl.get('service', 'twinpost-directory-writer', ...inNamespace)
    const selector = service.spec?.['selector'] as Readonly<Record<string, string>> | undefined
    return selector?.['statefulset.kubernetes.io/pod-name'] ?? ''
  }
  const first = await writer()
  const nodes = (await kubectl.list('nodes')).map(({ metadata }) => metadata.name)
  const began = performance.now()
  await kubectl.run(['cordon', ...nodes]) // its pod has no place to come back to
  try {
    await kubectl.run(['delete', 'pod', first, ...inNamespace, '--grace-period=0', '--force'])
    await until('another writer', 90_000, async () => ((await writer()) === first ? null : true))
    t.diagnostic(`writes went to the other one after ${((performance.now() - began) / 1_000).toFixed(1)} s`)
    await createAccount('bob@example.test')
    // Its volume is lost as well: it begins empty.
    await kubectl.run(['delete', 'pvc', `data-${first}`, ...inNamespace, '--wait=false'])
    await kubectl.run(['delete', 'pod', first, ...inNamespace, '--ignore-not-found', '--wait=false'])
  } finally {
    await kubectl.run(['uncordon', ...nodes])
  }
  await until('its return', 120_000, async () => {
    const pod = await kubectl.get<Pod>('pod', first, ...inNamespace)
    return isReady(pod) ? true : null
  })
  const find =
    'ldapsearch -Q -Y EXTERNAL -LLL -H ldapi://%2Frun%2Fslapd%2Fldapi -b ou=people,o=twinpost mailLocalAddress dn'
  const found = await kubectl.run(['exec', first, ...inNamespace, '--', 'sh', '-c', find])
  for (const address of [ADDRESS, 'bob@example.test']) assert.match(found, new RegExp(address.replace('.', '\\.')))
  assert.notEqual(await writer(), first, 'nobody goes back to a first choice')
})

test('the release is removed: mail still flows; it is installed again: everything is there', { skip }, async (t) => {
  const before = await allThere()
  const members = await kubectl.pods(NAMESPACE, 'app.kubernetes.io/instance=n1')
  await run('helm', ['uninstall', 'twinpost', ...inNamespace, '--wait'])
  await until('the end of the operator', 60_000, async () =>
    (await kubectl.pods(NAMESPACE, 'app.kubernetes.io/component=operator')).length === 0 ? true : null,
  )
  await send('while there is no release')
  const between = await allThere()

  t.diagnostic(`everything Ready again after ${((await install()) / 1_000).toFixed(1)} s`)
  await run('helm', ['test', 'twinpost', ...inNamespace, '--logs'])
  await send('after it was installed again')
  const afterwards = await allThere()
  for (const seen of [between, afterwards]) {
    assert.equal(seen.validity, before.validity)
    for (const [uid, bytes] of before.messages) assert.ok(seen.messages.get(uid)?.equals(bytes), `UID ${uid}`)
  }
  const now = await kubectl.pods(NAMESPACE, 'app.kubernetes.io/instance=n1')
  const uids = (pods: readonly KubeJson[]) => pods.map(({ metadata }) => metadata.uid).sort()
  assert.deepEqual(uids(now), uids(members), 'no pod of the MailNode was replaced')
})

test('the namespace goes while its resources are there and the operator is not', { skip }, async () => {
  if (process.env['KEEP'] === '1') return
  await run('helm', ['uninstall', 'twinpost', ...inNamespace, '--wait'])
  assert.equal((await kubectl.list('mailnodes', ...inNamespace)).length, 1)
  await kubectl.run(['delete', 'namespace', NAMESPACE, '--timeout=140s'])
})
