/**
 * What tidy needs to know of a TypeScript file without a compiler: its code with comments and strings blanked out (same
 * offsets, so that a line number stays right), the strings, and the modules it imports. Template literals count as strings,
 * but what stands in `${}` counts as code.
 */
export interface SourceText {
  readonly path: string
  readonly text: string
  /** `text` with comments, strings and regular expressions replaced by spaces; line breaks stay. */
  readonly code: string
  readonly strings: readonly { readonly value: string; readonly offset: number }[]
}

export interface ImportedModule {
  readonly specifier: string
  /** True for `import type` and `export type`: erased before the file runs. */
  readonly typeOnly: boolean
  readonly offset: number
}

export function lineOf(text: string, offset: number): number {
  let line = 1
  for (let at = text.indexOf('\n'); at !== -1 && at < offset; at = text.indexOf('\n', at + 1)) line++
  return line
}

/** A `/` after one of these starts a regular expression, after anything else it divides. */
const BEFORE_REGEX =
  /(?:^|[(,=:[!&|?{};+\-*%<>~^\n]|\b(?:return|typeof|case|in|of|do|else|void|delete|await|yield))\s*$/

export function readSource(path: string, text: string): SourceText {
  const code =
    [...text].length === text.length ? text.split('') : Array.from({ length: text.length }, (_, i) => text[i] ?? '')
  const strings: { value: string; offset: number }[] = []
  const blank = (from: number, to: number) => {
    for (let i = from; i < to; i++) if (code[i] !== '\n') code[i] = ' '
  }
  /** Depths of braces at which a `}` goes back into a template literal. */
  const templates: number[] = []
  let depth = 0
  let at = 0
  while (at < text.length) {
    const char = text[at]
    const next = text[at + 1]
    if (char === '/' && next === '/') {
      const end = text.indexOf('\n', at)
      const stop = end === -1 ? text.length : end
      blank(at, stop)
      at = stop
    } else if (char === '/' && next === '*') {
      const end = text.indexOf('*/', at + 2)
      const stop = end === -1 ? text.length : end + 2
      blank(at, stop)
      at = stop
    } else if (char === "'" || char === '"') {
      const stop = endOfString(text, at)
      strings.push({ value: text.slice(at + 1, stop - 1), offset: at })
      blank(at + 1, stop - 1)
      at = stop
    } else if (char === '`' || (char === '}' && templates.at(-1) === depth)) {
      if (char === '}') templates.pop()
      const piece = endOfTemplatePiece(text, at + 1)
      strings.push({ value: text.slice(at + 1, piece.stop), offset: at })
      blank(at, piece.stop)
      if (piece.opens) templates.push(depth)
      at = piece.stop + (piece.opens ? 2 : 1)
      blank(piece.stop, at)
    } else if (char === '/' && BEFORE_REGEX.test(code.slice(Math.max(0, at - 24), at).join(''))) {
      const stop = endOfRegex(text, at)
      blank(at, stop)
      at = stop
    } else {
      if (char === '{') depth++
      if (char === '}') depth--
      at++
    }
  }
  return { path, text, code: code.join(''), strings }
}

function endOfString(text: string, start: number): number {
  const quote = text[start]
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === quote || text[at] === '\n') return at + 1
  }
  return text.length
}

function endOfTemplatePiece(text: string, start: number): { stop: number; opens: boolean } {
  for (let at = start; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === '`') return { stop: at, opens: false }
    else if (text[at] === '$' && text[at + 1] === '{') return { stop: at, opens: true }
  }
  return { stop: text.length, opens: false }
}

function endOfRegex(text: string, start: number): number {
  let inClass = false
  for (let at = start + 1; at < text.length; at++) {
    const char = text[at]
    if (char === '\\') at++
    else if (char === '\n')
      return at // a division after all
    else if (char === '[') inClass = true
    else if (char === ']') inClass = false
    else if (char === '/' && !inClass) return at + 1
  }
  return text.length
}

const IMPORT = /\b(import|export)\b(\s+type\b)?([^'"();=]*?)\bfrom\s*['"]|\bimport\s*\(\s*['"]|\bimport\s*['"]/g

/** Every module that the file names in an import or re-export, also in `import()`. */
export function importsOf(source: SourceText): ImportedModule[] {
  const byOffset = new Map(source.strings.map((found) => [found.offset, found.value]))
  const imports: ImportedModule[] = []
  for (const match of source.code.matchAll(IMPORT)) {
    const offset = match.index + match[0].length - 1
    const specifier = byOffset.get(offset)
    if (specifier === undefined) continue
    const names = match[3] ?? ''
    const inner = /^\s*\{([^}]*)\}\s*$/.exec(names)?.[1]
    const allTypes =
      inner !== undefined && inner.trim() !== '' && inner.split(',').every((name) => /^\s*(type\s|$)/.test(name))
    imports.push({ specifier, typeOnly: match[2] !== undefined || allTypes, offset })
  }
  return imports
}
