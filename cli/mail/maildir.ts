/**
 * Maildir (with the folders of Maildir++): names of files and folders, read and written. Flags stand behind `:2,`; keywords
 * are the letters a to z, whose meaning Dovecot keeps in the file `dovecot-keywords` of each folder. Pure but for nothing.
 */

const FLAGS = [
  ['D', '\\Draft'],
  ['F', '\\Flagged'],
  ['P', '$Forwarded'],
  ['R', '\\Answered'],
  ['S', '\\Seen'],
  ['T', '\\Deleted'],
] as const
const KEYWORDS_MAX = 26

/** Flags and keywords behind a file's name. @param keywords Meaning of `a`, `b`, ... */
export function flagsOfName(name: string, keywords: readonly string[]): string[] {
  const info = /:2,([A-Za-z]*)$/.exec(name)?.[1] ?? ''
  const flags: string[] = []
  for (const char of info) {
    const flag =
      FLAGS.find(([letter]) => letter === char)?.[1] ??
      (char >= 'a' && char <= 'z' ? keywords[char.charCodeAt(0) - 97] : undefined)
    if (flag !== undefined) flags.push(flag)
  }
  return flags
}

/** The name without what may change: what tells a letter from others. */
export function uniqueOfName(name: string): string {
  return name.replace(/:2,[A-Za-z]*$/, '')
}

/** Seconds since 1970 with which names begin; null: this one does not. */
export function timeOfName(name: string): number | null {
  const seconds = /^(\d{9,11})\./.exec(name)?.[1]
  return seconds === undefined ? null : Number(seconds)
}

/** `:2,FS` and the like. @param keywords Grows by what is new, as far as there are letters. */
export function infoOfFlags(flags: readonly string[], keywords: string[]): string {
  const letters = new Set<string>()
  for (const flag of flags) {
    const known = FLAGS.find(([, name]) => name.toLowerCase() === flag.toLowerCase())?.[0]
    if (known !== undefined) letters.add(known)
    else if (!flag.startsWith('\\')) {
      let at = keywords.indexOf(flag)
      if (at === -1 && keywords.length < KEYWORDS_MAX) at = keywords.push(flag) - 1
      if (at !== -1) letters.add(String.fromCharCode(97 + at))
    }
  }
  return `:2,${[...letters].sort().join('')}`
}

/** `dovecot-keywords`: a line `<number> <keyword>` for each. */
export function parseKeywords(text: string): string[] {
  const keywords: string[] = []
  for (const [, at, word] of text.matchAll(/^(\d+) (\S+)$/gm)) {
    if (Number(at) < KEYWORDS_MAX && word !== undefined) keywords[Number(at)] = word
  }
  return keywords
}

export function keywordsText(keywords: readonly string[]): string {
  return keywords.map((word, at) => `${at} ${word}\n`).join('')
}

/** `.Sent.2024` is Sent/2024; INBOX is the folder itself (empty). Names are in modified UTF-7 or UTF-8. */
export function mailboxOfFolder(folder: string): readonly string[] {
  return folder === '' ? ['INBOX'] : folder.slice(1).split('.')
}

/** A dot within a name would be a level of its own. */
export function folderOfMailbox(parts: readonly string[]): string {
  if (parts.length === 1 && parts[0]?.toUpperCase() === 'INBOX') return ''
  return parts.map((part) => `.${part.replaceAll('.', '_').replaceAll('/', '_')}`).join('')
}
