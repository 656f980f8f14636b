/** Address literals (RFC 5321 section 4.1.3), without the brackets. */

const OCTET = /^(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)$/
const HEX_GROUP = /^[0-9A-Fa-f]{1,4}$/
/** Standardised-tag ":" 1*dcontent; none but IPv6 is registered. */
const GENERAL = /^[A-Za-z0-9-]*[A-Za-z0-9]:[!-Z^-~]+$/
const IPV6_GROUPS = 8

function isIpv4(text: string): boolean {
  const octets = text.split('.')
  return octets.length === 4 && octets.every((octet) => OCTET.test(octet))
}

function isIpv6(text: string): boolean {
  const halves = text.split('::')
  if (halves.length > 2) return false
  let groups = 0
  for (const [h, half] of halves.entries()) {
    if (half === '') continue
    const words = half.split(':')
    for (const [w, word] of words.entries()) {
      const last = h === halves.length - 1 && w === words.length - 1
      if (last && word.includes('.')) {
        if (!isIpv4(word)) return false
        groups += 2
      } else if (HEX_GROUP.test(word)) groups++
      else return false
    }
  }
  return halves.length === 2 ? groups < IPV6_GROUPS : groups === IPV6_GROUPS
}

/** @param inside What stands between `[` and `]`. */
export function isAddressLiteral(inside: string): boolean {
  if (inside.length > 4 && inside.slice(0, 5).toUpperCase() === 'IPV6:') return isIpv6(inside.slice(5))
  return isIpv4(inside) || GENERAL.test(inside)
}
