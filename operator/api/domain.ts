/** Domain: who may have addresses, and what holds for them. The operator copies it into the directory (`ou=domains`). */
import { z } from 'zod'
import { FilterLists } from './mail-node.ts'
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
/** Names that hold records only may begin labels with an underscore (RFC 8552). */
const RECORD_NAME = /^([a-z0-9_]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
/** Addresses of accounts that exist; what is before the `@` is checked by the directory. */
const ADDRESS = /^[^@\s]{1,64}@[^@\s]{1,253}$/

/** Of a TXT record there may be no more than ten lookups (RFC 7208 section 4.6.4); `mx` is one. */
const SPF_INCLUDES_MAX = 8

const Dkim = z
  .object({
    keySet: z
      .int()
      .min(1)
      .max(9_999)
      .default(1)
      .meta(cel({ rule: 'self >= oldSelf', message: 'keySet can only grow: selectors are never used again' }))
      .describe(
        'Raise it by one to rotate: a new RSA and a new Ed25519 key are made, and take over once both their records were seen in the DNS.',
      ),
  })
  .prefault({})
  .describe('Keys for signing (RFC 6376, 8463), in the Secret <name>-dkim. It stays when the Domain is deleted.')

const Sending = z
  .object({
    smarthost: z
      .object({
        host: z
          .string()
          .max(253)
          .regex(/^[a-z0-9.:-]+$/)
          .describe('Name or address of the server.'),
        port: z.int().min(1).max(65_535).default(587).describe('Its port.'),
        tls: z
          .enum(['starttls', 'implicit', 'opportunistic'])
          .default('starttls')
          .describe(
            'TLS after STARTTLS, from the first byte (port 465), or where it is offered. But for the last one the certificate must be good for host.',
          ),
        credentialsSecret: z
          .string()
          .max(253)
          .optional()
          .describe('Secret of this namespace with username and password; without it nobody logs in.'),
      })
      .meta(
        cel({
          rule: "!has(self.credentialsSecret) || !has(self.tls) || self.tls != 'opportunistic'",
          message: 'a password is told under TLS only: set tls to starttls or implicit',
          fieldPath: '.tls',
          reason: 'FieldValueInvalid',
        }),
      )
      .optional()
      .describe('Takes all that authors of the domain send to others, instead of the MX hosts of these.'),
  })
  .prefault({})
  .describe('How letters of the domain leave.')

const Dns = z
  .object({
    reports: z
      .string()
      .max(320)
      .regex(ADDRESS)
      .optional()
      .describe('Address for DMARC and TLS reports; postmaster@<name> without it.'),
    spf: z
      .object({
        includes: z
          .array(z.string().max(253).regex(RECORD_NAME))
          .max(SPF_INCLUDES_MAX)
          .default([])
          .meta({ 'x-kubernetes-list-type': 'set' })
          .describe('Other systems that send for the domain, by the name of their SPF record.'),
        others: z
          .enum(['softfail', 'fail'])
          .default('softfail')
          .describe('What receivers shall do about mail from anywhere else: ~all or -all.'),
      })
      .prefault({})
      .describe('Who may send for the domain (RFC 7208): its MX hosts and these.'),
    dmarc: z
      .enum(['none', 'quarantine', 'reject'])
      .default('none')
      .describe('What receivers shall do about mail that fails DMARC (RFC 7489).'),
    mtaSts: z
      .object({
        mode: z.enum(['none', 'testing', 'enforce']).default('none').describe('Mode of the policy.'),
        host: z
          .string()
          .max(253)
          .regex(DOMAIN_NAME)
          .optional()
          .describe('Web server that serves status.mtaStsPolicy; mta-sts.<name> then is an alias of it.'),
      })
      .meta(
        cel({
          rule: "!has(self.mode) || self.mode == 'none' || has(self.host)",
          message: 'mtaSts needs host: the policy must be served by a web server',
          fieldPath: '.host',
          reason: 'FieldValueRequired',
        }),
      )
      .prefault({})
      .describe('MTA-STS (RFC 8461). Twinpost writes the policy and does not serve it: that is up to host.'),
    autoconfigHost: z
      .string()
      .max(253)
      .regex(DOMAIN_NAME)
      .optional()
      .describe('Web server with settings for mail clients; autoconfig.<name> then is an alias of it.'),
  })
  .prefault({})
  .describe('What the records in status.records say.')

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
  filter: z
    .object({
      level: z
        .enum(['off', 'low', 'standard', 'strict'])
        .optional()
        .describe('How much spam its people want to see who say nothing of it; as the MailNode says without it.'),
      ...FilterLists,
    })
    .optional()
    .describe('What the domain wishes of the mail filter. Without it, what twinpost filter set said holds.'),
  dkim: Dkim,
  sending: Sending,
  dns: Dns,
})
export type DomainSpec = z.infer<typeof DomainSpec>

