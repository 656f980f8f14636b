/** `domain dns`: the records that a domain wants in the DNS, and which of them are there now. */
import { readFileSync } from 'node:fs'
import { openResolver } from '#lib/dns/from-settings.ts'
import { checkHost, checkRecord, type HostCheck, type RecordState, type WantedRecord } from '#lib/dns/record-check.ts'
import { DnsError, type DnsResolver } from '#lib/dns/types.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { DomainRecords } from '#operator/api/local-layout.ts'
import { type CommandContext, CommandFailure, Exit } from '../context.ts'
import type { Say } from '../messages/mod.ts'
import { table } from '../table.ts'

export async function domainDns({ words, options, layout, say, print }: CommandContext): Promise<Exit> {
  const [wanted] = words
  const all = readRecords(layout.recordsFile, say)
  const domains = all.filter(({ name }) => wanted === undefined || name === wanted.toLowerCase())
  if (domains.length === 0) throw new CommandFailure(say('dnsUnknown', { domain: wanted ?? '' }))
  if (options.format === 'zone') {
    print(domains.map(({ zone }) => zone).join('\n'))
    return Exit.done
  }
  if (options.format !== null) {
    throw new CommandFailure(say('choiceUnknown', { word: options.format, choices: 'zone' }), Exit.usage)
  }
  const resolver = openResolver({ dnsServers: null, zoneFile: null }, nodeClock, nodeRandom, () => null)
  const checked = await Promise.all(
    domains.map(async ({ name, records, mtaStsPolicy }) => ({
      name,
      records: await Promise.all(
        records.map(async (record) => ({ ...record, state: await checkRecord(record, resolver) })),
      ),
      hosts: await Promise.all(mailHostsOf(records).map((host) => lookAt(host, resolver))),
      ...(mtaStsPolicy === undefined ? {} : { mtaStsPolicy }),
    })),
  )
  if (options.output === 'json') {
    print(JSON.stringify(checked, null, 2))
    return Exit.done
  }
  for (const { records, hosts, mtaStsPolicy, name } of checked) {
    const rows = records.map(({ name: owner, type, value, state }) => [owner, type, stateText(state, say), value])
    print(table([[say('headName'), say('headType'), say('headState'), say('headValue')], ...rows]))
    for (const host of hosts) for (const line of hostLines(host, say)) print(line)
    if (mtaStsPolicy !== undefined) print(`\n${say('dnsPolicy', { domain: name })}\n${mtaStsPolicy}`)
  }
  return Exit.done
}

/** Mail servers that the records name. */
function mailHostsOf(records: readonly WantedRecord[]): string[] {
  return records.flatMap(({ type, value }) => (type === 'MX' ? [value.replace(/^\d+ /, '').replace(/\.$/, '')] : []))
}

interface CheckedHost {
  readonly host: string
  /** null: nobody could tell. */
  readonly addresses: readonly HostCheck[] | null
}

async function lookAt(host: string, resolver: DnsResolver): Promise<CheckedHost> {
  return {
    host,
    addresses: await checkHost(host, resolver).catch((error: unknown) => {
      if (error instanceof DnsError) return null
      throw error
    }),
  }
}

function hostLines({ host, addresses }: CheckedHost, say: Say): string[] {
  if (addresses === null) return [`${host}: ${say('dnsNoAnswer')}`]
  if (addresses.length === 0) return [say('dnsNoAddress', { host })]
  return addresses.map(({ address, state }) => say('dnsReverse', { host, address, state: stateText(state, say) }))
}

function readRecords(path: string, say: Say): DomainRecords {
  try {
    return DomainRecords.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    throw new CommandFailure(say('notRunning'), Exit.notRunning)
  }
}

function stateText(state: RecordState, say: Say): string {
  switch (state.kind) {
    case 'there':
      return say('dnsThere')
    case 'missing':
      return say('dnsMissing')
    case 'other':
      return say('dnsOther', { found: state.found })
    case 'unknown':
      return say('dnsNoAnswer')
    default:
      return state satisfies never
  }
}
