/**
 * What an entry must look like (RFC 4512): known attributes with values of their syntax, one structural class, everything
 * that its classes demand and nothing that they do not allow. Pure: reads the schema, touches nothing.
 */
import { type AttributeType, attributeType, type ObjectClass, objectClass } from '#lib/ldap/schema.ts'
import { Fault } from './fault.ts'
import { VALUE_BYTES_MAX, VALUES_PER_ATTRIBUTE_MAX } from './limits.ts'

/** Attributes by name in lower case; values in the order given. */
export type Attributes = ReadonlyMap<string, readonly string[]>

/** The form in which values of this type are compared (RFC 4518, in short). */
export function normalized(type: AttributeType, value: string): string {
  switch (type.matching) {
    case 'case-ignore':
      return value.trim().replace(/\s+/g, ' ').toLowerCase()
    case 'integer':
    case 'boolean':
    case 'case-exact':
      return value
    default:
      return type.matching satisfies never
  }
}

/** Whether `value` belongs to the type's syntax (RFC 4517). */
export function conforms(type: AttributeType, value: string): boolean {
  if (value === '' || Buffer.byteLength(value) > VALUE_BYTES_MAX || value.includes('\ufffd')) return false
  switch (type.syntax) {
    case 'directory-string':
      return true
    case 'ia5-string':
      return /^[\0-\x7f]*$/.test(value)
    case 'integer':
      return /^(0|-?[1-9]\d{0,17})$/.test(value) // RFC 4517 section 3.3.16: one form for each number
    case 'boolean':
      return value === 'TRUE' || value === 'FALSE'
    case 'oid':
      return /^[A-Za-z][A-Za-z0-9-]*$|^\d+(\.\d+)*$/.test(value)
    default:
      return type.syntax satisfies never
  }
}

/** The type of an attribute that a client named. @throws {Fault} undefinedAttributeType */
export function knownType(name: string): AttributeType {
  const type = attributeType(name)
  if (!type) throw new Fault('undefinedAttributeType', `${name}: attribute type undefined`)
  return type
}

/** @throws {Fault} with the code that RFC 4511 gives the broken rule. */
export function checkEntry(attributes: Attributes): void {
  for (const [name, values] of attributes) checkValues(knownType(name), values)
  const classes = expand(attributes.get('objectclass') ?? [])
  const structural = classes.filter((candidate) => candidate.kind === 'structural')
  const leaves = structural.filter((leaf) => !structural.some((other) => other.superior === leaf.name))
  if (leaves.length !== 1) throw new Fault('objectClassViolation', 'an entry needs exactly one structural object class')
  const must = new Set(classes.flatMap((candidate) => candidate.must.map((name) => name.toLowerCase())))
  for (const name of must) {
    if (!attributes.has(name))
      throw new Fault('objectClassViolation', `${knownType(name).name}: required attribute missing`)
  }
  const may = new Set(classes.flatMap((candidate) => candidate.may.map((name) => name.toLowerCase())))
  for (const name of attributes.keys()) {
    if (!must.has(name) && !may.has(name)) {
      throw new Fault('objectClassViolation', `${knownType(name).name}: attribute not allowed by the object classes`)
    }
  }
}

function checkValues(type: AttributeType, values: readonly string[]): void {
  if (values.length === 0) throw new Fault('invalidAttributeSyntax', `${type.name}: no value`)
  if (values.length > VALUES_PER_ATTRIBUTE_MAX) throw new Fault('adminLimitExceeded', `${type.name}: too many values`)
  if (type.single && values.length > 1) throw new Fault('constraintViolation', `${type.name}: multiple values provided`)
  const seen = new Set<string>()
  for (const value of values) {
    if (!conforms(type, value)) throw new Fault('invalidAttributeSyntax', `${type.name}: invalid value`)
    const form = normalized(type, value)
    if (seen.has(form)) throw new Fault('attributeOrValueExists', `${type.name}: value provided more than once`)
    seen.add(form)
  }
}

/** The named classes and all their superiors. */
function expand(names: readonly string[]): ObjectClass[] {
  const found = new Map<string, ObjectClass>()
  const visit = (name: string) => {
    const known = objectClass(name)
    if (!known) throw new Fault('objectClassViolation', `${name}: unrecognized object class`)
    if (found.has(known.name)) return
    found.set(known.name, known)
    if (known.superior !== null) visit(known.superior)
  }
  for (const name of names) visit(name)
  return [...found.values()]
}
