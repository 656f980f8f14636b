/**
 * MailNode: one server of the array, a pair of members that mirror each other (docs/architecture.md, "Words").
 * Spec fields are wishes; status is written by the operator only.
 */
import { z } from 'zod'
import { FILTER_LIST_MAX } from '#lib/filter/settings.ts'
import {
  AGE_COLUMN,
  API_VERSION,
  BYTES_PATTERN,
  Conditions,
  cel,
  conditionColumn,
  DURATION_PATTERN,
  type KindDefinition,
  LABEL_PATTERN,
  ObjectMetadata,
} from './resource.ts'

export const MEMBERS = 2
export const SHARDS_MAX = 16

const Listeners = z
  .object({
    smtp: z.boolean().default(true).describe('Mail from outside (port 25 of the Service).'),
    lmtp: z
      .boolean()
      .default(false)
      .describe('LMTP (port 24 of the Service), for filters and migration inside the cluster.'),
    submission: z.boolean().default(true).describe('Submission with STARTTLS (port 587).'),
    submissions: z.boolean().default(true).describe('Submission over TLS (port 465).'),
    imap: z.boolean().default(true).describe('IMAP with STARTTLS (port 143).'),
    imaps: z.boolean().default(true).describe('IMAP over TLS (port 993).'),
    pop3: z.boolean().default(true).describe('POP3 with STLS (port 110).'),
    pop3s: z.boolean().default(true).describe('POP3 over TLS (port 995).'),
  })
  .describe('Ports that the edge Service offers.')
export type ListenerName = keyof z.infer<typeof Listeners>

const Service = z
  .object({
    type: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer']).default('ClusterIP').describe('Type of the edge Service.'),
    externalTrafficPolicy: z
      .enum(['Local', 'Cluster'])
      .default('Local')
      .describe('Local keeps the addresses of clients, which per-address policy needs. Unused with ClusterIP.'),
    annotations: z
      .record(z.string().max(317), z.string().max(4096))
      .optional()
      .meta({ maxProperties: 32 })
      .describe('Annotations of the edge Service, as load balancers want them.'),
  })
  .describe('How clients reach the edge.')

