/** Signs in a letter that it pretends to be somebody else's. Pure. */
import { htmlView } from '#lib/filter/html-view.ts'
import { decodeWords, parseAddressList } from '#lib/mime/mod.ts'
import { lookAlikeOf, mixedScripts, registrable, shownDomain } from './domains.ts'

export interface Mark {
  readonly name: string
  readonly weight: number
}

export interface PhishingFacts {
  /** Values of all From fields, undecoded. */
  readonly from: readonly string[]
  readonly texts: readonly { readonly subtype: string; readonly text: string }[]
  /** Domains that a look-alike is held against: the recipients' own, and those that are told. */
  readonly known: readonly string[]
}

/** Links that are looked at in one letter: a newsletter has some dozens. */
const LINKS_MAX = 200
/** A link that leaves a browser: nobody honest sends one. */
const ACTIVE = /^(?:javascript|data|vbscript|file):/i
/** Text that people read as the address of a page. */
const LOOKS_LIKE_ADDRESS =
  /^(?:https?:\/\/)?((?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?\.)+[\p{L}]{2,24})(?:[/:?#].*)?$/iu
const IP_HOST = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]+\])$/i
const ADDRESS_IN_NAME = /[^\s@<>"]+@([\p{L}\p{N}.-]+\.[\p{L}]{2,24})/u

export function phishingMarks(facts: PhishingFacts): Mark[] {
  const marks = new Map<string, number>()
  const add = (name: string, weight: number) => marks.set(name, Math.max(weight, marks.get(name) ?? 0))
  const author = authorMarks(facts, add)
  let links = 0
  for (const { subtype, text } of facts.texts) {
    if (subtype !== 'html') continue
    const view = htmlView(text)
    for (const { href, text: shown } of view.links) {
      if (links++ >= LINKS_MAX) break
      linkMarks(href, shown, author, facts.known, add)
    }
    if (view.forms.length > 0) add('form', 0.6)
  }
  return [...marks].map(([name, weight]) => ({ name, weight }))
}

type Add = (name: string, weight: number) => void

/** @returns The author's registered domain; null: there is none that can be told. */
function authorMarks({ from, known }: PhishingFacts, add: Add): string | null {
  let registered: string | null = null
  for (const value of from) {
    for (const { name, host } of parseAddressList(value)) {
      const shown = host === null ? null : shownDomain(host)
      if (shown === null) continue
      registered ??= registrable(shown)
      domainMarks('author', shown, known, add)
      const named = ADDRESS_IN_NAME.exec(decodeWords(name ?? ''))?.[1]
      const other = named === undefined ? null : shownDomain(named)
      if (other !== null && registrable(other) !== registrable(shown)) add(`name-address ${other}`, 1)
    }
  }
  return registered
}

function linkMarks(href: string, shown: string, author: string | null, known: readonly string[], add: Add): void {
  if (ACTIVE.test(href)) {
    add('link-active', 1)
    return
  }
  const url = URL.canParse(href) ? new URL(href) : null
  if (url === null || !/^https?:$/.test(url.protocol)) return
  if (url.username !== '' || url.password !== '') add(`link-userinfo ${url.host}`, 1)
  const byNumber = IP_HOST.test(url.hostname)
  if (byNumber) add(`link-number ${url.hostname}`, 0.7)
  const target = byNumber ? null : shownDomain(url.hostname)
  if (target !== null) domainMarks('link', target, known, add)
  const said = shownDomain(LOOKS_LIKE_ADDRESS.exec(shown.trim())?.[1] ?? '')
  if (said === null) return
  const registered = target === null ? url.hostname : registrable(target)
  const promised = registrable(said)
  if (registered === promised) return
  // Newsletters count clicks by links of their own; they are the author's, or some service's: then it is a mark, and no proof.
  const sure = byNumber || known.some((one) => registrable(one) === promised)
  if (sure || registered !== author) add(`link-text ${said}>${registered}`, sure ? 1 : 0.7)
}

function domainMarks(what: 'author' | 'link', shown: string, known: readonly string[], add: Add): void {
  const scripts = mixedScripts(shown)
  if (scripts.length > 0) add(`${what}-scripts ${shown} ${scripts.join('+')}`, 1)
  const alike = lookAlikeOf(shown, known)
  if (alike !== null) add(`${what}-look-alike ${shown}>${alike}`, 1)
}
