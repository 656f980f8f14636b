/**
 * What people see of an HTML text: its words and its links, without anything that acts. One pass over the characters, however broken
 * the text is; nothing is loaded, nothing is run.
 *
 * Invariant: time and result grow with the length of the text, never faster; at most `LINKS_MAX` links are told.
 */

export interface HtmlLink {
  /** As it is written, entities undone. */
  readonly href: string
  /** What is shown for it. */
  readonly text: string
}

export interface HtmlView {
  /** Words as they are shown, blocks on lines of their own. */
  readonly text: string
  readonly links: readonly HtmlLink[]
  /** Hosts of pictures that a reader would load. */
  readonly pictures: number
  /** Asks for input: a form that is sent somewhere. */
  readonly forms: readonly string[]
}

const LINKS_MAX = 500
const LINK_TEXT_MAX = 500
const ATTRIBUTE_MAX = 4096

/** Elements whose content nobody sees. */
const UNSEEN: ReadonlySet<string> = new Set([
  'script',
  'style',
  'head',
  'title',
  'template',
  'noscript',
  'svg',
  'object',
])
/** Elements that begin a new line. */
const BLOCKS: ReadonlySet<string> = new Set(
  'address article blockquote br dd div dl dt fieldset form h1 h2 h3 h4 h5 h6 hr li ol p pre section table td th tr ul'.split(
    ' ',
  ),
)
const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  copy: '©',
  reg: '®',
  euro: '€',
  shy: '',
  zwnj: '',
  zwj: '',
  hellip: '…',
  ndash: '–',
  mdash: '—',
}

interface OpenLink {
  readonly href: string
  text: string
}

export function htmlView(html: string): HtmlView {
  const out: string[] = []
  const links: HtmlLink[] = []
  const forms: string[] = []
  let pictures = 0
  let link: OpenLink | null = null
  const show = (piece: string) => {
    if (piece === '') return
    const text = undoEntities(piece)
    out.push(text)
    if (link !== null && link.text.length < LINK_TEXT_MAX) link.text += text
  }
  const closeLink = () => {
    if (link !== null && links.length < LINKS_MAX) links.push({ href: link.href, text: squeezed(link.text) })
    link = null
  }
  let at = 0
  while (at < html.length) {
    const open = html.indexOf('<', at)
    if (open === -1) {
      show(html.slice(at))
      break
    }
    show(html.slice(at, open))
    if (html.startsWith('<!--', open)) {
      const end = html.indexOf('-->', open + 4)
      at = end === -1 ? html.length : end + 3
      continue
    }
    const name = /^<\/?([a-zA-Z][a-zA-Z0-9:-]{0,31})/.exec(html.slice(open, open + 35))?.[1]?.toLowerCase()
    if (name === undefined && !/^<[!?/]/.test(html.slice(open, open + 2))) {
      show('<')
      at = open + 1
      continue
    }
    const end = tagEnd(html, open)
    const tag = html.slice(open, end)
    at = end
    if (name === undefined) continue
    if (BLOCKS.has(name)) show('\n')
    if (tag.startsWith('</')) {
      if (name === 'a') closeLink()
      continue
    }
    if (name === 'a' || name === 'area') {
      closeLink()
      const href = attribute(tag, 'href')
      if (href !== null) link = { href, text: '' }
      if (name === 'area') closeLink()
    } else if (name === 'img') pictures++
    else if (name === 'form' && forms.length < LINKS_MAX) forms.push(attribute(tag, 'action') ?? '')
    if (UNSEEN.has(name) && !tag.endsWith('/>')) at = afterElement(html, at, name)
  }
  closeLink()
  return { text: squeezedLines(out.join('')), links, pictures, forms }
}

/** Position after the `>` that ends the tag; quoted ones do not. */
function tagEnd(html: string, open: number): number {
  const last = Math.min(html.length, open + ATTRIBUTE_MAX * 4)
  let quote = ''
  for (let i = open + 1; i < last; i++) {
    const char = html[i] ?? ''
    if (quote !== '') {
      if (char === quote) quote = ''
    } else if (char === '>') return i + 1
    else if ((char === '"' || char === "'") && html[i - 1] === '=') quote = char
  }
  // A quote that never ends would swallow the rest: then the first `>` counts.
  const plain = html.indexOf('>', open)
  return plain === -1 ? html.length : plain + 1
}

/** Position after `</name`, or the end of the text. */
function afterElement(html: string, from: number, name: string): number {
  const closing = new RegExp(`</${name}[^>]{0,100}>?`, 'gi')
  closing.lastIndex = from
  const found = closing.exec(html)
  return found === null ? html.length : closing.lastIndex
}

function attribute(tag: string, name: string): string | null {
  const found = new RegExp(`[\\s"'/]${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)'|([^\\s"'>]+))`, 'i').exec(tag)
  const value = found?.[1] ?? found?.[2] ?? found?.[3]
  return value === undefined ? null : undoEntities(value).trim().slice(0, ATTRIBUTE_MAX)
}

function undoEntities(text: string): string {
  if (!text.includes('&')) return text
  return text.replace(/&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-zA-Z]{2,8}));?/g, (whole, decimal, hex, name) => {
    if (name !== undefined) return ENTITIES[String(name).toLowerCase()] ?? whole
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal)
    return code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ? '\ufffd' : String.fromCodePoint(code)
  })
}

function squeezed(text: string): string {
  return text.replace(/\s+/g, ' ').trim()
}

function squeezedLines(text: string): string {
  return text
    .replace(/[^\S\n]+/g, ' ')
    .replace(/ ?\n[ \n]*/g, '\n')
    .trim()
}
