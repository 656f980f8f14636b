/**
 * The directory's schema as data: standard classes first (inetOrgPerson, inetLocalMailRecipient), then a few small classes
 * of our own. The embedded server validates with it and an OpenLDAP schema is generated from it (`schema-ldif.ts`).
 * Attribute names are compared without regard to case everywhere (RFC 4512 section 2.5).
 */

/** Ours, from a UUID (X.667): needs no registration. Attributes are below .1, classes below .2. */
export const OID_ARC = '2.25.312169802496882923265959696632774752284'

export type Syntax = 'directory-string' | 'ia5-string' | 'integer' | 'boolean' | 'oid'
export type Matching = 'case-ignore' | 'case-exact' | 'integer' | 'boolean'

export interface AttributeType {
  readonly name: string
  readonly syntax: Syntax
  readonly matching: Matching
  readonly single: boolean
  /** Set for attributes of our own: the last arc of the OID, and what it is for. Never reuse a number. */
  readonly ours?: { readonly arc: number; readonly meaning: string }
  /** Only readable by identities that check or change passwords. */
  readonly secret?: true
  /** No two entries may have the same value. */
  readonly unique?: true
}

export interface ObjectClass {
  readonly name: string
  readonly kind: 'abstract' | 'structural' | 'auxiliary'
  readonly superior: string | null
  readonly must: readonly string[]
  readonly may: readonly string[]
  readonly ours?: { readonly arc: number; readonly meaning: string }
}

const text = (name: string, more: Partial<AttributeType> = {}): AttributeType => ({
  name,
  syntax: 'directory-string',
  matching: 'case-ignore',
  single: false,
  ...more,
})
const ia5 = (name: string, more: Partial<AttributeType> = {}) => text(name, { syntax: 'ia5-string', ...more })
const own = (
  arc: number,
  name: string,
  meaning: string,
  more: Partial<AttributeType> & Pick<AttributeType, 'syntax' | 'matching'>,
): AttributeType => ({ name, single: true, ours: { arc, meaning }, ...more })
const IA5_EXACT = { syntax: 'ia5-string', matching: 'case-exact' } as const
const IA5_IGNORE = { syntax: 'ia5-string', matching: 'case-ignore' } as const
const INTEGER = { syntax: 'integer', matching: 'integer' } as const
const SECRET = { ...IA5_EXACT, secret: true } as const

export const ATTRIBUTES: readonly AttributeType[] = [
  { name: 'objectClass', syntax: 'oid', matching: 'case-ignore', single: false },
  // RFC 4519
  text('o'),
  text('ou'),
  text('cn'),
  text('sn'),
  text('givenName'),
  text('description'),
  // RFC 2798, RFC 4524
  text('displayName', { single: true }),
  text('preferredLanguage', { single: true }),
  ia5('mail'),
  ia5('associatedDomain'),
  // draft-lachman-laser-ldap-mail-routing
  ia5('mailLocalAddress', { unique: true }),
  ia5('mailHost', { single: true }),
  ia5('mailRoutingAddress', { single: true }),
  own(1, 'twinpostAccountId', 'Identifier of the account for life', { ...IA5_EXACT, unique: true }),
  own(2, 'twinpostShard', 'Home shard of the account: a hint, the shard decides', IA5_IGNORE),
  own(3, 'twinpostGeneration', 'Ownership generation of the home shard', INTEGER),
  own(4, 'twinpostQuotaBytes', 'Most bytes of mail; absent: no limit', INTEGER),
  own(
    5,
    'twinpostStatus',
    'creating, active, suspended, deleting; draining and inactive for shards and domains',
    IA5_IGNORE,
  ),
  own(6, 'twinpostEntitlement', 'What the account may use beyond mail', { ...IA5_IGNORE, single: false }),
  own(7, 'twinpostPasswordHash', 'Argon2id in PHC string format', SECRET),
  own(8, 'twinpostScramKeys', 'SCRAM-SHA-256 keys in the format of RFC 5803', SECRET),
  own(9, 'twinpostAppPassword', 'Name, scopes and hash of a generated password', { ...SECRET, single: false }),
  own(10, 'twinpostLastCommand', 'Place in the command stream of the last command applied', IA5_EXACT),
  own(11, 'twinpostPostmaster', 'Address of the account that gets mail for postmaster and abuse', IA5_IGNORE),
  own(12, 'twinpostCatchAll', 'Address of the account that gets what no address matches', IA5_IGNORE),
  own(13, 'twinpostDefaultDomain', 'TRUE: postmaster without a domain is meant for this one', {
    syntax: 'boolean',
    matching: 'boolean',
  }),
  own(
    14,
    'twinpostDeletion',
    'When a deleted account goes for good, in milliseconds, and its status before',
    IA5_EXACT,
  ),
  own(15, 'twinpostMember', 'Address that a group passes mail on to', { ...IA5_IGNORE, single: false }),
  own(16, 'twinpostSenders', 'Who may write to a group: anyone, internal, members', IA5_IGNORE),
  own(30, 'twinpostSending', 'What senders need of a domain: keys and the way out, sealed', IA5_EXACT),
  own(20, 'twinpostFilter', 'Level and lists of the mail filter, as one line of JSON', IA5_EXACT),
]

