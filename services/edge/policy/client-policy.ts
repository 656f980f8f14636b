/**
 * Whether mail from outside is taken from a client at all, before its letter is read: lists in the DNS, the name of its address, what it
 * calls itself, and whether the sender's domain could take a reply. Asked at RCPT, so that mail for postmaster and abuse always comes in
 * (rules.md, Delivery) and the log has who it was for.
 *
 * Invariants: what cannot be looked up is never held against a client; everything is off that nobody has set.
 */
import { BlockList, isIPv6 } from 'node:net'
import { domainToASCII } from 'node:url'
import { WeightedLru } from '#lib/cache/weighted-lru.ts'
import { listedName, reverseName } from '#lib/dns/address-names.ts'
import type { DnsResolver, DnsType } from '#lib/dns/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { type Reply, reply } from '#lib/smtp/mod.ts'
import type { ClientPolicyConfig } from '../config.ts'
import type { EdgeMetrics } from '../metrics.ts'

export interface ClientPolicyOptions {
  readonly config: ClientPolicyConfig
  /** Our own name: who calls himself so is not who he says. */
  readonly hostname: string
  readonly resolver: DnsResolver
  readonly clock: Clock
  readonly metrics: Pick<EdgeMetrics, 'clientsRefused'>
}

export interface ClientFacts {
  readonly address: string
  readonly helo: string
  /** Empty: the null path. */
  readonly reversePath: string
}

type Finding =
  | { readonly kind: 'listed'; readonly list: string; readonly text: string }
  | { readonly kind: 'no-name' | 'our-name' | 'null-mx' | 'no-domain' | 'often' }

const OFTEN: Finding = { kind: 'often' }
const MINUTE_MS = 60_000
/** Addresses whose recipients are counted; beyond them those that were quiet for longest begin anew. */
const COUNTED_MAX = 100_000
/** All questions of one client together; then it is taken. */
const PATIENCE_MS = 5_000
/** Texts of lists are shown to the other side: one short line. */
const TEXT_CHARACTERS_MAX = 200
const POSTMASTER = /^(?:postmaster|abuse)(?:@|$)/i

export class ClientPolicy {
  readonly #options: ClientPolicyOptions
  readonly #trusted: BlockList
  /** Recipients of this minute, by address, or by network for IPv6, where everybody has many. */
  readonly #counts = new WeightedLru<string, { readonly minute: number; count: number }>(COUNTED_MAX)

  constructor(options: ClientPolicyOptions) {
    this.#options = options
    this.#trusted = networks(options.config.trusted)
  }

  /** How long the greeting waits for clients that cannot. */
  greetingDelayMs(address: string): number {
    return this.#isTrusted(address) ? 0 : this.#options.config.greetingDelayMs
  }

  /** @returns Why the client may not write to this recipient; null: it may. Never rejects. */
  async refusal(facts: ClientFacts, forwardPath: string): Promise<Reply | null> {
    if (POSTMASTER.test(forwardPath) || this.#isTrusted(facts.address)) return null
    const finding = this.#isOften(facts.address) ? OFTEN : await this.#find(facts)
    if (finding === null) return null
    this.#options.metrics.clientsRefused.inc({ reason: finding.kind })
    return replyTo(finding, facts)
  }

  #isOften(address: string): boolean {
    const { config, clock } = this.#options
    if (config.recipientsPerMinute === 0) return false
    const minute = Math.floor(clock.monotonicMs() / MINUTE_MS)
    const key = networkOf(address)
    const known = this.#counts.get(key)
    const counted = known?.minute === minute ? known : { minute, count: 0 }
    this.#counts.set(key, counted, 1)
    return ++counted.count > config.recipientsPerMinute
  }

