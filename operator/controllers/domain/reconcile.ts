/**
 * Makes keys and directory be as a Domain says and tells what it found. Safe to call at any time and any number of times: with
 * nothing new it writes nothing. Touches no pod, no Role and nothing else that a MailNode has.
 *
 * Invariants: new keys are made only when the API server itself says that there is no Secret; a Secret that cannot be read is
 * left alone; the directory is written only by the Domain that holds the name.
 */

import { type Sealing, type Smarthost, sealSending } from '#lib/directory/domain-sending.ts'
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { DirectoryAdmin } from '#lib/ldap/admin.ts'
import type { StoredDomain } from '#lib/ldap/entry.ts'
import type { DomainStatus } from '#operator/api/domain.ts'
import type { Domain } from '#operator/api/mod.ts'
import type { Cluster } from '#operator/cluster/cluster.ts'
import type { Secret } from '#operator/cluster/objects.ts'
import type { Claims } from './claims.ts'
import { claimOf, directoryEntry, keptBy, ownerOf } from './decide.ts'
import type { KeyWatch } from './key-watch.ts'
import {
  type DkimKeyPair,
  decideKeys,
  dkimRecords,
  dkimSecret,
  dkimSecretName,
  type KeySet,
  readKeySets,
  signingKeys,
  stateOf,
} from './keys.ts'
import { domainStatus } from './status.ts'

export type DomainDirectory = Pick<DirectoryAdmin, 'ensureDomain' | 'removeDomain' | 'listDomains'>

export interface DomainPorts {
  readonly cluster: Cluster
  readonly claims: Claims
  /** null: this operator was given no directory. */
  readonly directory: DomainDirectory | null
  readonly keyWatch: KeyWatch
  readonly makeKeys: () => Promise<DkimKeyPair>
  /** Tells the services that the directory says something new of a domain. */
  readonly domainChanged: (name: string) => void
  readonly mailHostname: string
  /** Closes what senders need to know, so that it can lie in the directory. */
  readonly sealing: () => Promise<Sealing>
}

export interface DomainOutcome {
  readonly status: DomainStatus
  /** When to look again without being told, in ms, or null. */
  readonly againMs: number | null
  /** What kept the directory from being written: thrown again after the status was written, so that it is tried again. */
  readonly failure: unknown
}

export async function reconcileDomain(domain: Domain, ports: DomainPorts, nowMs: number): Promise<DomainOutcome> {
  const { key, domain: name, loginDefault } = claimOf(domain)
  const holder = ports.claims.holder(name)
  const defaultHolder = ports.claims.defaultHolder()
  const conflict = holder === null || holder === key ? null : holder
  const defaultConflict = loginDefault && defaultHolder !== key ? defaultHolder : null
  const facts = { domain, mailHostname: ports.mailHostname, conflict, defaultConflict }
  if (conflict !== null) {
    ports.keyWatch.forget(key)
    const status = domainStatus({ ...facts, directory: null, sets: [], keyProblem: null }, nowMs)
    return { status, againMs: null, failure: null }
  }
  const keys = await reconcileKeys(domain, key, ports, nowMs)
  const entry = directoryEntry(domain, loginDefault && defaultConflict === null)
  const smarthost = await smarthostOf(domain, ports.cluster)
  const written = await writeEntry(entry, keys, smarthost, ports)
  const status = domainStatus({ ...facts, ...keys, directory: written.problem }, nowMs)
  return { status, againMs: keys.againMs, failure: written.failure }
}

/** Takes out what a Domain that is gone has left in the directory. A name that another Domain claims stays with that one. */
export async function forgetDomain(key: string, names: readonly string[], ports: DomainPorts): Promise<void> {
  ports.keyWatch.forget(key)
  for (const name of names) {
    if (ports.claims.holder(name) !== null) continue
    if (await ports.directory?.removeDomain(name, ownerOf(key))) ports.domainChanged(name)
  }
}

/** Entries that Domains keep which are not among `present`: left behind while no operator ran. By key of the Domain. */
export function leftBehind(entries: readonly StoredDomain[], present: ReadonlySet<string>): Map<string, string[]> {
  const left = new Map<string, string[]>()
  for (const entry of entries) {
    const key = keptBy(entry)
    if (key !== null && !present.has(key)) left.set(key, [...(left.get(key) ?? []), entry.name])
  }
  return left
}