export const DnsRecord = z.object({
  purpose: z
    .enum(['MX', 'SPF', 'DKIM', 'DMARC', 'MTA-STS', 'TLS-RPT', 'SRV', 'autoconfig'])
    .describe('What it is for.'),
  name: z.string().max(255).describe('Owner name, without the dot at its end.'),
  type: z.enum(['MX', 'TXT', 'SRV', 'CNAME']).describe('Type of the record.'),
  value: z.string().max(2048).describe('Value as forms of DNS providers take it; a TXT in one piece.'),
})
export type DnsRecord = z.infer<typeof DnsRecord>

const DkimKeySet = z.object({
  keySet: z.int().min(1).describe('Number of the set: spec.dkim.keySet when it was made.'),
  selectors: z
    .array(z.string().max(63))
    .max(2)
    .meta({ 'x-kubernetes-list-type': 'atomic' })
    .describe('Selectors of its RSA and its Ed25519 key.'),
  state: z
    .enum(['waiting', 'active', 'retired'])
    .describe(
      'waiting: not seen in the DNS. active: the newest that was. retired: its records must stay until it is gone from here.',
    ),
})

export const DomainStatus = z.object({
  observedGeneration: z.int().min(0).optional().describe('Generation that the rest of the status speaks of.'),
  phase: z.enum(['Ready', 'Pending', 'Conflict']).optional().describe('One word for people.'),
  phaseReason: z.string().max(1024).optional().describe('Why, in words.'),
  dkim: z
    .array(DkimKeySet)
    .max(8)
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['keySet'] })
    .optional()
    .describe('Sets of keys, the newest first.'),
  records: z
    .array(DnsRecord)
    .max(64)
    .meta({ 'x-kubernetes-list-type': 'atomic' })
    .optional()
    .describe('DNS records to publish.'),
  zone: z.string().max(32_768).optional().describe('The same records as lines of a zone file (RFC 1035 section 5.1).'),
  mtaStsPolicy: z
    .string()
    .max(2048)
    .optional()
    .describe('Text to serve at https://mta-sts.<name>/.well-known/mta-sts.txt.'),
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
  rules: [
    {
      rule: 'self.metadata.name.size() <= 63',
      message: 'name must have at most 63 characters: its keys are labelled with it',
    },
  ],
  columns: [
    { name: 'Domain', type: 'string', jsonPath: '.spec.name', description: 'Domain name.' },
    conditionColumn('Ready', 'Whether the directory has the domain as it is here.'),
    conditionColumn('KeysPublished', 'Whether the DNS has the records of a set of DKIM keys.'),
    {
      name: 'Reason',
      type: 'string',
      jsonPath: ".status.conditions[?(@.type=='Ready')].reason",
      description: 'Why it is ready or not.',
    },
    AGE_COLUMN,
    {
      name: 'Why',
      type: 'string',
      jsonPath: '.status.phaseReason',
      description: 'Why it is ready or not, in words.',
      priority: 1,
    },
    {
      name: 'Catch-all',
      type: 'string',
      jsonPath: '.spec.catchAll',
      description: 'Account that gets unmatched mail.',
      priority: 1,
    },
  ],
}
