/**
 * The base subject of RFC 5256 section 2.1: what is left of a subject when marks of replies, forwards and lists are taken away. One pass
 * from each end, whatever the sender wrote.
 */

export interface BaseSubject {
  /** Not folded: case is for the collation. */
  readonly text: string
  /** Something said that this is a reply or a forward. */
  readonly reply: boolean
}

const SPACE = /[ \t]*/y
/** subj-blob: "[" *BLOBCHAR "]" *WSP. */
const BLOB = /\[[^[\]]*\][ \t]*/y
/** The begin of subj-refwd, before its blob and colon. */
const REFWD = /(?:re|fwd?)[ \t]*/iy
const FORWARDED = /^\[fwd:/i

/** @param subject Decoded, on one line. */
export function baseSubject(subject: string): BaseSubject {
  let text = subject.replace(/\s+/g, ' ')
  let reply = false
  for (;;) {
    const trailed = withoutTrailers(text)
    reply ||= trailed.reply
    const begin = leadersEnd(trailed.text)
    reply ||= begin.reply
    text = trailed.text.slice(begin.at)
    if (!FORWARDED.test(text) || !text.endsWith(']')) return { text, reply }
    reply = true
    text = text.slice(5, -1)
  }
}

/** Step 2: *("(fwd)" / WSP) at the end. */
function withoutTrailers(text: string): BaseSubject {
  let end = text.length
  let reply = false
  for (;;) {
    while (end > 0 && isSpace(text[end - 1])) end--
    if (end < 5 || text.slice(end - 5, end).toLowerCase() !== '(fwd)') return { text: text.slice(0, end), reply }
    end -= 5
    reply = true
  }
}

/**
 * Steps 3 to 5: where the base begins. A run of blobs goes with the "re:" behind it, or goes as long as something is left: so all of a run
 * can be looked at once.
 */
function leadersEnd(text: string): { at: number; reply: boolean } {
  let at = 0
  let reply = false
  for (;;) {
    at = after(SPACE, text, at) ?? at
    let lastBlob = at
    let run = at
    for (let end = after(BLOB, text, run); end !== null; end = after(BLOB, text, run)) {
      lastBlob = run
      run = end
    }
    const marked = refwdEnd(text, run)
    if (marked !== null) {
      at = marked
      reply = true
      continue
    }
    // Step 4: a blob is kept if nothing would be left without it.
    const next = run === text.length ? lastBlob : run
    return { at: next, reply }
  }
}

/** subj-refwd: ("re" / ("fw" ["d"])) *WSP [subj-blob] ":". */
function refwdEnd(text: string, at: number): number | null {
  const word = after(REFWD, text, at)
  if (word === null) return null
  const blob = after(BLOB, text, word) ?? word
  return text[blob] === ':' ? blob + 1 : null
}

function after(pattern: RegExp, text: string, at: number): number | null {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : null
}

function isSpace(char: string | undefined): boolean {
  return char === ' ' || char === '\t'
}
