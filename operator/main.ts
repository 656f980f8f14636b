/**
 * The operator in local mode: wiring only. Reads its settings, takes the folder and a network, builds the ports, and runs
 * one loop that makes the machine be as the YAML files say, until it is told to stop.
 * Read next: local/array.ts (what the loop does), controllers/ (what is rendered), cluster/local/ (how pods run here).
 */
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { sealingOf } from '#lib/directory/domain-sending.ts'
import { zoneFileResolver } from '#lib/dns/zone-file.ts'
import { known } from '#lib/errors/assert.ts'
import { connectNats } from '#lib/events/nats.ts'
import { NATS_USERS } from '#lib/events/permissions.ts'
import { createProvisioningClient } from '#lib/events/provisioning.ts'
import { createEventPublisher } from '#lib/events/publisher.ts'
import { openDirectoryAdmin } from '#lib/ldap/admin.ts'
import { SERVICES } from '#lib/ldap/schema.ts'
import { createLogger } from '#lib/log/logger.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { configure, exitOnBug, stopOnSignal } from '#lib/platform/process.ts'
import { createResolver } from '#lib/platform/resolver.ts'
import { localLayout } from '#operator/api/local-layout.ts'
import { serviceAddress } from './cluster/local/addresses.ts'
import { LocalClusterError } from './cluster/local/container-plan.ts'
import { lockFolder } from './cluster/local/folder-lock.ts'
import { LocalCluster } from './cluster/local/local-cluster.ts'
import { claimNetwork } from './cluster/local/network-claim.ts'
import { identifyProcess } from './cluster/local/process-identity.ts'
import { endLeftovers, ProcessTable } from './cluster/local/process-table.ts'
import { EMPTY_STATE, LocalState, readJson, writeJson, writeWhole } from './cluster/local/state-files.ts'
import { OperatorConfig } from './config.ts'
import { DIRECTORY, NATS, serviceHost } from './controllers/array/build.ts'
import { natsConfigInPod } from './controllers/array/nats-config.ts'
import { type ArrayContext, DIRECTORY_PORT, NATS_PORT, OUTSIDE_ZONE } from './controllers/array-context.ts'
import { generateDkimKeys } from './controllers/domain/generate-keys.ts'
import { KeyWatch } from './controllers/domain/key-watch.ts'
import { COMPONENT } from './controllers/mailnode/build.ts'
import { LocalArray, toolCertificate } from './local/array.ts'
import { serveControl } from './local/control.ts'
import { openCredentials } from './local/credentials.ts'
import { openKeptSecrets } from './local/kept-secrets.ts'
import { OUTSIDE_PORT, outsideZone } from './local/outside.ts'
import { createAccountMaker } from './local/provisioner.ts'
import { readResources } from './local/resources.ts'
import { takesConnections } from './local/takes-connections.ts'
import { watchFolder } from './local/watch-folder.ts'
import { openCertificateStore } from './pki/store.ts'
import { createLoop } from './runtime/loop.ts'

const LEFTOVER_GRACE_MS = 10_000

const config = configure('operator', OperatorConfig)
const logger = createLogger(config.logLevel, { service: 'operator' })
exitOnBug(logger)
const layout = localLayout(config.stateDir, config.tmpDir)

/** What a person can mend ends the start with one plain line; everything else is a bug and says so. */
function refuse(reason: string): never {
  process.stderr.write(`${reason}\n`)
  process.exit(1)
}

const unlock = lockFolder(config.stateDir) ?? refuse(`Another operator runs the array in ${config.stateDir}`)
if (!existsSync(config.deployDir)) refuse(`Cannot read ${config.deployDir}: there is no such folder`)
if (!existsSync(config.natsServer))
  refuse(`Cannot run ${config.natsServer}: there is no such program, make up installs it`)
const left = await endLeftovers(layout.processesFile, nodeClock, LEFTOVER_GRACE_MS)
if (left.length > 0) logger.warn({ processes: left }, 'ended what an earlier operator left behind')
for (const folder of [layout.runDir, layout.mountsDir]) rmSync(folder, { recursive: true, force: true })
rmSync(layout.endpointsFile, { force: true })
for (const folder of [
  layout.runDir,
  layout.logsDir,
  layout.volumesDir,
  layout.secretsDir,
  layout.ledgerDir,
  layout.outsideDir,
]) {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
}
writeJson(layout.operatorFile, identifyProcess(process.pid))

let state = readJson(layout.stateFile, LocalState, EMPTY_STATE)
const saveState = (change: Partial<LocalState>) => {
  state = { ...state, ...change }
  writeJson(layout.stateFile, state)
}
const claim = await claimNetwork(state.network, config.stateDir).catch((error: unknown) => {
  if (error instanceof LocalClusterError) return refuse(error.message)
  throw error
})
saveState({ network: claim.network })

