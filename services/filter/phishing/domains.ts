/**
 * What a domain name looks like to people: which scripts it mixes, which other name it can be taken for, and who registered it. Pure.
 * Unicode Technical Standard 39 is the source of the ideas; the tables here are the part of it that domain names of mail meet.
 */
import { domainToASCII, domainToUnicode } from 'node:url'
import { getDomain } from 'tldts'

/** Scripts whose letters are found in domain names and look like those of others. */
const SCRIPTS = [
  ['Latin', /\p{Script=Latin}/u],
  ['Cyrillic', /\p{Script=Cyrillic}/u],
  ['Greek', /\p{Script=Greek}/u],
  ['Armenian', /\p{Script=Armenian}/u],
  ['Hebrew', /\p{Script=Hebrew}/u],
  ['Arabic', /\p{Script=Arabic}/u],
  ['Han', /\p{Script=Han}/u],
  ['Hiragana', /\p{Script=Hiragana}/u],
  ['Katakana', /\p{Script=Katakana}/u],
  ['Hangul', /\p{Script=Hangul}/u],
  ['Bopomofo', /\p{Script=Bopomofo}/u],
  ['Thai', /\p{Script=Thai}/u],
  ['Devanagari', /\p{Script=Devanagari}/u],
  ['Cherokee', /\p{Script=Cherokee}/u],
  ['Georgian', /\p{Script=Georgian}/u],
] as const

/** Scripts that one language writes together (UTS 39 section 5.2, "highly restrictive"). */
const TOGETHER: readonly ReadonlySet<string>[] = [
  new Set(['Latin', 'Han', 'Hiragana', 'Katakana']),
  new Set(['Latin', 'Han', 'Hangul']),
  new Set(['Latin', 'Han', 'Bopomofo']),
]

/** Characters that are taken for others (confusables of UTS 39, those that domain names may hold). */
const LOOKS_LIKE: ReadonlyMap<string, string> = new Map(
  [
    ['a', 'аɑα'],
    ['b', 'ЬƄ'],
    ['c', 'сϲ'],
    ['d', 'ԁ'],
    ['e', 'еєҽ'],
    ['g', 'ɡց'],
    ['h', 'һհ'],
    ['i', 'іıíìïɩι'],
    ['j', 'јϳ'],
    ['k', 'кκ'],
    ['l', '1ӏ|ⅼ'],
    ['m', 'м'],
    ['n', 'пոռ'],
    ['o', '0оοօσ'],
    ['p', 'рρ'],
    ['q', 'ԛգ'],
    ['r', 'гᴦ'],
    ['s', 'ѕ'],
    ['t', 'тτ'],
    ['u', 'υսц'],
    ['v', 'ѵν'],
    ['w', 'ԝѡա'],
    ['x', 'хχ'],
    ['y', 'уүγ'],
    ['z', 'ʐ'],
  ].flatMap(([latin = '', others = '']) => [...others].map((char): [string, string] => [char, latin])),
)
/** Letters side by side that are read as another one. */
const PAIRS: readonly (readonly [RegExp, string])[] = [
  [/rn/g, 'm'],
  [/vv/g, 'w'],
  [/cl/g, 'd'],
]

/** In Unicode and lower case; null: it is no domain name. */
export function shownDomain(name: string): string | null {
  const ascii = domainToASCII(name.replace(/\.$/, ''))
  if (ascii === '' || !ascii.includes('.')) return null
  return domainToUnicode(ascii).toLowerCase()
}

/** The part that somebody registered: `b.co.uk` of `a.b.co.uk`; the name itself where there is no such part. */
export function registrable(name: string): string {
  const ascii = domainToASCII(name) || name.toLowerCase()
  return getDomain(ascii, { allowPrivateDomains: true }) ?? ascii
}

/** Scripts of one label that no language writes together; empty: none. */
export function mixedScripts(shown: string): readonly string[] {
  for (const label of shown.split('.')) {
    const found = SCRIPTS.filter(([, pattern]) => pattern.test(label)).map(([name]) => name)
    if (found.length < 2) continue
    if (!TOGETHER.some((together) => found.every((script) => together.has(script)))) return found
  }
  return []
}

/** The same for all names that are taken for each other. */
export function skeleton(shown: string): string {
  const plain = [...shown.normalize('NFKD').replace(/\p{Mark}/gu, '')]
    .map((char) => LOOKS_LIKE.get(char) ?? char)
    .join('')
  return PAIRS.reduce((text, [pair, one]) => text.replace(pair, one), plain).replaceAll('-', '')
}

/** Which of `known` the name can be taken for without being it, or a part of it; null: none. */
export function lookAlikeOf(shown: string, known: readonly string[]): string | null {
  const own = registrable(shown)
  const looks = skeleton(shownDomain(own) ?? own)
  for (const one of known) {
    const theirs = registrable(one)
    if (theirs === own) return null
    if (looks === skeleton(shownDomain(theirs) ?? theirs)) return theirs
  }
  return null
}
