/** Names that are made of an address: for the name that belongs to it, and for lists of addresses. Pure. */
import { isIPv4, isIPv6 } from 'node:net'

const GROUPS = 8

/** RFC 1035 section 3.5 and RFC 3596 section 2.5. @returns null: not an address */
export function reverseName(address: string): string | null {
  const labels = reversedLabels(address)
  return labels === null ? null : `${labels}.${isIPv4(address) ? 'in-addr' : 'ip6'}.arpa`
}

/** RFC 5782 sections 2.1 and 2.4: octets or nibbles, the last one first, before the name of the list. @returns null: not an address */
export function listedName(address: string, list: string): string | null {
  const labels = reversedLabels(address)
  return labels === null ? null : `${labels}.${list}`
}

function reversedLabels(address: string): string | null {
  if (isIPv4(address)) return address.split('.').reverse().join('.')
  if (!isIPv6(address)) return null
  const [head = '', tail] = (address.split('%')[0] ?? '').toLowerCase().split('::')
  const groups = (text: string) =>
    text === ''
      ? []
      : text.split(':').flatMap((group) => {
          if (!group.includes('.')) return [group.padStart(4, '0')]
          const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
          return [a * 256 + b, c * 256 + d].map((number) => number.toString(16).padStart(4, '0'))
        })
  const before = groups(head)
  const after = tail === undefined ? [] : groups(tail)
  const zeros = Array.from({ length: GROUPS - before.length - after.length }, () => '0000')
  return [...[...before, ...zeros, ...after].join('')].reverse().join('.')
}