const { namespace } = config
const context: ArrayContext = {
  namespace,
  image: 'twinpost:local', // nothing is pulled: the checkout is what runs
  mailHostname: config.mailHostname,
  baseDn: config.baseDn,
  directoryUrl: `ldaps://${serviceHost(DIRECTORY, namespace)}:${DIRECTORY_PORT}`,
  natsUrl: `tls://${serviceHost(NATS, namespace)}:${NATS_PORT}`,
  publicCertificateSecret: 'public-tls',
  postmaster: null,
  ledger: { kind: 'file', folder: layout.ledgerDir },
  serviceAddress: serviceAddress(claim.network),
  outside: { folder: layout.outsideDir, port: OUTSIDE_PORT },
  logLevel: config.logLevel,
}
writeWhole(join(layout.outsideDir, OUTSIDE_ZONE), outsideZone(claim.network))
const kept = openKeptSecrets(join(layout.secretsDir, 'kept.json'))
const cluster = new LocalCluster({
  network: claim.network,
  workloadNumbers: state.workloads,
  numbersChanged: (workloads) => saveState({ workloads: { ...workloads } }),
  held: state.held,
  heldChanged: (held) => saveState({ held: [...held] }),
  keptSecrets: kept.secrets,
  secretKept: kept.save,
  hostsFile: layout.hostsFile,
  environment: {
    folders: { claims: layout.volumesDir, run: layout.runDir, mounts: layout.mountsDir },
    logsDir: layout.logsDir,
    cwd: config.sourceDir,
    baseEnv: {
      PATH: process.env['PATH'] ?? '',
      HOME: process.env['HOME'] ?? '',
      NODE_ENV: 'production',
      NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? layout.cacheDir,
    },
    programs: { node: process.execPath, 'nats-server': config.natsServer },
    processes: new ProcessTable(layout.processesFile),
    clock: nodeClock,
  },
  random: nodeRandom,
  clock: nodeClock,
  failed: (err) => logger.error({ err }, 'the local cluster failed at something'),
})

const certificates = await openCertificateStore({
  folder: join(layout.secretsDir, 'pki'),
  clock: nodeClock,
  random: nodeRandom,
  logger,
  write: (path, text) => writeWhole(path, text),
})
for (const role of ['operator', 'cli'] as const) {
  await toolCertificate(certificates, role, (name, text) => writeWhole(join(layout.secretsDir, role, name), text))
}
const credentials = openCredentials(
  join(layout.secretsDir, 'credentials.json'),
  { directory: SERVICES, nats: NATS_USERS },
  nodeRandom,
)
for (const tool of ['operator', 'cli'] as const) {
  writeWhole(join(layout.secretsDir, tool, 'nats-password'), credentials.nats[tool])
  writeWhole(join(layout.secretsDir, tool, 'directory-password'), credentials.directory[tool])
}

const resolve = createResolver(layout.hostsFile)
const directory = openDirectoryAdmin({
  url: context.directoryUrl,
  baseDn: config.baseDn,
  service: 'operator',
  password: credentials.directory.operator,
  tls: () => ({ ca: certificates.ca }),
  resolve,
})
const link = connectNats({
  url: context.natsUrl,
  user: 'operator',
  passwordFile: join(layout.secretsDir, 'operator', 'nats-password'),
  caFile: join(layout.secretsDir, 'operator', 'ca.crt'),
  name: 'operator',
  logger,
  clock: nodeClock,
  resolve,
})

const news = createEventPublisher(link, { source: 'operator', clock: nodeClock, random: nodeRandom })

const keyWatch = new KeyWatch({
  // The file of records is the DNS of this machine: what the operator has written there is published.
  lookup: async (name) => (await zoneFileResolver(layout.zoneFile).query(name, 'TXT')).records,
  clock: nodeClock,
  random: nodeRandom,
  published() {
    array.keysPublished()
    loop.poke()
  },
})
const array = new LocalArray({
  context,
  network: claim.network,
  layout,
  cluster,
  certificates,
  credentials,
  natsConfig: natsConfigInPod(credentials.nats),
  directory,
  domains: {
    keyWatch,
    makeKeys: generateDkimKeys,
    sealing: async () => known(sealingOf(credentials.senderSeal), 'the credentials hold a word'),
    domainChanged: (name) => news.offer('domain.changed', { name }),
  },
  accounts: createAccountMaker(
    createProvisioningClient({
      link,
      clock: nodeClock,
      random: nodeRandom,
      actor: { name: 'operator', origin: 'local' },
    }),
  ),
  readResources: () => readResources(config.deployDir),
  reaches: takesConnections,
  clock: nodeClock,
  logger,
})
let lastFailure = ''
const loop = createLoop({
  clock: nodeClock,
  work: () => array.reconcile(),
  failed(reason, retryMs) {
    if (reason !== lastFailure) logger.info({ reason, retryMs }, 'not done yet')
    lastFailure = reason
  },
})
cluster.watchPods(() => loop.poke())
const unwatch = watchFolder(config.deployDir, nodeClock, () => {
  array.resourcesChanged()
  loop.poke()
})
const control = await serveControl(layout.controlSocket, {
  status: () => array.status(),
  stop: () => process.kill(process.pid, 'SIGTERM'),
  async holdMember(name) {
    if (!array.isMember(name)) return false
    logger.warn({ member: name }, 'an administrator stops a member')
    await cluster.holdPod(name, namespace)
    return true
  },
  async releaseMember(name) {
    if (!array.isMember(name)) return false
    logger.warn({ member: name }, 'an administrator lets a member run again')
    cluster.releasePod(name, namespace)
    return true
  },
  async deletePod(name) {
    const found = (await cluster.pods()).some((pod) => pod.name === name)
    if (found) await cluster.deletePod(name, namespace)
    return found
  },
})
loop.poke()
logger.info({ network: claim.network, stateDir: config.stateDir }, 'operator runs')

stopOnSignal(logger, config.stopSeconds * 1_000, async (signal) => {
  logger.info({ signal }, 'operator stops')
  array.stopping()
  unwatch()
  rmSync(layout.endpointsFile, { force: true })
  await loop.stop()
  news.close()
  await keyWatch.stop()
  await Promise.allSettled([link.close(), directory.close()])
  await cluster.shutdown({ 'app.kubernetes.io/component': COMPONENT })
  control.close()
  claim.release()
  for (const path of [layout.controlSocket, layout.operatorFile, layout.runDir]) {
    rmSync(path, { recursive: true, force: true })
  }
  logger.info('operator stopped')
  unlock()
})