/** Superiors come before their subclasses. */
export const CLASSES: readonly ObjectClass[] = [
  { name: 'top', kind: 'abstract', superior: null, must: ['objectClass'], may: [] },
  { name: 'organization', kind: 'structural', superior: 'top', must: ['o'], may: ['description'] },
  { name: 'organizationalUnit', kind: 'structural', superior: 'top', must: ['ou'], may: ['description'] },
  { name: 'person', kind: 'structural', superior: 'top', must: ['sn', 'cn'], may: ['description'] },
  { name: 'organizationalPerson', kind: 'structural', superior: 'person', must: [], may: ['ou'] },
  {
    name: 'inetOrgPerson',
    kind: 'structural',
    superior: 'organizationalPerson',
    must: [],
    may: ['displayName', 'givenName', 'mail', 'o', 'preferredLanguage'],
  },
  {
    name: 'inetLocalMailRecipient',
    kind: 'auxiliary',
    superior: 'top',
    must: [],
    may: ['mailLocalAddress', 'mailHost', 'mailRoutingAddress'],
  },
  {
    name: 'twinpostAccount',
    kind: 'auxiliary',
    superior: 'top',
    must: ['twinpostAccountId', 'twinpostShard', 'twinpostGeneration', 'twinpostStatus', 'twinpostLastCommand'],
    may: [
      'twinpostQuotaBytes',
      'twinpostEntitlement',
      'twinpostPasswordHash',
      'twinpostScramKeys',
      'twinpostAppPassword',
      'twinpostDeletion',
      'twinpostFilter',
    ],
    ours: { arc: 1, meaning: 'An account of Twinpost, beside inetOrgPerson' },
  },
  {
    name: 'twinpostDomain',
    kind: 'structural',
    superior: 'top',
    must: ['associatedDomain', 'twinpostStatus'],
    may: [
      'twinpostPostmaster',
      'twinpostCatchAll',
      'twinpostDefaultDomain',
      'twinpostFilter',
      'twinpostSending',
      'description',
    ],
    ours: { arc: 2, meaning: 'A domain whose mail Twinpost takes' },
  },
  {
    name: 'twinpostShard',
    kind: 'structural',
    superior: 'top',
    must: ['cn', 'twinpostStatus'],
    may: ['description'],
    ours: { arc: 3, meaning: 'A shard that can be the home of accounts' },
  },
  {
    name: 'twinpostGroup',
    kind: 'structural',
    superior: 'top',
    must: ['cn', 'mail', 'mailLocalAddress', 'twinpostSenders', 'twinpostLastCommand'],
    may: ['displayName', 'description', 'twinpostMember', 'twinpostFilter'],
    ours: { arc: 4, meaning: 'An address whose mail goes to its members' },
  },
]

const attributes = new Map(ATTRIBUTES.map((type) => [type.name.toLowerCase(), type]))
const classes = new Map(CLASSES.map((type) => [type.name.toLowerCase(), type]))

/** The attribute type of that name, in any case; undefined if the schema has none. */
export const attributeType = (name: string): AttributeType | undefined => attributes.get(name.toLowerCase())
export const objectClass = (name: string): ObjectClass | undefined => classes.get(name.toLowerCase())

export const UNITS = { people: 'people', domains: 'domains', shards: 'shards', services: 'services' } as const
export type Unit = (typeof UNITS)[keyof typeof UNITS]

export const unitDn = (unit: Unit, baseDn: string) => `ou=${unit},${baseDn}`
export const serviceDn = (service: Service, baseDn: string) => `cn=${service},${unitDn(UNITS.services, baseDn)}`

export const SERVICES = ['edge', 'shard', 'provision', 'operator', 'cli'] as const
export type Service = (typeof SERVICES)[number]

/** Who may read secrets, and the units in which they may write. All of them read everything else; nobody else reads anything. */
export const ACCESS: Readonly<Record<Service, { readonly secrets: boolean; readonly write: readonly Unit[] }>> = {
  edge: { secrets: true, write: [] },
  shard: { secrets: false, write: [] },
  provision: { secrets: true, write: ['people', 'domains'] },
  operator: { secrets: false, write: ['domains', 'shards'] },
  cli: { secrets: false, write: [] },
}
