/** Domain: who may have addresses, and what holds for them. The operator copies it into the directory (`ou=domains`). */
import { z } from 'zod'
import {
  AGE_COLUMN,
  API_VERSION,
  BYTES_PATTERN,
  Conditions,
  cel,
  conditionColumn,
  type KindDefinition,
  ObjectMetadata,
} from './resource.ts'

/** A-labels in lower case, at least two (RFC 5890 section 2.3.1, RFC 1035 section 2.3.1). */
const DOMAIN_NAME = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
/** Addresses of accounts that exist; what is before the `@` is checked by the directory. */
const ADDRESS = /^[^@\s]{1,64}@[^@\s]{1,253}$/

export const DomainSpec = z.object({
  name: z
    .string()
    .max(253)
    .regex(DOMAIN_NAME)
    .meta(cel({ rule: 'self == oldSelf', message: 'name cannot change: make another Domain' }))
    .describe(
      'Domain name in A-labels and lower case, as xn--fiqs8s.example. If two Domains claim one name, the older one has it.',
    ),
  active: z
    .boolean()
    .default(true)
    .describe('False: mail for the domain is refused with a permanent code, logins fail.'),
  postmaster: z
    .string()
    .max(320)
    .regex(ADDRESS)
    .optional()
    .describe(
      'Account that gets mail for postmaster and abuse (RFC 5321 section 4.5.1, RFC 2142); the account postmaster@<name> without it.',
    ),
  catchAll: z
    .string()
    .max(320)
    .regex(ADDRESS)
    .optional()
    .describe('Account that gets what no address matches. Without it such mail is refused.'),
  loginDefault: z
    .boolean()
    .default(false)
    .describe('Logins without a domain mean this one. At most one Domain of an array.'),
  policies: z
    .object({
      quota: z
        .string()
        .max(32)
        .regex(new RegExp(BYTES_PATTERN))
        .optional()
        .describe('Quota of new accounts, as 5Gi; no limit without it.'),
    })
    .prefault({})
    .describe('What holds for all accounts of the domain.'),
})
export type DomainSpec = z.infer<typeof DomainSpec>

export const DomainStatus = z.object({
  observedGeneration: z.int().min(0).optional().describe('Generation that the rest of the status speaks of.'),
  conditions: Conditions.optional(),
})
export type DomainStatus = z.infer<typeof DomainStatus>

export const Domain = z.object({
  apiVersion: z.literal(API_VERSION),
  kind: z.literal('Domain'),
  metadata: ObjectMetadata,
  spec: DomainSpec.strict(),
  status: DomainStatus.optional(),
})
export type Domain = z.infer<typeof Domain>

export const domainKind: KindDefinition = {
  kind: 'Domain',
  plural: 'domains',
  singular: 'domain',
  shortNames: ['maildomain'],
  categories: ['twinpost'],
  description:
    'A mail domain of the array. Accounts are entries of the directory, not resources: there may be millions.',
  spec: DomainSpec,
  status: DomainStatus,
  rules: [],
  columns: [
    { name: 'Domain', type: 'string', jsonPath: '.spec.name', description: 'Domain name.' },
    conditionColumn('Ready', 'Whether the directory has the domain as it is here.'),
    {
      name: 'Reason',
      type: 'string',
      jsonPath: ".status.conditions[?(@.type=='Ready')].reason",
      description: 'Why it is ready or not.',
    },
    AGE_COLUMN,
    {
      name: 'Catch-all',
      type: 'string',
      jsonPath: '.spec.catchAll',
      description: 'Account that gets unmatched mail.',
      priority: 1,
    },
  ],
}
