/**
 * Filters as ldapjs reads them from the wire, as values of `filter.ts`. ldapjs writes each filter as text and reads that again
 * without undoing the escapes (RFC 4515 section 3), so values arrive with `\xx` pairs: they are undone here, after the
 * structure is fixed, so that no value can become an operator.
 */
import { Fault } from './fault.ts'
import type { Filter } from './filter.ts'
import type { WireFilter } from './ldapjs-types.ts'

/** @throws {Fault} protocolError for a filter that lacks its parts. */
export function filterFromWire(wire: WireFilter): Filter {
  switch (wire.type) {
    case 'AndFilter':
      return { kind: 'and', filters: (wire.filters ?? []).map(filterFromWire) }
    case 'OrFilter':
      return { kind: 'or', filters: (wire.filters ?? []).map(filterFromWire) }
    case 'NotFilter':
      return { kind: 'not', filter: filterFromWire(part(wire.filter)) }
    case 'EqualityFilter':
      return { kind: 'equals', attribute: part(wire.attribute), value: unescaped(wire.value ?? '') }
    case 'PresenceFilter':
      return { kind: 'present', attribute: part(wire.attribute) }
    case 'SubstringFilter':
      return {
        kind: 'substrings',
        attribute: part(wire.attribute),
        initial: wire.initial === undefined ? null : unescaped(wire.initial),
        any: (wire.any ?? []).map(unescaped),
        final: wire.final === undefined ? null : unescaped(wire.final),
      }
    default:
      return { kind: 'undefined' }
  }
}

function part<T>(value: T | undefined): T {
  if (value === undefined) throw new Fault('protocolError', 'malformed filter')
  return value
}

function unescaped(text: string): string {
  return text.replace(/(?:\\[0-9a-fA-F]{2})+/g, (pairs) => Buffer.from(pairs.replaceAll('\\', ''), 'hex').toString())
}
