/**
 * Parameters of Content-Type and Content-Disposition: RFC 2045 section 5.1 with what senders make of it (spaces and specials
 * without quotes, missing semicolons), and RFC 2231: continuations, charsets.
 */
import type { Budget } from './budget.ts'
import { decodeCharset } from './charset.ts'
import { Lexer } from './lexer.ts'
import { PARAMETERS_MAX } from './limits.ts'
import type { Parameter } from './types.ts'

/** The value of a parameter; of the same parameter in plain and in RFC 2231 form the latter, as the more exact. */
export function parameter(params: readonly Parameter[], name: string): string | null {
  const same = params.filter((param) => param.name === name)
  return (same.find((param) => param.wireName.endsWith('*')) ?? same[0])?.value ?? null
}

interface Piece {
  readonly name: string
  /** Number of a continuation; null for a parameter in one piece. */
  readonly index: number | null
  readonly encoded: boolean
  readonly value: string
}

/** @param text What follows the type, from its semicolon on. */
export function parseParameters(text: string, budget: Budget): Parameter[] {
  const params: Parameter[] = []
  const groups = new Map<string, { pieces: Map<number, Piece>; at: number }>()
  for (const piece of pieces(text)) {
    if (!budget.take()) break
    if (piece.index === null) {
      params.push(assemble(piece.name, [piece]))
      continue
    }
    let group = groups.get(piece.name)
    if (group === undefined) {
      group = { pieces: new Map(), at: params.length }
      groups.set(piece.name, group)
      params.push({ name: piece.name, value: '', wireName: piece.name, wireValue: '' })
    }
    if (!group.pieces.has(piece.index)) group.pieces.set(piece.index, piece)
  }
  for (const [name, group] of groups) {
    const inOrder: Piece[] = []
    const first = group.pieces.has(0) ? 0 : 1 // RFC 2231 section 3 counts from 0; some senders from 1
    for (let i = first; ; i++) {
      const piece = group.pieces.get(i)
      if (piece === undefined) break
      inOrder.push(piece)
    }
    params[group.at] = assemble(name, inOrder)
  }
  return params
}

const NAME = /^([^*]+)(?:\*(\d{1,4}))?(\*)?$/

function* pieces(text: string): Generator<Piece> {
  const lexer = new Lexer(text, ';=')
  for (let count = 0; count < PARAMETERS_MAX; count++) {
    let name = ''
    let token = lexer.next()
    for (; token !== null; token = lexer.next()) {
      if (token.kind === 'special' && (token.text === '=' || (token.text === ';' && name !== ''))) break
      if (token.kind === 'word') name = token.text // of several words the last: a semicolon was forgotten
    }
    if (token === null) return
    if (token.text === ';' || name === '') {
      if (token.text === '=') value(lexer)
      continue
    }
    const parts = NAME.exec(name.toLowerCase())
    const content = value(lexer)
    if (parts === null) yield { name: name.toLowerCase(), index: null, encoded: false, value: content }
    else {
      const [, base = '', index, star] = parts
      yield {
        name: base,
        index: index === undefined ? null : Number(index),
        encoded: star !== undefined,
        value: content,
      }
    }
  }
}

/** A quoted string, or everything up to the semicolon but comments. */
function value(lexer: Lexer): string {
  let text = ''
  let quoted = false
  for (let token = lexer.next(); token !== null; token = lexer.next()) {
    if (token.kind === 'special' && token.text === ';') break
    if (token.kind === 'comment' || quoted) continue
    if (token.kind === 'quoted' && text === '') {
      quoted = true
      text = token.text
    } else text += (token.spaced && text !== '' ? ' ' : '') + token.text
  }
  // a quote that is never closed
  return !quoted && text.startsWith('"') ? text.slice(1) : text
}

function assemble(name: string, inOrder: readonly Piece[]): Parameter {
  if (!inOrder.some((piece) => piece.encoded)) {
    const plain = inOrder.map((piece) => piece.value).join('')
    return { name, value: plain, wireName: name, wireValue: plain }
  }
  let charset = ''
  let decoded = ''
  let wire = ''
  let bytes: Buffer[] = []
  const flush = () => {
    if (bytes.length > 0) decoded += decodeCharset(Buffer.concat(bytes), charset)
    bytes = []
  }
  for (const [i, piece] of inOrder.entries()) {
    let text = piece.value
    if (i === 0 && !piece.encoded) wire = "''" // only the first piece can name a charset (RFC 2231 section 4.1)
    if (piece.encoded) {
      if (i === 0) {
        const named = /^([^']*)'([^']*)'/.exec(text)
        charset = named?.[1] ?? ''
        wire = named?.[0] ?? "''"
        text = text.slice(named?.[0].length ?? 0)
      }
      wire += text
      bytes.push(percentBytes(text))
    } else {
      flush()
      wire += encodeURIComponent(text.toWellFormed()).replace(/['*()]/g, (c) => `%${c.charCodeAt(0).toString(16)}`)
      decoded += text
    }
  }
  flush()
  return { name, value: decoded.replace(/[\r\n\0]/g, ' '), wireName: `${name}*`, wireValue: wire }
}

function percentBytes(text: string): Buffer {
  const parts: Buffer[] = []
  let from = 0
  for (const match of text.matchAll(/(?:%[0-9a-f]{2})+/gi)) {
    parts.push(Buffer.from(text.slice(from, match.index)), Buffer.from(match[0].replaceAll('%', ''), 'hex'))
    from = match.index + match[0].length
  }
  parts.push(Buffer.from(text.slice(from)))
  return Buffer.concat(parts)
}
