/**
 * GETMETADATA and SETMETADATA (RFC 5464 section 4). An account has one user, so /private and /shared are kept alike; /shared of the
 * server as a whole is the operator's, and empty.
 */
import { METADATA_ENTRIES_MAX } from '../../limits.ts'
import type { MetadataChange } from '../../store.ts'
import { decodeName } from '../../syntax/mailbox-name.ts'
import { entryName, entryNames } from '../../syntax/metadata-entries.ts'
import { syntaxError } from '../../syntax/syntax-error.ts'
import type { Tokens } from '../../syntax/tokens.ts'
import type { Command } from '../command.ts'
import type { SessionContext } from '../context.ts'
import { metadataResponse } from '../metadata.ts'
import { no, ok } from '../outcome.ts'

interface GetOptions {
  /** Larger values are left out. */
  readonly maxSize: number
  /** Levels below those named that are answered too. */
  readonly depth: number
}

export const getMetadata: Command = {
  state: 'any',
  expunges: true,
  prepare(args) {
    args.space()
    let options = getOptions(args)
    if (options !== null) args.space()
    const mailbox = decodeName(args.astring(), args.utf8)
    args.space()
    // RFC 5464 has the options in front; the clients of its draft write them here.
    if (options === null) {
      options = getOptions(args, true)
      if (options !== null) args.space()
    }
    const { maxSize, depth } = options ?? NO_OPTIONS
    const names = entryNames(args)
    args.end()
    return (session) => {
      const id = mailboxId(session, mailbox)
      if (id === undefined) return no('NONEXISTENT', 'No such mailbox')
      const found = session.account
        .metadata(id)
        .filter(({ name }) => names.some((asked) => reaches(asked, name, depth)))
      const short = found.filter(({ value }) => value.byteLength <= maxSize)
      // What was named alone is answered in any case; of a whole subtree only what is there.
      const absent = depth > 0 ? [] : names.filter((name) => !found.some((entry) => entry.name === name))
      const answered = [...short, ...absent.map((name) => ({ name, value: null }))]
      if (answered.length > 0) session.out.untagged(metadataResponse(session.dialect.name(mailbox), answered))
      const longest = Math.max(...found.map(({ value }) => value.byteLength))
      return longest > maxSize ? ok('Some values are longer', `METADATA LONGENTRIES ${longest}`) : ok()
    }
  },
}

export const setMetadata: Command = {
  state: 'any',
  expunges: true,
  prepare(args) {
    args.space()
    const mailbox = decodeName(args.astring(), args.utf8)
    args.space()
    const changes = new Map<string, Buffer | null>()
    args.list(() => {
      const name = entryName(args)
      args.space()
      changes.set(name, args.bytesOrNil())
    })
    args.end()
    if (changes.size > METADATA_ENTRIES_MAX) throw syntaxError(`More than ${METADATA_ENTRIES_MAX} entries`)
    const entries: MetadataChange[] = [...changes].map(([name, value]) => ({ name, value }))
    return async (session) => {
      const { account } = session
      const id = mailboxId(session, mailbox)
      if (id === undefined) return no('NONEXISTENT', 'No such mailbox')
      if (id === null && entries.some(({ name }) => name.startsWith('/shared'))) {
        return no('NOPERM', 'Shared entries of the server are set by the operator')
      }
      const max = account.metadataValueBytesMax
      if (entries.some(({ value }) => (value?.byteLength ?? 0) > max)) {
        return no(`METADATA MAXSIZE ${max}`, `A value has at most ${max} bytes`) // RFC 5464 section 4.3
      }
      await account.setMetadata(id, entries)
      return ok()
    }
  },
}

/** Null: the account as a whole, whose name is empty. Undefined: no such mailbox. */
function mailboxId({ account }: SessionContext, name: string) {
  return name === '' ? null : account.find(name)?.id
}

/** Whether an annotation called `name` answers a question for `asked` that reaches `depth` levels down. */
function reaches(asked: string, name: string, depth: number): boolean {
  if (name === asked) return true
  if (!name.startsWith(`${asked}/`)) return false
  return name.slice(asked.length + 1).split('/').length <= depth
}

const NO_OPTIONS: GetOptions = { maxSize: Number.POSITIVE_INFINITY, depth: 0 }

/** "(" option *(SP option) ")", or null. @param orEntries The list may be one of entries, whose names begin with a slash */
function getOptions(args: Tokens, orEntries = false): GetOptions | null {
  if (args.peek() !== '(') return null
  if (orEntries && !args.startsWith('(MAXSIZE ') && !args.startsWith('(DEPTH ')) return null
  let { maxSize, depth } = NO_OPTIONS
  args.list(() => {
    const option = args.word()
    args.space()
    if (option === 'MAXSIZE') maxSize = args.number()
    else if (option === 'DEPTH') depth = depthArgument(args)
    else throw syntaxError(`Unknown option ${option}`)
  })
  return { maxSize, depth }
}

function depthArgument(args: Tokens): number {
  const word = args.word()
  if (word === 'INFINITY') return Number.POSITIVE_INFINITY
  if (word !== '0' && word !== '1') throw syntaxError('DEPTH is 0, 1 or infinity')
  return Number(word)
}
