/**
 * RFC 5322 address lists in the shape of IMAP's ENVELOPE: groups, obsolete routes, comments as names, and what careless
 * senders write. Of a broken list everything that can be read is given; a missing part of an address is the empty string.
 */
import { Budget } from './budget.ts'
import { Lexer, type Token } from './lexer.ts'
import { PHRASE_TOKENS_MAX } from './limits.ts'
import type { Address } from './types.ts'

/**
 * All addresses of an unfolded field value, in order, with the markers of groups.
 * @param budget Where the entries are counted; the rest of a list for which it does not suffice is left out.
 */
export function parseAddressList(value: string, budget = new Budget()): Address[] {
  const reader = new ListReader(budget)
  const lexer = new Lexer(value, '<>:;@,.')
  for (let token = lexer.next(); token !== null && reader.open; token = lexer.next()) reader.take(token)
  return reader.end()
}

const GROUP_END: Address = { name: null, adl: null, mailbox: null, host: null }

class ListReader {
  readonly #budget: Budget
  readonly #list: Address[] = []
  /** Tokens of the current entry outside angle brackets; after a closing one, those behind it. */
  #phrase: Token[] = []
  /** Tokens before the angle brackets. */
  #name: Token[] = []
  /** Tokens inside angle brackets; null where there are none. */
  #angle: Token[] | null = null
  #inAngle = false
  #inGroup = false
  #comment: string | null = null
  open = true

  constructor(budget: Budget) {
    this.#budget = budget
  }

  take(token: Token): void {
    if (token.kind === 'comment') {
      this.#comment ??= token.text
      return
    }
    if (token.kind === 'special') {
      if (this.#inAngle) {
        if (token.text === '>') {
          this.#inAngle = false
          return
        }
        // RFC 5322 section 4.4: commas in a route; anywhere else the closing bracket was forgotten
        if (token.text !== ';' && (token.text !== ',' || this.#isRoute())) {
          this.#keep(token)
          return
        }
        this.#inAngle = false
      }
      switch (token.text) {
        case '<':
          if (this.#angle !== null) {
            // a comma was forgotten: what stands behind the last address is the name of this one
            const name = this.#phrase
            this.#phrase = []
            this.#entry()
            this.#phrase = name
          }
          this.#name = this.#phrase
          this.#phrase = []
          this.#angle = []
          this.#inAngle = true
          return
        case '>':
          return
        case ',':
          this.#entry()
          return
        case ';':
          this.#entry()
          if (this.#inGroup) this.#add(GROUP_END)
          this.#inGroup = false
          return
        case ':':
          if (this.#inGroup || this.#angle !== null || this.#phrase.some((t) => isSpecial(t, '@'))) break
          this.#add({ name: null, adl: null, mailbox: joined(this.#phrase, true), host: null })
          this.#phrase = []
          this.#comment = null
          this.#inGroup = true
          return
        default:
      }
    }
    this.#keep(token)
  }

  end(): Address[] {
    this.#entry()
    if (this.#inGroup) this.#list.push(GROUP_END) // a group that was begun is always ended
    return this.#list
  }

  #keep(token: Token): void {
    const kept = this.#inAngle && this.#angle !== null ? this.#angle : this.#phrase
    if (kept.length < PHRASE_TOKENS_MAX) kept.push(token)
  }

  #isRoute(): boolean {
    const first = this.#angle?.[0]
    return first !== undefined && isSpecial(first, '@') && !this.#angle?.some((token) => isSpecial(token, ':'))
  }

  /** One address ends here. */
  #entry(): void {
    const phrase = this.#phrase
    const name = this.#name
    const angle = this.#angle
    const comment = this.#comment
    this.#phrase = []
    this.#name = []
    this.#angle = null
    this.#comment = null
    if (angle !== null) this.#add(angleAddress(angle, joined(name, true) || joined(phrase, true) || comment))
    else if (phrase.length > 0) this.#add(bareAddress(phrase, comment))
  }

  #add(address: Address): void {
    if (this.open && this.#budget.take()) this.#list.push(address)
    else this.open = false
  }
}

/** `name <route:local@domain>`; the route is obsolete (RFC 5322 section 4.4). */
function angleAddress(angle: readonly Token[], name: string | null): Address {
  let spec = angle
  let adl: string | null = null
  const first = angle[0]
  if (first !== undefined && isSpecial(first, '@')) {
    const colon = angle.findIndex((token) => isSpecial(token, ':'))
    if (colon > 0) {
      adl = joined(angle.slice(0, colon), false)
      spec = angle.slice(colon + 1)
    }
  }
  const at = spec.findLastIndex((token) => isSpecial(token, '@'))
  const local = at < 0 ? spec : spec.slice(0, at)
  return {
    name: name || null,
    adl,
    mailbox: joined(local, false),
    host: at < 0 ? '' : joined(spec.slice(at + 1), false),
  }
}

/** `local@domain`, perhaps with a comment or stray words that serve as the name. */
function bareAddress(phrase: readonly Token[], comment: string | null): Address {
  const at = phrase.findLastIndex((token) => isSpecial(token, '@'))
  if (at < 0) return { name: comment || null, adl: null, mailbox: joined(phrase, true), host: '' }
  let start = at
  while (start > 0 && sticks(phrase[start - 1], phrase[start], start === at)) start--
  let end = at + 1
  while (end < phrase.length && sticks(phrase[end - 1], phrase[end], end === at + 1)) end++
  const words = [...phrase.slice(0, start), ...phrase.slice(end)]
  return {
    name: joined(words, true) || comment || null,
    adl: null,
    mailbox: joined(phrase.slice(start, at), false),
    host: joined(phrase.slice(at + 1, end), false),
  }
}

/** Whether two tokens belong to one address: no space between them, or around an @ or a dot (RFC 5322 section 4.4). */
function sticks(left: Token | undefined, right: Token | undefined, atSign: boolean): boolean {
  if (left === undefined || right === undefined) return false
  return atSign || !right.spaced || isSpecial(left, '.') || isSpecial(right, '.')
}

function isSpecial(token: Token, text: string): boolean {
  return token.kind === 'special' && token.text === text
}

/** The text of tokens: as a phrase with one space where there was space, or as an address with none. */
function joined(tokens: readonly Token[], phrase: boolean): string {
  let text = ''
  for (const token of tokens) text += phrase && token.spaced && text !== '' ? ` ${token.text}` : token.text
  return text
}
