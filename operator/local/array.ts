/**
 * One array on this machine, from files to a running and filled system. `reconcile()` looks at everything and does what is
 * missing: objects first, then (once the directory answers) shards and domains in it, then (once provisioning answers)
 * accounts. Each step may be repeated; what waits is named in `status()`.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { DirectoryAdmin } from '#lib/ldap/admin.ts'
import type { Logger } from '#lib/log/logger.ts'
import { toShardName } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Domain } from '#operator/api/domain.ts'
import type { DomainRecords, LocalLayout, OperatorStatus, ProcessStatus } from '#operator/api/local-layout.ts'
import type { SeenPod } from '#operator/cluster/cluster.ts'
import { outsideAddress, serviceAddress } from '#operator/cluster/local/addresses.ts'
import type { LocalCluster } from '#operator/cluster/local/local-cluster.ts'
import { residentBytes } from '#operator/cluster/local/process-identity.ts'
import { writeJson, writeWhole } from '#operator/cluster/local/state-files.ts'
import { refOf } from '#operator/cluster/objects.ts'
import {
  DIRECTORY,
  directoryObjects,
  mailService,
  NATS,
  natsObjects,
  PROVISION,
  provisionObjects,
} from '#operator/controllers/array/build.ts'
import { type ArrayContext, inApplyOrder } from '#operator/controllers/array-context.ts'
import { Claims } from '#operator/controllers/domain/claims.ts'
import { bytesOf, claimOf } from '#operator/controllers/domain/decide.ts'
import { type DomainPorts, forgetDomain, leftBehind, reconcileDomain } from '#operator/controllers/domain/reconcile.ts'
import { deployment } from '#operator/controllers/filterpool/build.ts'
import { reconcileFilterPool } from '#operator/controllers/filterpool/reconcile.ts'
import { mailNodeObjects, podNames, shardNames } from '#operator/controllers/mailnode/build.ts'
import { reconcileMailNode } from '#operator/controllers/mailnode/reconcile.ts'
import type { CertificateStore } from '#operator/pki/store.ts'
import type { Credentials } from './credentials.ts'
import { hopelessContainers, problemText, waitingText } from './diagnosis.ts'
import { endpointsOf } from './endpoints.ts'
import { type LocalPool, poolHere, virusRule } from './filters.ts'
import { arraySecrets, memberCertificates, roleRequest } from './material.ts'
import { type LocalAccount, type LocalResources, ResourceError } from './resources.ts'

/** Certificates are looked at this often while nothing else happens. */
const LOOK_AGAIN_MS = 3_600_000
const CREATE_TIMEOUT_MS = 10_000

export interface AccountMaker {
  /** Creates the account or finds it there. @returns its home shard. */
  create(account: LocalAccount, quotaBytes: number | null, timeoutMs: number): Promise<string>
}

export interface LocalArrayOptions {
  readonly context: ArrayContext
  readonly network: number
  readonly layout: LocalLayout
  readonly cluster: LocalCluster
  readonly certificates: CertificateStore
  readonly credentials: Credentials<'edge' | 'provision', 'edge' | 'provision'>
  readonly natsConfig: string
  readonly directory: DirectoryAdmin
  readonly accounts: AccountMaker
  readonly domains: Pick<DomainPorts, 'keyWatch' | 'makeKeys' | 'domainChanged' | 'sealing'>
  readonly readResources: () => LocalResources
  /** Whether somebody takes connections there. */
  readonly reaches: (host: string, port: number) => Promise<boolean>
  readonly clock: Clock
  readonly logger: Logger
}

export class LocalArray {
  readonly #options: LocalArrayOptions
  #resources: LocalResources | null = null
  #resourceProblem: string | null = null
  #appliedNodes = new Map<string, LocalResources['mailNodes'][number]>()
  #pools: readonly LocalPool[] = []
  /** What was last written to the directory, as text: nothing is asked of it while nothing changed. */
  #directoryHas = ''
  /** What the file of DNS records says. */
  #zone = ''
  #homes = new Map<string, string>()
  #everReady = new Set<string>()
  #waiting: string[] = ['the first look at the resources']
  #problems: string[] = []
  #ready = false
  #announced = ''
  #stopping = false

