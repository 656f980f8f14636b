/** What may follow the items of FETCH, and the set of STORE, in parentheses (RFC 4466 section 2.4): RFC 7162, RFC 9394. */
import type { ModSeq } from '#lib/mail/types.ts'
import { type PartialRange, partialRange } from './search-return.ts'
import { syntaxError } from './syntax-error.ts'
import type { Tokens } from './tokens.ts'

export interface FetchModifiers {
  /** RFC 7162 section 3.1.4.1: only messages changed after this. */
  readonly changedSince: ModSeq | null
  /** RFC 7162 section 3.2.6: and what was expunged since. */
  readonly vanished: boolean
  readonly partial: PartialRange | null
}

/** [SP "(" modifier *(SP modifier) ")"]. */
export function fetchModifiers(args: Tokens): FetchModifiers {
  let changedSince: ModSeq | null = null
  let vanished = false
  let partial: PartialRange | null = null
  if (args.trySpace()) {
    const seen = new Set<string>()
    args.list(() => {
      const name = args.word()
      if (seen.has(name)) throw syntaxError(`${name} is given twice`)
      seen.add(name)
      if (name === 'VANISHED') vanished = true
      else if (name === 'CHANGEDSINCE') {
        args.space()
        changedSince = args.modSeq()
      } else if (name === 'PARTIAL') partial = partialRange(args)
      else throw syntaxError(`Unknown fetch modifier ${name}`)
    })
  }
  return { changedSince, vanished, partial }
}

/** ["(" "UNCHANGEDSINCE" SP mod-sequence-valzer ")" SP], or null. */
export function storeModifiers(args: Tokens): ModSeq | null {
  if (args.peek() !== '(') return null
  const values = args.list(() => {
    if (!args.tryWord('UNCHANGEDSINCE')) throw args.error('UNCHANGEDSINCE')
    args.space()
    return args.modSeq()
  })
  if (values.length > 1) throw syntaxError('UNCHANGEDSINCE is given twice')
  args.space()
  return values[0] ?? null
}