interface KeyOutcome {
  readonly sets: readonly KeySet[]
  readonly keyProblem: string | null
  readonly againMs: number | null
}

async function reconcileKeys(domain: Domain, key: string, ports: DomainPorts, nowMs: number): Promise<KeyOutcome> {
  const { cluster, keyWatch, makeKeys } = ports
  const { namespace, name } = domain.metadata
  const ref = { kind: 'Secret', namespace, name: dkimSecretName(name) } as const
  const present = cluster.seen(ref) ?? (await cluster.get(ref))
  const read = present === null ? { sets: [] } : readKeySets(present)
  if ('problem' in read) return { sets: [], keyProblem: read.problem, againMs: null }
  const isPublished = publishedSets(domain, key, read.sets, keyWatch)
  const { sets, changed, make, againMs } = decideKeys(read.sets, domain.spec.dkim.keySet, isPublished, nowMs)
  const made = make === null ? [] : [{ keySet: make, seenAt: null, retiredAt: null, keys: await makeKeys() }]
  const wanted = [...made, ...sets]
  if (made.length > 0 || changed) await write(dkimSecret(domain, wanted, present), present, cluster)
  return { sets: wanted, keyProblem: null, againMs }
}

/** Only sets that wait are asked for: what was seen once counts. */
function publishedSets(domain: Domain, key: string, sets: readonly KeySet[], keyWatch: KeyWatch) {
  const waiting = sets.filter((set) => stateOf(set) === 'waiting')
  if (waiting.length === 0) {
    keyWatch.forget(key)
    return () => false
  }
  const questions = waiting.map((set) =>
    dkimRecords(set).map(({ selector, text }) => ({ name: `${selector}._domainkey.${domain.spec.name}`, text })),
  )
  const there = keyWatch.arePublished(key, questions)
  return (set: KeySet) => there[waiting.indexOf(set)] === true
}

/** Never over what somebody else wrote in between: that may be keys whose records are published already. */
async function write(secret: Secret, present: Secret | null, cluster: Cluster): Promise<void> {
  await (present === null ? cluster.create(secret) : cluster.replace(secret))
}

async function writeEntry(
  domain: StoredDomain,
  { sets, keyProblem }: KeyOutcome,
  smarthost: Smarthost | null | Unusable,
  { directory, domainChanged, sealing }: DomainPorts,
): Promise<{ readonly problem: Parameters<typeof domainStatus>[0]['directory']; readonly failure: unknown }> {
  if (directory === null) {
    const message = 'The operator was started without a directory: set directoryPasswordFile'
    return { problem: { reason: 'NoDirectory', message }, failure: null }
  }
  // Without its entry the domain takes no mail; with half of it letters would go out another way than was asked for.
  if (smarthost !== null && 'problem' in smarthost) {
    return { problem: { reason: 'NoCredentials', message: smarthost.problem }, failure: null }
  }
  try {
    const keys = signingKeys(sets)
    // Keys that cannot be read are no reason to take away those that senders have.
    const kept = keyProblem !== null
    const nothing = keys.length === 0 && smarthost === null
    const sending = nothing ? null : sealSending(domain.name, { keys, smarthost }, await sealing())
    if (await directory.ensureDomain({ ...domain, ...(kept ? {} : { sending }) })) domainChanged(domain.name)
    return { problem: null, failure: null }
  } catch (failure) {
    return { problem: { reason: 'DirectoryUnavailable', message: errorMessage(failure) }, failure }
  }
}

interface Unusable {
  readonly problem: string
}

/** The way out that the Domain wants, with its login. */
async function smarthostOf(domain: Domain, cluster: Cluster): Promise<Smarthost | null | Unusable> {
  const { smarthost } = domain.spec.sending
  if (smarthost === undefined) return null
  const { host, port, tls, credentialsSecret: name } = smarthost
  if (name === undefined) return { host, port, tls, login: null }
  const { namespace } = domain.metadata
  const secret = await cluster.get({ kind: 'Secret', namespace, name })
  const { username, password } = secret?.stringData ?? {}
  if (username === undefined || password === undefined) {
    return { problem: `Secret ${name}, which sending.smarthost names, must hold username and password` }
  }
  return { host, port, tls, login: { user: username, password } }
}
