/** The schema and its access rules in OpenLDAP's words (slapd-config(5), slapd.access(5)). Pure: same schema, same text. */
import {
  ACCESS,
  ATTRIBUTES,
  type AttributeType,
  CLASSES,
  type ObjectClass,
  OID_ARC,
  SERVICES,
  type Service,
  serviceDn,
  unitDn,
} from './schema.ts'

/** RFC 4517 sections 3.3 and 4.2. */
const SYNTAX_OIDS = {
  'directory-string': '1.3.6.1.4.1.1466.115.121.1.15',
  'ia5-string': '1.3.6.1.4.1.1466.115.121.1.26',
  integer: '1.3.6.1.4.1.1466.115.121.1.27',
  boolean: '1.3.6.1.4.1.1466.115.121.1.7',
  oid: '1.3.6.1.4.1.1466.115.121.1.38',
} as const

function matchingRule(type: AttributeType): string {
  switch (type.matching) {
    case 'integer':
      return 'integerMatch'
    case 'boolean':
      return 'booleanMatch'
    case 'case-exact':
      return type.syntax === 'ia5-string' ? 'caseExactIA5Match' : 'caseExactMatch'
    case 'case-ignore':
      return type.syntax === 'ia5-string' ? 'caseIgnoreIA5Match' : 'caseIgnoreMatch'
    default:
      return type.matching satisfies never
  }
}

function attributeDefinition(type: AttributeType): string {
  const single = type.single ? ' SINGLE-VALUE' : ''
  return `( ${OID_ARC}.1.${type.ours?.arc} NAME '${type.name}' DESC '${type.ours?.meaning}' EQUALITY ${matchingRule(type)} SYNTAX ${SYNTAX_OIDS[type.syntax]}${single} )`
}

function classDefinition(type: ObjectClass): string {
  const list = (word: string, names: readonly string[]) => (names.length > 0 ? ` ${word} ( ${names.join(' $ ')} )` : '')
  return `( ${OID_ARC}.2.${type.ours?.arc} NAME '${type.name}' DESC '${type.ours?.meaning}' SUP ${type.superior} ${type.kind.toUpperCase()}${list('MUST', type.must)}${list('MAY', type.may)} )`
}

/** RFC 2849: a line longer than 76 bytes goes on in the next one after a blank. */
function folded(line: string): string {
  const pieces = [line.slice(0, 76)]
  for (let at = 76; at < line.length; at += 75) pieces.push(` ${line.slice(at, at + 75)}`)
  return pieces.join('\n')
}

/** An entry for `cn=schema,cn=config`; needs OpenLDAP's core, cosine, inetorgperson and misc schemas. */
export function schemaLdif(): string {
  const lines = [
    '# Generated from lib/ldap/schema.ts. Do not edit: UPDATE=1 node --test services/directory/schema-file.test.ts',
    'dn: cn=twinpost,cn=schema,cn=config',
    'objectClass: olcSchemaConfig',
    'cn: twinpost',
    ...ATTRIBUTES.filter((type) => type.ours).map((type) => `olcAttributeTypes: ${attributeDefinition(type)}`),
    ...CLASSES.filter((type) => type.ours).map((type) => `olcObjectClasses: ${classDefinition(type)}`),
  ]
  return `${lines.map(folded).join('\n')}\n`
}

/** Values of olcUniqueURI (slapo-unique(5)): two who take one address at a time must not both succeed. */
export function uniqueUris(baseDn: string): string[] {
  return ATTRIBUTES.filter((type) => type.unique).map(
    ({ name }) => `serialize ldap:///${unitDn('people', baseDn)}?${name}?one`,
  )
}

/** Values of olcAccess, in order, that grant what `ACCESS` says. */
export function accessRules(baseDn: string): string[] {
  const who = (services: readonly Service[], right: string) =>
    services.map((service) => ` by dn.exact="${serviceDn(service, baseDn)}" ${right}`).join('')
  const secretive = SERVICES.filter((service) => ACCESS[service].secrets)
  const writers = (unit: 'people' | 'domains' | 'shards') =>
    SERVICES.filter((service) => ACCESS[service].write.includes(unit))
  const secretNames = ATTRIBUTES.filter((type) => type.secret).map((type) => type.name)
  const readers = (writing: readonly Service[], among: readonly Service[]) =>
    among.filter((service) => !writing.includes(service))
  const secretWriters = secretive.filter((service) => ACCESS[service].write.includes('people'))
  return [
    `to dn.subtree="${unitDn('services', baseDn)}" by anonymous auth by * none`,
    `to dn.subtree="${unitDn('people', baseDn)}" attrs=${secretNames.join(',')}${who(secretWriters, 'write')}${who(readers(secretWriters, secretive), 'read')} by * none`,
    ...(['people', 'domains', 'shards'] as const).map(
      (unit) =>
        `to dn.subtree="${unitDn(unit, baseDn)}"${who(writers(unit), 'write')}${who(readers(writers(unit), SERVICES), 'read')} by * none`,
    ),
    `to *${who(SERVICES, 'read')} by * none`,
  ]
}
