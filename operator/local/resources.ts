/**
 * Reads the folder of YAML files that stands for the API server: MailNode, Domain, FilterPool, and AccountList, which exists
 * only here (accounts are directory entries; a list of them in a file is for trying things out). Every mistake names its file
 * and document; one mistake and nothing of the folder is used, so that half a change is never applied.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { CodedError, type ErrorSpec, errorMessage } from '#lib/errors/coded-error.ts'
import { API_VERSION, Domain, FilterPool, MailNode } from '#operator/api/mod.ts'
import { filterProblem } from '#operator/controllers/mailnode/edge-filter.ts'

export const RESOURCE_ERRORS = {
  RESOURCE_INVALID: {
    retry: false,
    meaning: 'A resource of the folder is not valid; nothing of the folder is used until it is.',
  },
  RESOURCE_UNREADABLE: { retry: false, meaning: 'The folder of resources cannot be read.' },
} as const satisfies Record<string, ErrorSpec>

export class ResourceError extends CodedError<keyof typeof RESOURCE_ERRORS> {
  override readonly name = 'ResourceError'
}

const LocalAccount = z.strictObject({
  address: z.email(),
  password: z.string().min(8),
  displayName: z.string().default(''),
  aliases: z.array(z.email()).default([]),
  quotaBytes: z.int().min(1).nullable().default(null),
  locale: z.string().default('en'),
  /** Shard, or null: the one with the least load. */
  home: z.string().nullable().default(null),
})
export type LocalAccount = z.infer<typeof LocalAccount>

const AccountList = z.strictObject({
  apiVersion: z.literal(API_VERSION),
  kind: z.literal('AccountList'),
  metadata: z.looseObject({ name: z.string() }),
  accounts: z.array(LocalAccount),
})

const Resource = z.discriminatedUnion('kind', [MailNode, Domain, FilterPool, AccountList])

export interface LocalResources {
  readonly mailNodes: readonly MailNode[]
  readonly domains: readonly Domain[]
  readonly filterPools: readonly FilterPool[]
  readonly accounts: readonly LocalAccount[]
}

/** @throws {ResourceError} naming file, document and field */
export function readResources(folder: string): LocalResources {
  let names: string[]
  try {
    names = readdirSync(folder).filter((name) => /\.ya?ml$/.test(name))
  } catch (cause) {
    throw new ResourceError('RESOURCE_UNREADABLE', `Cannot read ${folder}: ${errorMessage(cause)}`, { cause })
  }
  return parseResources(names.sort().map((name) => ({ name, text: readFileSync(join(folder, name), 'utf8') })))
}

/** Pure part of `readResources`. */
export function parseResources(files: readonly { readonly name: string; readonly text: string }[]): LocalResources {
  const found = {
    mailNodes: [] as MailNode[],
    domains: [] as Domain[],
    filterPools: [] as FilterPool[],
    accounts: [] as LocalAccount[],
  }
  const seen = new Map<string, string>()
  for (const { name, text } of files) {
    parseAllDocuments(text).forEach((document, index) => {
      const at = `${name}, document ${index + 1}`
      const [error] = document.errors
      if (error) throw new ResourceError('RESOURCE_INVALID', `Cannot use ${at}: ${error.message}`)
      const value: unknown = document.toJS()
      if (value === null) return
      const parsed = Resource.safeParse(value)
      if (!parsed.success) throw new ResourceError('RESOURCE_INVALID', `Cannot use ${at}: ${problemsOf(parsed.error)}`)
      const resource = parsed.data
      const key = `${resource.kind} ${resource.metadata.name}`
      const earlier = seen.get(key)
      if (earlier !== undefined)
        throw new ResourceError('RESOURCE_INVALID', `Cannot use ${at}: ${key} is in ${earlier} already`)
      seen.set(key, at)
      switch (resource.kind) {
        case 'MailNode':
          found.mailNodes.push(resource)
          break
        case 'Domain':
          found.domains.push(resource)
          break
        case 'FilterPool':
          found.filterPools.push(resource)
          break
        case 'AccountList':
          found.accounts.push(...resource.accounts)
          break
        default:
          resource satisfies never
      }
    })
  }
  checkTogether(found)
  return found
}

function checkTogether({ mailNodes, filterPools, domains, accounts }: LocalResources): void {
  for (const node of mailNodes) {
    const pool = filterPools.find(({ metadata }) => metadata.name === node.spec.edge.filter?.pool)
    const problem = filterProblem(node, pool ?? null)
    if (problem !== null)
      throw new ResourceError('RESOURCE_INVALID', `Cannot use MailNode ${node.metadata.name}: ${problem}`)
  }
  const names = new Map<string, string>()
  for (const domain of domains) {
    const other = names.get(domain.spec.name)
    if (other !== undefined) {
      throw new ResourceError(
        'RESOURCE_INVALID',
        `Cannot use Domain ${domain.metadata.name}: ${domain.spec.name} is ${other}'s already`,
      )
    }
    names.set(domain.spec.name, domain.metadata.name)
  }
  const addresses = new Set<string>()
  for (const { address } of accounts) {
    const key = address.toLowerCase()
    if (addresses.has(key))
      throw new ResourceError('RESOURCE_INVALID', `Cannot use account ${address}: it is listed twice`)
    addresses.add(key)
    if (!names.has(key.slice(key.lastIndexOf('@') + 1))) {
      throw new ResourceError('RESOURCE_INVALID', `Cannot use account ${address}: no Domain has that name`)
    }
  }
}

function problemsOf(error: z.ZodError): string {
  return error.issues.map((issue) => `${issue.path.join('.') || '(top)'}: ${issue.message}`).join('; ')
}
