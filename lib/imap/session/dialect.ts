/**
 * What this client has switched on (RFC 5161), and how responses look to it because of that. What is on stays on until the
 * connection ends.
 */
import type { MessageFacts } from '../store.ts'
import { wireName } from '../syntax/mailbox-name.ts'

/** What ENABLE knows. */
const ENABLEABLE = ['CONDSTORE', 'IMAP4REV2', 'QRESYNC', 'UIDONLY', 'UTF8=ACCEPT'] as const
export type Extension = (typeof ENABLEABLE)[number]

/** What comes with another one: RFC 7162 section 3.2.3. */
const IMPLIED: Readonly<Partial<Record<Extension, readonly Extension[]>>> = { QRESYNC: ['CONDSTORE'] }

/** Names whose usual spelling is not all upper case. */
const SPELLINGS: Readonly<Partial<Record<Extension, string>>> = { IMAP4REV2: 'IMAP4rev2' }

/** As ENABLED shows it. */
export function spelled(extension: Extension): string {
  return SPELLINGS[extension] ?? extension
}

export class Dialect {
  readonly #enabled = new Set<Extension>()
  readonly #off: ReadonlySet<string>

  /** @param off Extensions that this account switched off: ENABLE does not know them. */
  constructor(off: ReadonlySet<string> = new Set()) {
    this.#off = off
  }

  /** What ENABLE may switch on by this name. @param name In upper case */
  extension(name: string): Extension | null {
    const known = ENABLEABLE.find((extension) => extension === name)
    return known === undefined || this.#off.has(name) ? null : known
  }

  has(extension: Extension): boolean {
    return this.#enabled.has(extension)
  }

  /** The client knows of MODSEQ: every FETCH response that tells flags has it (RFC 7162 section 3.1). */
  get condstore(): boolean {
    return this.#enabled.has('CONDSTORE')
  }

  /** VANISHED takes the place of EXPUNGE, and untagged FETCH has the UID (RFC 7162 section 3.2). */
  get qresync(): boolean {
    return this.#enabled.has('QRESYNC')
  }

  /** No sequence number is said or understood any more (RFC 9586). */
  get uidOnly(): boolean {
    return this.#enabled.has('UIDONLY')
  }

  /** The session speaks RFC 9051, not RFC 3501: no \Recent, SEARCH answers ESEARCH, names are UTF-8. */
  get rev2(): boolean {
    return this.#enabled.has('IMAP4REV2')
  }

  /** Mailbox names and quoted strings are UTF-8 (RFC 6855 section 3, RFC 9051 section 5.1). */
  get utf8(): boolean {
    return this.rev2 || this.#enabled.has('UTF8=ACCEPT')
  }

  /** A mailbox name as this client reads it. */
  name(mailbox: string): string {
    return wireName(mailbox, this.utf8)
  }

  /** Whether expunges are told by UID. */
  get vanished(): boolean {
    return this.qresync || this.uidOnly
  }

  /** @returns False if it was on already. */
  enable(extension: Extension): boolean {
    if (this.#enabled.has(extension)) return false
    this.#enabled.add(extension)
    for (const implied of IMPLIED[extension] ?? []) this.#enabled.add(implied)
    return true
  }

  /** The begin of a FETCH response, up to its parenthesis. */
  fetchHead(sequence: number, uid: number): string {
    return this.uidOnly ? `* ${uid} UIDFETCH (` : `* ${sequence} FETCH (`
  }

  /** The FETCH response that tells flags nobody asked for (RFC 9051 section 7.5.2), with CRLF. The UID comes along: a client that works by UID needs no table. */
  flagsChanged(sequence: number, facts: MessageFacts, flags: string): string {
    const uid = this.uidOnly ? '' : `UID ${facts.uid} `
    return `${this.fetchHead(sequence, facts.uid)}${uid}FLAGS (${flags})${this.modSeq(facts)})\r\n`
  }

  /** What a response that tells flags has behind them: MODSEQ, if the client knows of it. */
  modSeq(facts: MessageFacts): string {
    return this.condstore ? ` MODSEQ (${facts.modSeq})` : ''
  }
}
