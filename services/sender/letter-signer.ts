/**
 * What a letter gets before it leaves: DKIM signatures of its author's Domain, and the way out that this Domain wants. Keys come sealed
 * from the directory (`lib/directory/domain-sending.ts`) and are in the clear nowhere but in the memory of a sender.
 *
 * It signs when it sends and not when the letter is queued: a letter may wait for days, and is signed with keys that the DNS has now; neither
 * edges, which face the Internet, nor logs and backups see a key. It costs a second look at a letter's bytes; short ones are held meanwhile.
 *
 * Invariants
 * - A letter whose Domain has keys leaves signed or not at all for now: what went out without a signature cannot be called back.
 * - Who the author is says From and nothing else, as DMARC has it.
 */
import { WeightedLru } from '#lib/cache/weighted-lru.ts'
import { type DomainSending, openSending, type Sealing, type Smarthost } from '#lib/directory/domain-sending.ts'
import type { Directory } from '#lib/directory/port.ts'
import { type DkimKey, dkimKey, dkimSignatures, type LetterDigest, LetterDigester } from '#lib/dkim/mod.ts'
import { canonicalDomain } from '#lib/ldap/address.ts'
import { authorsOf } from '#lib/letter/mod.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Letter } from './letter.ts'
import { AUTHORS_MAX, HELD_LETTER_BYTES_MAX, KEYS_KEPT, SIGNATURE_FRESH_MS, SIGNED_LETTERS_KEPT } from './limits.ts'
import type { SenderMetrics } from './metrics.ts'

export interface LetterSignerOptions {
  readonly directory: Pick<Directory, 'domain'>
  /** What opens keys; null: this sender was given nothing, and letters of Domains with keys wait. */
  readonly sealing: () => Sealing | null
  readonly clock: Clock
  readonly metrics: Pick<SenderMetrics, 'signed'>
}

/** A letter with what was found out about it. */
export interface ReadyLetter {
  readonly letter: Letter
  readonly smarthost: Smarthost | null
}

interface Signed {
  readonly signature: Buffer
  readonly smarthost: Smarthost | null
  /** What the directory said of the author's Domain. */
  readonly sealed: string | null
  readonly domain: string
}

/** Keys are there and cannot be used. The message is what the queue tells of the letter. */
export class UnsignedLetter extends Error {
  override readonly name = 'UnsignedLetter'
}

export class LetterSigner {
  readonly #options: LetterSignerOptions
  /** By name of the letter: it goes to several destinations, and again. */
  readonly #signed = new WeightedLru<string, { readonly done: Promise<Signed>; readonly untilMs: number }>(
    SIGNED_LETTERS_KEPT,
  )
  /** By what the directory says. */
  readonly #opened = new WeightedLru<string, { readonly keys: readonly DkimKey[]; readonly sending: DomainSending }>(
    KEYS_KEPT,
  )

  constructor(options: LetterSignerOptions) {
    this.#options = options
  }

  /** @throws {UnsignedLetter} @throws {DirectoryError} and whatever reading a letter throws */
  async prepare(letter: Letter): Promise<ReadyLetter> {
    const { clock, directory } = this.#options
    const known = this.#signed.get(letter.name)
    if (known !== undefined && known.untilMs > clock.monotonicMs()) {
      const signed = await known.done
      const sealed = signed.domain === '' ? null : ((await directory.domain(signed.domain))?.sending ?? null)
      if (sealed === signed.sealed) return readyWith(letter, signed)
    }
    const held: Buffer[] | null = letter.item.sizeBytes <= HELD_LETTER_BYTES_MAX ? [] : null
    const done = this.#sign(letter, held)
    const entry = { done, untilMs: clock.monotonicMs() + SIGNATURE_FRESH_MS }
    this.#signed.set(letter.name, entry, 1)
    try {
      const ready = readyWith(letter, await done)
      return held === null ? ready : { ...ready, letter: { ...ready.letter, read: readHeld(Buffer.concat(held)) } }
    } catch (error) {
      if (this.#signed.get(letter.name) === entry) this.#signed.take(letter.name)
      throw error
    }
  }

  async #sign(letter: Letter, held: Buffer[] | null): Promise<Signed> {
    const { clock, metrics } = this.#options
    const digester = new LetterDigester()
    for await (const piece of letter.read(0, letter.item.sizeBytes)) {
      digester.push(piece)
      held?.push(piece)
    }
    const digest = digester.end()
    const author = digest === null ? null : await this.#authorOf(digest)
    if (digest === null || author === null) {
      metrics.signed.inc({ result: 'no-keys' })
      return { signature: Buffer.alloc(0), smarthost: null, sealed: null, domain: authorDomains(digest)[0] ?? '' }
    }
    const { domain, sealed } = author
    const { keys, sending } = this.#open(domain, sealed)
    const fields = keys.length === 0 ? '' : await dkimSignatures(digest, domain, keys, clock.nowMs())
    metrics.signed.inc({ result: keys.length === 0 ? 'no-keys' : 'signed' })
    return { signature: Buffer.from(fields, 'latin1'), smarthost: sending.smarthost, sealed, domain }
  }

  /** The first author whose Domain is ours and has something for us. */
  async #authorOf(digest: LetterDigest): Promise<{ readonly domain: string; readonly sealed: string } | null> {
    for (const domain of authorDomains(digest)) {
      const sealed = (await this.#options.directory.domain(domain))?.sending
      if (sealed) return { domain, sealed }
    }
    return null
  }

  #open(domain: string, sealed: string) {
    const known = this.#opened.get(sealed)
    if (known !== undefined) return known
    const sealing = this.#options.sealing()
    const sending = sealing === null ? null : openSending(domain, sealed, sealing)
    if (sending === null) {
      this.#options.metrics.signed.inc({ result: 'sealed' })
      throw new UnsignedLetter(
        `451 4.7.5 The keys of ${domain} cannot be opened: this sender lacks the word they are sealed with`,
      )
    }
    const opened = { sending, keys: sending.keys.map(({ selector, pem }) => dkimKey(selector, pem)) }
    this.#opened.set(sealed, opened, 1)
    return opened
  }
}

function readyWith(letter: Letter, { signature, smarthost }: Signed): ReadyLetter {
  return { letter: { ...letter, signature }, smarthost }
}

function readHeld(bytes: Buffer): Letter['read'] {
  return async function* (from, to) {
    yield bytes.subarray(from, to)
  }
}

/** Of all addresses in From, as A-labels: the edge lets nobody write as somebody else of ours (services/edge/smtp/ownership.ts). */
function authorDomains(digest: LetterDigest | null): string[] {
  if (digest === null) return []
  const domains = authorsOf(digest.fields).flatMap(({ domain }) => canonicalDomain(domain) ?? [])
  return [...new Set(domains)].slice(0, AUTHORS_MAX)
}
