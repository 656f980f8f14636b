/** The status of a Domain: pure, from what was found on one look. */

import type { DomainStatus } from '#operator/api/domain.ts'
import type { Condition, Domain } from '#operator/api/mod.ts'
import { conditionsOf, type Finding } from '../conditions.ts'
import { type KeySet, selectorsOf, stateOf } from './keys.ts'
import { dnsRecords, mtaStsPolicy, zoneFile } from './records.ts'

export interface DomainFacts {
  readonly domain: Domain
  readonly mailHostname: string
  /** Key of the Domain that has the name, if that is another one. */
  readonly conflict: string | null
  /** Key of the Domain that logins without a domain mean, if this one wants that and another has it. */
  readonly defaultConflict: string | null
  /** Why the directory does not say what it should, or null if it does. */
  readonly directory: {
    readonly reason: 'NoDirectory' | 'DirectoryUnavailable' | 'NoCredentials'
    readonly message: string
  } | null
  readonly sets: readonly KeySet[]
  /** Why keys cannot be used, in words, or null. */
  readonly keyProblem: string | null
}

export function domainStatus(facts: DomainFacts, nowMs: number): DomainStatus {
  const { domain, mailHostname, conflict, sets } = facts
  const { generation } = domain.metadata
  const ready = readiness(facts)
  const conditions: Condition[] = conditionsOf(
    [ready, claim(facts), ...(conflict === null ? [publication(facts)] : [])],
    domain.status?.conditions,
    generation,
    nowMs,
  )
  const records = conflict === null ? dnsRecords(domain, mailHostname, sets) : []
  const policy = conflict === null ? mtaStsPolicy(domain, mailHostname) : null
  return {
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    phase: conflict !== null ? 'Conflict' : ready.status === 'True' ? 'Ready' : 'Pending',
    phaseReason: ready.message,
    dkim: sets.map((set) => ({
      keySet: set.keySet,
      selectors: Object.values(selectorsOf(set.keySet)),
      state: stateOf(set),
    })),
    records,
    zone: zoneFile(records),
    ...(policy === null ? {} : { mtaStsPolicy: policy }),
    conditions,
  }
}

function readiness({ domain, conflict, directory, defaultConflict }: DomainFacts): Finding {
  const type = 'Ready'
  const name = domain.spec.name
  if (conflict !== null) {
    return { type, status: 'False', reason: 'Conflict', message: `${name} belongs to the older Domain ${conflict}` }
  }
  if (directory !== null) return { type, status: 'False', ...directory }
  const state = domain.spec.active ? `takes mail for ${name}` : `knows ${name} and refuses its mail: active is false`
  const withoutDefault =
    defaultConflict === null ? '' : `; logins without a domain mean the older Domain ${defaultConflict}`
  return { type, status: 'True', reason: 'InDirectory', message: `The array ${state}${withoutDefault}` }
}

function claim({ domain, conflict, defaultConflict }: DomainFacts): Finding {
  const type = 'Conflict'
  const { name } = domain.spec
  if (conflict !== null) {
    const message = `Domain ${conflict} claims ${name} too and is older: delete one of them`
    return { type, status: 'True', reason: 'NameTaken', message }
  }
  if (defaultConflict !== null) {
    const message = `Domain ${defaultConflict} has loginDefault too and is older: set it in one only`
    return { type, status: 'True', reason: 'LoginDefaultTaken', message }
  }
  return { type, status: 'False', reason: 'NameHeld', message: `No other Domain has a claim on ${name}` }
}

function publication({ sets, keyProblem }: DomainFacts): Finding {
  const type = 'KeysPublished'
  if (keyProblem !== null) return { type, status: 'False', reason: 'KeysUnusable', message: keyProblem }
  const waiting = sets.find((set) => stateOf(set) === 'waiting')
  const active = sets.find((set) => stateOf(set) === 'active')
  const names = (set: KeySet) => Object.values(selectorsOf(set.keySet)).join(' and ')
  if (active === undefined) {
    const message = `Publish the DKIM records of status.records: ${waiting ? names(waiting) : 'none'} were not seen in the DNS yet`
    return { type, status: 'False', reason: 'NotInDns', message }
  }
  if (waiting === undefined) {
    return { type, status: 'True', reason: 'InDns', message: `The DNS has ${names(active)}` }
  }
  const message = `The DNS has ${names(active)}; ${names(waiting)} take over once they were seen there`
  return { type, status: 'True', reason: 'Rotating', message }
}
