/** Parameters of SELECT and EXAMINE (RFC 4466 section 2.1): CONDSTORE and QRESYNC (RFC 7162 sections 3.1.8 and 3.2.5). */
import type { ModSeq } from '#lib/mail/types.ts'
import { SequenceSet } from './sequence-set.ts'
import { syntaxError } from './syntax-error.ts'
import type { Tokens } from './tokens.ts'

/** What a client knows of a mailbox from an earlier session. */
export interface KnownState {
  readonly uidValidity: number
  readonly modSeq: ModSeq
  /** Null: all that were there. */
  readonly uids: SequenceSet | null
  /** The client sent pairs of sequence numbers and UIDs: needed only by servers that forget expunges, which this one does not. */
  readonly hasMatchData: boolean
}

export interface SelectParameters {
  readonly condstore: boolean
  readonly known: KnownState | null
}

/** [SP "(" parameter *(SP parameter) ")"]. */
export function selectParameters(args: Tokens): SelectParameters {
  let condstore = false
  let known: KnownState | null = null
  if (args.trySpace()) {
    args.list(() => {
      const name = args.word()
      if (name === 'CONDSTORE' && !condstore) condstore = true
      else if (name === 'QRESYNC' && known === null) {
        args.space()
        known = knownState(args)
      } else throw syntaxError(`Parameter ${name} is unknown, or given twice`)
    })
  }
  return { condstore, known }
}

/** "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP "(" numbers SP UIDs ")"] ")". */
function knownState(args: Tokens): KnownState {
  args.open()
  const uidValidity = args.positive()
  args.space()
  const modSeq = args.modSeq()
  let uids: SequenceSet | null = null
  let hasMatchData = false
  while (args.trySpace()) {
    if (hasMatchData) throw args.error('")"')
    if (args.tryOpen()) {
      numbers(args)
      args.space()
      numbers(args)
      if (!args.tryClose()) throw args.error('")"')
      hasMatchData = true
    } else if (uids === null) uids = numbers(args)
    else throw args.error('"("')
  }
  if (!args.tryClose()) throw args.error('")"')
  return { uidValidity, modSeq, uids, hasMatchData }
}

/** sequence-set without "*" and "$" (RFC 7162 section 7: known-uids). */
function numbers(args: Tokens): SequenceSet {
  const set = SequenceSet.parse(args)
  if (set.hasStar || set.saved) throw syntaxError('Known UIDs must be numbers')
  return set
}