  constructor(options: LocalArrayOptions) {
    this.#options = options
    options.cluster.watchPods((pod) => {
      for (const container of pod.containers) if (container.ready) this.#everReady.add(`${pod.name}/${container.name}`)
    })
  }

  /** The DNS has records of keys of a domain: what is said of them is looked at anew. */
  keysPublished(): void {
    this.#directoryHas = ''
  }

  /** The files changed: they are read at the next `reconcile()`. */
  resourcesChanged(): void {
    this.#resources = null
  }

  stopping(): void {
    this.#stopping = true
    this.#ready = false
  }

  /** @returns when to look again without being told of a change. */
  async reconcile(): Promise<number | null> {
    const resources = this.#read()
    if (!resources) return null
    await this.#applyObjects(resources)
    const pods = await this.#options.cluster.pods()
    this.#findProblems(pods)
    this.#waiting = pods.flatMap(waitingText)
    const isReady = (workload: string) => pods.some((pod) => pod.name === `${workload}-0` && pod.ready)
    if (isReady(DIRECTORY)) {
      await this.#fillDirectory(resources)
      if (isReady(NATS) && isReady(PROVISION)) await this.#createAccounts(resources)
      else this.#waiting.push('accounts: wait for provisioning')
    } else this.#waiting.push('domains: wait for the directory')
    if (this.#waiting.length === 0 && !this.#stopping) this.#announce(resources)
    return LOOK_AGAIN_MS
  }

  /** Whether a pod of this name belongs to a MailNode. */
  isMember(pod: string): boolean {
    return [...this.#appliedNodes.values()].some((node) => podNames(node).includes(pod))
  }

  async status(): Promise<OperatorStatus> {
    const { clock, cluster, context } = this.#options
    const pods = await cluster.pods()
    const processes = pods.flatMap((pod) =>
      pod.containers.map(
        (container): ProcessStatus => ({
          name: `${pod.name}/${container.name}`,
          pod: pod.name,
          container: container.name,
          pid: container.pid,
          state: container.state,
          restarts: container.restarts,
          ready: container.ready,
          reason: container.reason,
          uptimeS: container.startedAtMs === null ? null : Math.round((clock.nowMs() - container.startedAtMs) / 1_000),
          rssBytes: container.pid === null ? null : residentBytes(container.pid),
        }),
      ),
    )
    return {
      phase: this.#stopping ? 'stopping' : this.#ready ? 'ready' : this.#problems.length > 0 ? 'failed' : 'starting',
      waitingFor: this.#waiting,
      problems: this.#problems,
      mailNodes: [...this.#appliedNodes.values()].map((node) => ({
        name: node.metadata.name,
        shards: node.spec.shards,
      })),
      domains: (this.#resources?.domains ?? []).map((domain) => domain.spec.name),
      stoppedMembers: cluster.stoppedPods(context.namespace),
      filterPools: this.#pools.map(({ seen }) => seen),
      viruses: virusRule(
        [...this.#appliedNodes.values()],
        this.#pools.map(({ pool }) => pool),
      ),
      processes,
    }
  }

  #read(): LocalResources | null {
    if (this.#resources) return this.#resources
    try {
      this.#resources = this.#options.readResources()
      this.#resourceProblem = null
    } catch (error) {
      if (!(error instanceof ResourceError)) throw error
      this.#resourceProblem = errorMessage(error)
      this.#problems = [this.#resourceProblem]
      this.#options.logger.error({ problem: this.#resourceProblem }, 'the resources cannot be used: nothing is changed')
    }
    return this.#resources
  }

  async #applyObjects(resources: LocalResources): Promise<void> {
    const { context, cluster, certificates, credentials, natsConfig } = this.#options
    const addressOf = (workload: string, ordinal: number) => cluster.addressOf(context.namespace, workload, ordinal)
    const mailNames = resources.domains.map((domain) => domain.spec.name)
    const objects = [
      ...(await arraySecrets(context, certificates, credentials, addressOf, mailNames)),
      ...natsObjects(context, natsConfig),
      ...directoryObjects(context),
      ...provisionObjects(context),
      mailService(context),
    ]
    const members = await Promise.all(
      resources.mailNodes.map(async (node) => ({
        node,
        certificates: await memberCertificates(node, context, certificates, addressOf),
      })),
    )
    for (const object of inApplyOrder(objects)) await cluster.apply(object)
    await this.#applyPools(resources)
    for (const { node, certificates: found } of members) {
      const pool = resources.filterPools.find(({ metadata }) => metadata.name === node.spec.edge.filter?.pool)
      const { action } = await reconcileMailNode(node, context, found, cluster, undefined, pool ?? null)
      if (action.kind === 'replace')
        this.#options.logger.info({ mailNode: node.metadata.name, ...action }, 'replaced a member')
    }
    await this.#removeNodes(resources)
  }

  async #applyPools({ filterPools }: LocalResources): Promise<void> {
    const { context, cluster, certificates, reaches, clock, logger } = this.#options
    const pools = await Promise.all(filterPools.map((pool) => poolHere(pool, reaches)))
    for (const { pool, seen } of pools) {
      const ports = { cluster, certificates, context, imageHasFilter: true }
      await reconcileFilterPool(pool, ports, clock.nowMs())
      const before = this.#pools.find((one) => one.seen.name === seen.name)
      if (JSON.stringify(before?.seen) !== JSON.stringify(seen))
        logger.info({ pool: seen }, 'a filter pool and its engines')
    }
    const gone = this.#pools.filter(({ seen }) => !pools.some((one) => one.seen.name === seen.name))
    for (const { pool } of gone) await cluster.delete(refOf(deployment(pool, context, null)))
    this.#pools = pools
  }

