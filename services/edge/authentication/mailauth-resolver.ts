/** Our DNS port in the form in which mailauth asks: answers and errors as those of node:dns. */
import type { DnsResolver, MxRecord } from '#lib/dns/types.ts'

interface DnsFailure extends Error {
  code: string
}

function failure(code: string, name: string): DnsFailure {
  return Object.assign(new Error(`${code} ${name}`), { code })
}

/** What mailauth awaits: TXT as lists of strings, MX as objects, addresses as strings. */
export type MailauthAnswer = string[] | string[][]

export function mailauthResolver(resolver: DnsResolver): (name: string, type: string) => Promise<MailauthAnswer> {
  return async (name, type) => {
    switch (type) {
      case 'TXT':
        return (await records(resolver, name, type)).map((text) => [text])
      case 'A':
      case 'AAAA':
      case 'CNAME':
        return [...(await records(resolver, name, type))]
      case 'MX': {
        const hosts = (await records(resolver, name, type)).map(asNode)
        // The published type knows strings only; for MX mailauth reads what node:dns gives.
        return hosts as unknown as string[]
      }
      default:
        // PTR serves only SPF's mechanism ptr, which RFC 7208 section 5.5 tells nobody to use: it matches nothing.
        throw failure('ENODATA', name)
    }
  }
}

async function records<T extends 'TXT' | 'A' | 'AAAA' | 'CNAME' | 'MX'>(resolver: DnsResolver, name: string, type: T) {
  const answer = await resolver.query(name, type).catch((cause: unknown) => {
    throw Object.assign(failure('ESERVFAIL', name), { cause })
  })
  if (answer.kind === 'records') return answer.records
  throw failure(answer.kind === 'no-name' ? 'ENOTFOUND' : 'ENODATA', name)
}

const asNode = ({ preference, exchange }: MxRecord) => ({ priority: preference, exchange })