  async #find(facts: ClientFacts): Promise<Finding | null> {
    const { config, hostname, clock } = this.#options
    if (config.ownNameIsForged && facts.helo.toLowerCase() === hostname) return { kind: 'our-name' }
    let cancel: () => void = () => undefined
    const late = new Promise<null>((resolve) => {
      cancel = clock.after(PATIENCE_MS, () => resolve(null))
    })
    try {
      return await Promise.race([this.#ask(facts), late])
    } finally {
      cancel()
    }
  }

  async #ask({ address, reversePath }: ClientFacts): Promise<Finding | null> {
    const { config } = this.#options
    const [allowed, ...findings] = await Promise.all([
      this.#isAllowed(address),
      ...config.dnsLists.map((list) => this.#listed(address, list)),
      config.reverseName ? this.#named(address) : null,
      config.senderDomain && reversePath !== '' ? this.#senderDomain(reversePath) : null,
    ])
    return allowed ? null : (findings.find((finding) => finding !== null) ?? null)
  }

  async #isAllowed(address: string): Promise<boolean> {
    const found = await Promise.all(this.#options.config.dnsAllowLists.map((list) => this.#listed(address, list)))
    return found.some((finding) => finding !== null)
  }

  /** RFC 5782 section 2.1. Answers of 127.255.255.0/24 say that the question was not answered (too many, or of whom one does not know). */
  async #listed(address: string, list: string): Promise<Finding | null> {
    const name = listedName(address, list)
    if (name === null) return null
    const addresses = await this.#records(name, 'A')
    if (!addresses?.some((one) => one.startsWith('127.') && !one.startsWith('127.255.255.'))) return null
    const [text = ''] = (await this.#records(name, 'TXT')) ?? []
    return { kind: 'listed', list, text: text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, TEXT_CHARACTERS_MAX) }
  }

  /** A name that leads back to the address (RFC 8601 section 3: iprev). */
  async #named(address: string): Promise<Finding | null> {
    const reverse = reverseName(address)
    const names = reverse === null ? null : await this.#records(reverse, 'PTR')
    if (names === null) return null
    const type = isIPv6(address) ? 'AAAA' : 'A'
    const leadsBack = async (name: string) => {
      const found = await this.#records(name, type)
      // A name whose addresses nobody can tell is not held against it.
      return found === null || found.some((one) => reverseName(one) === reverse)
    }
    const back = await Promise.all(names.slice(0, NAMES_MAX).map(leadsBack))
    return back.includes(true) ? null : { kind: 'no-name' }
  }

  /** RFC 7505 section 4.2: nobody can answer a sender whose domain takes no mail. */
  async #senderDomain(reversePath: string): Promise<Finding | null> {
    const domain = domainToASCII(reversePath.slice(reversePath.lastIndexOf('@') + 1))
    if (domain === '') return null // an address literal
    try {
      const { kind, records } = await this.#options.resolver.query(domain, 'MX')
      if (kind === 'no-name') return { kind: 'no-domain' }
      return kind === 'records' && records.every(({ exchange }) => exchange === '') ? { kind: 'null-mx' } : null
    } catch {
      return null
    }
  }

  /** @returns null: nobody knows */
  async #records<T extends Extract<DnsType, 'A' | 'AAAA' | 'PTR' | 'TXT'>>(
    name: string,
    type: T,
  ): Promise<readonly string[] | null> {
    try {
      return (await this.#options.resolver.query(name, type)).records
    } catch {
      return null
    }
  }

  #isTrusted(address: string): boolean {
    return this.#trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
  }
}

/** Names of one address that are looked at. */
const NAMES_MAX = 5

/** IPv6: the first 64 bits, which one customer has at least (RFC 6177). */
function networkOf(address: string): string {
  return isIPv6(address) ? (reverseName(address) ?? address).split('.').slice(16).join('.') : address
}

/** @param texts As `192.0.2.0/24`, `2001:db8::/32` or one address. */
export function networks(texts: readonly string[]): BlockList {
  const list = new BlockList()
  for (const text of texts) {
    const [address = '', prefix] = text.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    list.addSubnet(address, prefix === undefined ? (family === 'ipv6' ? 128 : 32) : Number(prefix), family)
  }
  return list
}

function replyTo(finding: Finding, { address, reversePath }: ClientFacts): Reply {
  switch (finding.kind) {
    case 'listed': {
      const why = finding.text === '' ? '' : `: ${finding.text}`
      return reply(550, `5.7.1 ${address} is listed by ${finding.list}${why}`)
    }
    case 'often':
      return reply(450, `4.7.1 Too many recipients from ${address} in a minute, try again later`)
    case 'no-name':
      return reply(550, `5.7.25 ${address} has no name that leads back to it`) // RFC 7372 section 3.3
    case 'our-name':
      return reply(550, '5.7.1 That is our name and not yours')
    case 'null-mx':
      return reply(550, `5.7.27 The domain of <${reversePath}> takes no mail`) // RFC 7505 section 4.2
    case 'no-domain':
      return reply(550, `5.1.8 There is no domain of <${reversePath}>`)
    default:
      return finding satisfies never
  }
}