  /** A MailNode that is in no file any more is stopped; its volumes stay, as claims do. */
  async #removeNodes(resources: LocalResources): Promise<void> {
    const { context, cluster, logger } = this.#options
    const wanted = new Map(resources.mailNodes.map((node) => [node.metadata.name, node]))
    for (const [name, node] of this.#appliedNodes) {
      if (wanted.has(name)) continue
      logger.warn({ mailNode: name }, 'MailNode is gone from the resources: stopping it, its volumes stay')
      for (const { kind, metadata } of mailNodeObjects(node, context)) {
        await cluster.delete({ kind, namespace: metadata.namespace, name: metadata.name })
      }
    }
    this.#appliedNodes = wanted
  }

  async #fillDirectory(resources: LocalResources): Promise<void> {
    const { directory, logger } = this.#options
    const shards = resources.mailNodes
      .flatMap((node) => shardNames(node))
      .map((name) => ({ name: toShardName(name), active: true }))
    const wanted = JSON.stringify([shards, resources.domains])
    if (wanted === this.#directoryHas) return
    this.#directoryHas = wanted // before: news of published keys may come meanwhile, and takes it back
    try {
      await directory.ensureShards(shards)
      await this.#reconcileDomains(resources.domains)
    } catch (error) {
      this.#directoryHas = ''
      this.#waiting.push(`domains: ${errorMessage(error)}`)
      throw error
    }
    logger.info({ shards: shards.length, domains: resources.domains.length }, 'the directory has shards and domains')
  }

  async #reconcileDomains(domains: readonly Domain[]): Promise<void> {
    const { context, cluster, directory, clock, layout, logger } = this.#options
    const claims = new Claims()
    for (const claim of domains.map(claimOf)) claims.set(claim.key, claim)
    const ports = { ...this.#options.domains, cluster, claims, directory, mailHostname: context.mailHostname }
    const records: DomainRecords = []
    for (const domain of domains) {
      const { status, failure } = await reconcileDomain(domain, ports, clock.nowMs())
      if (failure !== null) throw failure
      const untrue =
        status.conditions?.filter(({ type, status: holds }) => type === 'Conflict' && holds === 'True') ?? []
      for (const { message } of untrue) logger.warn({ domain: domain.metadata.name }, message)
      records.push({
        name: domain.spec.name,
        records: status.records ?? [],
        zone: status.zone ?? '',
        ...(status.mtaStsPolicy === undefined ? {} : { mtaStsPolicy: status.mtaStsPolicy }),
      })
    }
    const left = leftBehind(await directory.listDomains(), new Set(domains.map((domain) => claimOf(domain).key)))
    for (const [key, names] of left) await forgetDomain(key, names, ports)
    const zone = records.map((one) => one.zone).join('\n')
    if (zone === this.#zone) return
    writeWhole(layout.zoneFile, zone, 0o644)
    writeJson(layout.recordsFile, records)
    this.#zone = zone
    // The file is the DNS here: keys that were just made are looked for in it.
    await this.#reconcileDomains(domains)
  }

  async #createAccounts(resources: LocalResources): Promise<void> {
    const { directory, accounts, logger } = this.#options
    const missing = resources.accounts.filter((account) => !this.#homes.has(account.address))
    if (missing.length === 0) return
    const create = async (account: LocalAccount) => {
      const present = await directory.account(account.address.toLowerCase())
      if (present?.status === 'active') return present.home
      logger.info({ account: account.address }, 'creating an account')
      return await accounts.create(
        account,
        account.quotaBytes ?? domainQuota(resources, account.address),
        CREATE_TIMEOUT_MS,
      )
    }
    const outcomes = await Promise.allSettled(missing.map(create))
    const failed: string[] = []
    missing.forEach((account, i) => {
      const outcome = outcomes[i]
      if (outcome?.status === 'fulfilled') this.#homes.set(account.address, outcome.value)
      else failed.push(`account ${account.address}: ${errorMessage(outcome?.reason)}`)
    })
    this.#waiting.push(...failed)
    if (failed.length > 0) throw new Error(failed.join('; '))
  }

  #findProblems(pods: readonly SeenPod[]): void {
    const { layout } = this.#options
    this.#problems = hopelessContainers(pods, this.#everReady).map(({ name, container }) => {
      const logFile = join(layout.logsDir, `${name.replace('/', '-')}.log`)
      return problemText(name, container, logFile, readFileSync(logFile, 'utf8'))
    })
    if (this.#resourceProblem) this.#problems.push(this.#resourceProblem)
  }

  /** Everything is there: says how to reach it, anew whenever that changed. */
  #announce(resources: LocalResources): void {
    const { context, cluster, layout, network, certificates, logger } = this.#options
    const addressOf = (workload: string) => cluster.addressOf(context.namespace, workload, 0)
    const firstNode = resources.mailNodes[0]?.metadata.name
    const endpoints = endpointsOf(
      {
        service: serviceAddress(network),
        nats: addressOf(NATS),
        directory: addressOf(DIRECTORY),
        outside: outsideAddress(network),
        firstEdge: firstNode === undefined ? '' : addressOf(firstNode),
      },
      layout.caFile,
      resources.accounts.map(({ address, password }) => ({ address, password, home: this.#homes.get(address) ?? '' })),
    )
    const text = JSON.stringify(endpoints)
    if (text === this.#announced) return
    writeWhole(layout.caFile, certificates.ca, 0o644)
    writeJson(layout.endpointsFile, endpoints)
    this.#announced = text
    this.#ready = true
    logger.info({ mailNodes: this.#appliedNodes.size, accounts: this.#homes.size }, 'the array is ready')
  }
}

function domainQuota(resources: LocalResources, address: string): number | null {
  const name = address.slice(address.lastIndexOf('@') + 1).toLowerCase()
  const quota = resources.domains.find((domain) => domain.spec.name === name)?.spec.policies.quota
  return quota === undefined ? null : bytesOf(quota)
}

/** Certificate of the operator or the command line, for links to shards, as a folder. */
export async function toolCertificate(
  store: CertificateStore,
  role: 'operator' | 'cli',
  write: (name: string, text: string) => void,
): Promise<void> {
  const pair = await store.pair(role, roleRequest(role, 'local', []))
  write('tls.crt', pair.cert)
  write('tls.key', pair.key)
  write('ca.crt', store.ca)
}