/** An address, or a domain with its subdomains; lower case, A-labels. */
const LISTED = /^([!-?[-~]{1,64}@)?[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/
const listed = z
  .array(z.string().max(320).regex(LISTED))
  .max(FILTER_LIST_MAX)
  .default([])
  .meta({ 'x-kubernetes-list-type': 'set' })

/** Lists of the mail filter, as MailNodes and Domains have them. */
export const FilterLists = {
  allow: listed.describe(
    'Authors whose letters come in where DMARC proves their domain: addresses, or domains with their subdomains. No virus comes in by it.',
  ),
  deny: listed.describe('Authors and senders whose letters go to Junk.'),
}

const Filter = z
  .object({
    pool: z
      .string()
      .max(52)
      .regex(new RegExp(LABEL_PATTERN))
      .describe('FilterPool of the same namespace. It also says what happens to letters that no pod of it can judge.'),
    level: z
      .enum(['off', 'low', 'standard', 'strict'])
      .default('standard')
      .describe(
        'How much spam people want to see who, and whose Domain, say nothing of it (docs/filtering.md). Viruses are none of it.',
      ),
    ...FilterLists,
    required: z
      .array(z.string().max(63))
      .max(16)
      .default([])
      .meta({ 'x-kubernetes-list-type': 'set' })
      .describe('Engines of the pool without whose look a letter is not taken: it gets 451.'),
    onVirus: z
      .enum(['quarantine', 'reject', 'discard'])
      .default('reject')
      .describe('What becomes of a letter with a virus. One that a user sends is always refused.'),
    onAttachment: z
      .enum(['tag', 'junk', 'quarantine', 'reject'])
      .default('junk')
      .describe('What becomes of a letter with a dangerous attachment.'),
    quarantine: z
      .object({
        retention: z
          .string()
          .max(16)
          .regex(new RegExp(DURATION_PATTERN))
          .default('720h')
          .describe('How long a letter stays in quarantine.'),
        digests: z
          .boolean()
          .default(false)
          .describe('Whether people hear each day, by a letter, what was kept back from them.'),
      })
      .prefault({})
      .describe('Letters that nobody gets but by an administrator.'),
    onImage: z
      .enum(['tag', 'junk', 'quarantine'])
      .default('junk')
      .describe('What becomes of a letter with an indecent image.'),
  })
  .describe('Shows letters from outside and from users to a FilterPool before they are stored.')

/** An address or a network; the edge looks closer when it starts. */
const NETWORK =
  /^([0-9]{1,3}(\.[0-9]{1,3}){3}(\/([12]?[0-9]|3[0-2]))?|[0-9a-f:]*:[0-9a-f:.]*(\/(1[01][0-9]|12[0-8]|[0-9]?[0-9]))?)$/
const networks = z
  .array(z.string().max(49).regex(NETWORK))
  .max(256)
  .default([])
  .meta({ 'x-kubernetes-list-type': 'set' })
const dnsLists = z
  .array(
    z
      .string()
      .max(253)
      .regex(/^([a-z0-9_-]{1,63}\.)+[a-z0-9-]{1,63}$/),
  )
  .max(16)
  .default([])
  .meta({ 'x-kubernetes-list-type': 'set' })

const ClientPolicy = z
  .object({
    dnsLists: dnsLists.describe('Lists in the DNS (RFC 5782): mail of addresses that one of them has is refused.'),
    dnsAllowLists: dnsLists.describe('Lists whose addresses are taken whatever else is found out about them.'),
    reverseName: z.boolean().default(false).describe('Refuses addresses without a name that leads back to them.'),
    senderDomain: z
      .boolean()
      .default(false)
      .describe('Refuses senders whose domain does not exist or takes no mail (RFC 7505).'),
    ownNameIsForged: z.boolean().default(true).describe('Refuses clients that call themselves by our own name.'),
    recipientsPerMinute: z
      .int()
      .min(0)
      .max(1_000_000)
      .default(0)
      .describe('Recipients that one address, or one /64 of IPv6, may name in a minute at each edge; 0: any number.'),
    greetingDelayMs: z
      .int()
      .min(0)
      .max(30_000)
      .default(0)
      .describe('The greeting waits so long; who speaks before it is refused.'),
    trusted: networks.describe('Networks of which nothing of this is asked, as those of another MX of yours.'),
  })
  .describe(
    'What is asked of clients that bring mail from outside. Mail for postmaster and abuse always comes in; what cannot be looked up is not held against anybody.',
  )

const Logins = z
  .object({
    scram: z
      .boolean()
      .default(true)
      .describe(
        'Offers SCRAM-SHA-256: every account must have keys. App passwords have none: false where people use both.',
      ),
    oidc: z
      .object({
        issuer: z
          .string()
          .min(1)
          .max(512)
          .regex(/^https:\/\/[^\s]+$/)
          .describe('OpenID Connect issuer, an https URL.'),
        audience: z.string().min(1).max(256).default('twinpost').describe('What the aud of a token must name.'),
        addressClaim: z.string().min(1).max(64).default('email').describe('Claim that has the mail address.'),
      })
      .optional()
      .describe('Lets users log in with access tokens (OAUTHBEARER, XOAUTH2).'),
    sharing: z
      .boolean()
      .default(false)
      .describe('IMAP users may share mailboxes with users of the same shard (docs/imap.md, Shared mailboxes).'),
    pop3DelaySeconds: z
      .int()
      .min(0)
      .max(3600)
      .default(0)
      .describe('How long after a POP3 login the next one of the account is refused; each edge counts for itself.'),
  })
  .describe('How users log in, and what they may do then.')

const Edge = z
  .object({
    listeners: Listeners.prefault({}),
    service: Service.prefault({}),
    filter: Filter.optional(),
    authentication: z
      .enum(['off', 'mark', 'enforce'])
      .default('off')
      .describe(
        'SPF, DKIM, ARC and DMARC of letters from outside: not asked, written into Authentication-Results, or what DMARC asks for is done too.',
      ),
    clientPolicy: ClientPolicy.optional(),
    logins: Logins.optional(),
    proxyNetworks: networks.describe(
      "Networks of load balancers that tell the client's address by the PROXY protocol, version 1 or 2. Connections from there must begin with it.",
    ),
    certificateSecret: z
      .string()
      .max(253)
      .optional()
      .describe(
        'Secret of type kubernetes.io/tls with the certificate clients see; without it the operator makes one.',
      ),
  })
  .describe('The part that clients talk to.')

const Quantity = z
  .string()
  .max(32)
  .regex(/^[0-9]+(\.[0-9]+)?(m|Ki|Mi|Gi|Ti|k|M|G|T)?$/)
const Amounts = z.object({
  cpu: Quantity.optional().describe('As 500m or 2.'),
  memory: Quantity.optional().describe('As 512Mi.'),
})
export const ContainerResources = z.object({
  requests: Amounts.optional().describe('What the scheduler sets aside.'),
  limits: Amounts.optional().describe('What the container may use at most.'),
})
export type ContainerResources = z.infer<typeof ContainerResources>

const Durability = z
  .object({
    inbound: z
      .object({
        mode: z
          .enum(['required', 'preferred'])
          .default('required')
          .describe(
            'required: mail from outside gets 451 while only one copy can be written. preferred: one copy is enough.',
          ),
        degradedAfter: z
          .string()
          .max(16)
          .regex(new RegExp(`^(never|${DURATION_PATTERN.slice(1, -1)})$`))
          .default('2m')
          .describe(
            'With required: after so long with one member, one copy is enough, with an alarm. `never` waits for ever.',
          ),
      })
      .prefault({})
      .describe('Mail from other systems; their queues wait for us.'),
    users: z
      .enum(['preferred', 'required'])
      .default('preferred')
      .describe('What users do (submission, APPEND, flags) while only one copy can be written: accept, or refuse.'),
  })
  .describe('How many disks must hold a change before it is acknowledged. Two, whenever both members live.')

const Storage = z
  .object({
    size: z
      .string()
      .max(32)
      .regex(new RegExp(BYTES_PATTERN))
      .default('10Gi')
      .meta(
        cel({
          rule: 'quantity(self).compareTo(quantity(oldSelf)) >= 0',
          message: 'storage.size cannot shrink: move the accounts to another MailNode instead',
        }),
      )
      .describe('Volume of each member. May grow, never shrink.'),
    className: z
      .string()
      .max(253)
      .optional()
      .meta(
        cel({
          rule: 'self == oldSelf',
          message: 'storage.className cannot change: move the accounts to another MailNode',
        }),
      )
      .describe('StorageClass; the default class without it.'),
  })
  .describe('The volume of each member. Both have the same.')

const duration = (fallback: string) => z.string().max(16).regex(new RegExp(DURATION_PATTERN)).default(fallback)

const Backup = z
  .object({
    claimName: z
      .string()
      .min(1)
      .max(253)
      .optional()
      .describe(
        'PersistentVolumeClaim that all members can mount at once (ReadWriteMany), on other storage than the mail. Of this array alone.',
      ),
    bucket: z
      .object({
        name: z
          .string()
          .max(63)
          .regex(/^[a-z0-9][a-z0-9.-]+$/)
          .describe('Of the bucket.'),
        prefix: z
          .string()
          .max(256)
          .regex(/^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/)
          .optional()
          .describe('What all names begin with. Of this array alone.'),
        endpoint: z
          .string()
          .max(512)
          .regex(/^https?:\/\//)
          .optional()
          .describe('As https://minio.storage.svc:9000; Amazon without it.'),
        region: z.string().min(1).max(64).default('us-east-1').describe('As the bucket wants it in signatures.'),
      })
      .optional()
      .describe('A bucket that speaks S3. The Secret holds its keys `accessKeyId` and `secretAccessKey`.'),
    secretName: z
      .string()
      .min(1)
      .max(253)
      .optional()
      .describe(
        'Secret whose key `secret` encrypts the backup, at least 16 characters; without it nothing is encrypted.',
      ),
    every: duration('10s').describe('How often what is new is written: so much mail the loss of both members costs.'),
    baseEvery: duration('168h').describe('How often the whole log is written anew, so that older backups can go.'),
    keep: duration('336h').describe('How far back in time a restore can go.'),
  })
  .meta(
    cel(
      { rule: 'has(self.claimName) != has(self.bucket)', message: 'backup needs claimName or bucket, and not both' },
      {
        rule: '!has(self.bucket) || has(self.secretName)',
        message: 'a bucket needs secretName: its keys are in there',
      },
    ),
  )
  .describe('What is committed is also written to another storage, all the time (docs/operations.md, Backup).')

export const MailNodeSpec = z.object({
  shards: z
    .int()
    .min(1)
    .max(SHARDS_MAX)
    .default(2)
    .meta(cel({ rule: 'self == oldSelf', message: 'shards cannot change: move accounts to a new MailNode instead' }))
    .describe('Logs on this pair, shared between both members. Fixed at creation; about one per core.'),
  image: z.string().min(1).max(512).optional().describe("Container image; the operator's own without it."),
  storage: Storage.prefault({}),
  durability: Durability.prefault({}),
  giveBackAfter: z
    .string()
    .max(16)
    .regex(new RegExp(`^(never|${DURATION_PATTERN.slice(1, -1)})$`))
    .default('5m')
    .describe(
      'After a failover a shard goes back to the member it belongs to, once both have been in sync for so long. `never` leaves it.',
    ),
  expungedRetention: z
    .string()
    .max(16)
    .regex(new RegExp(DURATION_PATTERN))
    .optional()
    .describe(
      'How long the bytes of an expunged message stay on disk at least; 336h if not set. On a full disk an hour at most.',
    ),
  backup: Backup.optional(),
  paused: z.boolean().default(false).describe('The operator goes on to report and changes nothing: for work by hand.'),
  fenced: z
    .array(z.string().max(63))
    .max(MEMBERS)
    .default([])
    // Of a set that becomes empty, server-side apply would make a missing spec.
    .meta({ 'x-kubernetes-list-type': 'atomic' })
    .describe(
      'Members (pods) that must not be primary: they hand over what they can and take nothing over until they leave this list.',
    ),
  hibernated: z
    .boolean()
    .default(false)
    .describe('Stops both members, one after the other. Volumes and ledgers stay; false starts them again.'),
  edge: Edge.prefault({}),
  resources: z
    .object({
      shard: ContainerResources.optional().describe('Each shard container.'),
      edge: ContainerResources.optional().describe('The edge container.'),
      sender: ContainerResources.optional().describe('The sender container.'),
    })
    .prefault({})
    .describe('Resources of the containers of each pod.'),
  unsafe: z
    .object({
      sameHost: z
        .boolean()
        .default(false)
        .describe('Lets both members run on one host. One dead host then takes the whole pair.'),
    })
    .prefault({})
    .describe('Switches that give up a guarantee. For trying things out.'),
})
export type MailNodeSpec = z.infer<typeof MailNodeSpec>

const Replica = z.object({
  member: z.string().max(63).describe('Pod name.'),
})
export const MailNodeStatus = z.object({
  observedGeneration: z.int().min(0).optional().describe('Generation that the rest of the status speaks of.'),
  phase: z.enum(['Pending', 'Starting', 'Running', 'Degraded', 'Stopped']).optional().describe('One word for people.'),
  phaseReason: z.string().max(1024).optional().describe('Why, for people: what is waited for, what is wrong.'),
  shards: z
    .array(
      z.object({
        shard: z.string().max(63).describe('Name, as n1/0.'),
        epoch: z.int().min(0).describe('Number of the current right to write.'),
        primary: Replica.optional().describe('The replica that serves.'),
        mirror: Replica.optional().describe('The replica that follows.'),
        inSync: z
          .array(z.string().max(63))
          .max(MEMBERS)
          .meta({ 'x-kubernetes-list-type': 'set' })
          .describe('Members that hold all acknowledged changes.'),
      }),
    )
    .max(SHARDS_MAX)
    .optional()
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['shard'] })
    .describe('What the shards say of themselves.'),
  conditions: Conditions.optional(),
})
export type MailNodeStatus = z.infer<typeof MailNodeStatus>

export const MailNode = z.object({
  apiVersion: z.literal(API_VERSION),
  kind: z.literal('MailNode'),
  metadata: ObjectMetadata.extend({
    name: z
      .string()
      .max(40)
      .regex(/^[a-z]([-a-z0-9]*[a-z0-9])?$/),
  }),
  spec: MailNodeSpec.strict().prefault({}),
  status: MailNodeStatus.optional(),
})
export type MailNode = z.infer<typeof MailNode>

export const mailNodeKind: KindDefinition = {
  kind: 'MailNode',
  plural: 'mailnodes',
  singular: 'mailnode',
  shortNames: ['mn'],
  categories: ['twinpost'],
  description:
    'One server of the array: two members (pods) on two hosts that mirror each other and serve shards of accounts.',
  spec: MailNodeSpec,
  status: MailNodeStatus,
  rules: [
    {
      rule: "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= 40",
      message:
        'the name must be a DNS label of at most 40 characters that begins with a letter: pods and shards are named after it',
    },
    {
      rule: "!has(self.spec) || !has(self.spec.fenced) || self.spec.fenced.all(m, m == self.metadata.name + '-0' || m == self.metadata.name + '-1')",
      message: 'fenced names members by their pods: <name>-0 and <name>-1',
    },
  ],
  columns: [
    conditionColumn('Ready', 'Whether both members serve.'),
    { name: 'Status', type: 'string', jsonPath: '.status.phase', description: 'One word for people.' },
    conditionColumn('InSync', 'Whether every shard has two copies.'),
    { name: 'Shards', type: 'integer', jsonPath: '.spec.shards', description: 'Number of shards.' },
    AGE_COLUMN,
    { name: 'Reason', type: 'string', jsonPath: '.status.phaseReason', description: 'Why.', priority: 1 },
    { name: 'Image', type: 'string', jsonPath: '.spec.image', description: 'Container image.', priority: 1 },
    {
      name: 'Primary',
      type: 'string',
      jsonPath: '.status.shards[*].primary.member',
      description: 'Serving members by shard.',
      priority: 1,
    },
    {
      name: 'Epoch',
      type: 'string',
      jsonPath: '.status.shards[*].epoch',
      description: 'Epochs by shard.',
      priority: 1,
    },
  ],
}
