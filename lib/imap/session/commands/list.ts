/**
 * LIST (RFC 9051 section 6.3.9) with the options of RFC 5258 (LIST-EXTENDED), RFC 5819 (LIST-STATUS), RFC 9590 (LIST-METADATA) and
 * RFC 6154 (SPECIAL-USE); LSUB (RFC 3501
 * section 6.3.9).
 */
import { LIST_PATTERN_BYTES_MAX, LIST_PATTERNS_MAX } from '../../limits.ts'
import { isForeign } from '../../sharing/names.ts'
import { ALL_RIGHTS } from '../../sharing/rights.ts'
import type { MailboxInfo } from '../../store.ts'
import { ListPattern } from '../../syntax/list-pattern.ts'
import { canonicalInbox, decodeName, SEPARATOR } from '../../syntax/mailbox-name.ts'
import { entryName } from '../../syntax/metadata-entries.ts'
import { specialUseAttribute } from '../../syntax/special-use.ts'
import { syntaxError } from '../../syntax/syntax-error.ts'
import type { Tokens } from '../../syntax/tokens.ts'
import { myRightsResponse } from '../access.ts'
import type { Command } from '../command.ts'
import { metadataResponse, valuesOf } from '../metadata.ts'
import { ok } from '../outcome.ts'
import type { Output } from '../output.ts'
import { asksForModSeq, type StatusItem, statusItems, statusText } from '../status-items.ts'

/** Which names are listed. */
interface Selection {
  readonly subscribed: boolean
  readonly specialUse: boolean
  /** And names above those. */
  readonly recursive: boolean
}

interface ListWish {
  /** Joined with the reference; null: the empty pattern of the plain form. */
  readonly patterns: readonly string[] | null
  readonly selection: Selection
  readonly returnsSubscribed: boolean
  /** Null: no STATUS is asked for. */
  readonly status: readonly StatusItem[] | null
  /** Names of annotations that are asked for (RFC 9590). */
  readonly metadata: readonly string[]
  /** RFC 8440. */
  readonly rights: boolean
}

export const list: Command = {
  state: 'any',
  expunges: true,
  prepare(args) {
    const wish = listArguments(args)
    args.end()
    return async (session) => {
      const { account, dialect, out } = session
      if (wish.patterns === null) {
        // RFC 9051 section 6.3.9: an empty pattern asks for the separator and the root of the reference.
        out.untagged(`LIST (\\Noselect) "${SEPARATOR}" ""`)
        return ok()
      }
      const { selection, status } = wish
      if (status !== null && asksForModSeq(status)) session.useCondstore()
      const tree = new MailboxTree(account.mailboxes(), account.subscriptions(), selection)
      const matchers = wish.patterns.map((pattern) => new ListPattern(pattern))
      const levels = wish.patterns.some((pattern) => pattern.includes('%'))
      for (const name of tree.names(levels)) {
        if (!matchers.some((matcher) => matcher.matches(name))) continue
        const info = tree.info(name)
        const attributes = tree.attributes(name, wish.returnsSubscribed)
        await line(out, 'LIST', attributes, dialect.name(name), tree.childInfo(name))
        // RFC 5819 section 2, RFC 9590 section 3, RFC 8440 section 3: only of what there is, and may be read.
        if (info !== null && wish.rights) out.untagged(myRightsResponse(session, info))
        if (info !== null && !(info.rights ?? ALL_RIGHTS).includes('r')) continue
        if (info !== null && wish.metadata.length > 0) {
          out.untagged(metadataResponse(dialect.name(name), valuesOf(wish.metadata, account.metadata(info.id))))
        }
        if (status !== null && info !== null)
          out.untagged(`STATUS ${dialect.name(name)} (${statusText(account, info, status)})`)
      }
      return ok()
    }
  },
}

/** The names that one LIST may show, and what it says of each. */
class MailboxTree {
  readonly #infos: ReadonlyMap<string, MailboxInfo>
  readonly #subscribed: ReadonlySet<string>
  readonly #selection: Selection
  readonly #parents: ReadonlySet<string>
  /** Names that have a chosen one below them. */
  readonly #above: ReadonlySet<string>

  constructor(mailboxes: readonly MailboxInfo[], subscriptions: readonly string[], selection: Selection) {
    this.#infos = new Map(mailboxes.map((info) => [info.name, info]))
    this.#subscribed = new Set(subscriptions)
    this.#selection = selection
    this.#parents = parentsOf(this.#infos.keys())
    this.#above = selection.recursive ? parentsOf([...this.#all()].filter((name) => this.#chosen(name))) : new Set()
  }

  /** Null: there is no such mailbox. */
  info(name: string): MailboxInfo | null {
    return this.#infos.get(name) ?? null
  }

  /**
   * Sorted.
   * @param levels Also names above mailboxes of other users that are none themselves: a pattern with "%" must find its way down.
   */
  names(levels = false): string[] {
    const chosen = new Set([...this.#all()].filter((name) => this.#chosen(name)))
    const above = levels ? parentsOf([...chosen].filter(isForeign)).difference(chosen) : new Set<string>()
    return [...chosen.union(this.#above).union(above)].sort()
  }

  attributes(name: string, returnsSubscribed: boolean): string[] {
    const info = this.info(name)
    const attributes = info === null ? ['\\NonExistent'] : []
    attributes.push(this.#parents.has(name) ? '\\HasChildren' : '\\HasNoChildren')
    if ((returnsSubscribed || this.#selection.subscribed) && this.#subscribed.has(name)) attributes.push('\\Subscribed')
    if (info !== null && info.specialUse !== null) attributes.push(specialUseAttribute(info.specialUse))
    return attributes
  }

  /** RFC 5258 section 3.5: by which option a name below this one was chosen. */
  childInfo(name: string): string {
    if (!this.#above.has(name)) return ''
    return ` ("CHILDINFO" ("${this.#selection.subscribed ? 'SUBSCRIBED' : 'SPECIAL-USE'}"))`
  }

  #all(): ReadonlySet<string> {
    // RFC 5258 section 3.1: with SUBSCRIBED also names whose mailbox is gone.
    return new Set([...this.#infos.keys(), ...(this.#selection.subscribed ? this.#subscribed : [])])
  }

  #chosen(name: string): boolean {
    const { subscribed, specialUse } = this.#selection
    if (subscribed && !this.#subscribed.has(name)) return false
    return !specialUse || (this.info(name)?.specialUse ?? null) !== null
  }
}

export const lsub: Command = {
  state: 'any',
  expunges: true,
  prepare(args) {
    args.space()
    const reference = decodeName(args.astring(), args.utf8)
    args.space()
    const pattern = joined(args, reference)
    args.end()
    return async ({ account, dialect, out }) => {
      if (pattern === '') {
        out.untagged(`LSUB (\\Noselect) "${SEPARATOR}" ""`)
        return ok()
      }
      const matcher = new ListPattern(pattern)
      const subscribed = new Set(account.subscriptions())
      const names = new Map<string, string[]>()
      for (const name of subscribed) {
        if (matcher.matches(name)) names.set(name, account.find(name) === null ? ['\\Noselect'] : [])
      }
      // RFC 3501 section 6.3.9: with "%" a parent stands for subscribed children that the pattern does not reach.
      if (pattern.includes('%')) {
        for (const parent of parentsOf(subscribed)) {
          if (!subscribed.has(parent) && matcher.matches(parent)) names.set(parent, ['\\Noselect'])
        }
      }
      for (const name of [...names.keys()].sort()) await line(out, 'LSUB', names.get(name) ?? [], dialect.name(name))
      return ok()
    }
  },
}

/** [SP "(" options ")"] SP reference SP (pattern / "(" patterns ")") [SP "RETURN" SP "(" options ")"]. */
function listArguments(args: Tokens): ListWish {
  args.space()
  let extended = false
  let selection: Selection = { subscribed: false, specialUse: false, recursive: false }
  if (args.peek() === '(') {
    extended = true
    selection = selectionOptions(args)
    args.space()
  }
  const reference = decodeName(args.astring(), args.utf8)
  args.space()
  let patterns: string[]
  if (args.peek() === '(') {
    extended = true
    patterns = args.list(() => joined(args, reference))
    if (patterns.length > LIST_PATTERNS_MAX) throw syntaxError(`More than ${LIST_PATTERNS_MAX} patterns`)
  } else patterns = [joined(args, reference)]
  let returnsSubscribed = false
  let status: readonly StatusItem[] | null = null
  let metadata: readonly string[] = []
  let rights = false
  if (args.trySpace()) {
    extended = true
    if (!args.tryWord('RETURN')) throw args.error('RETURN')
    args.space()
    args.list(() => {
      const option = args.word()
      if (option === 'SUBSCRIBED') returnsSubscribed = true
      else if (option === 'STATUS') {
        args.space()
        status = statusItems(args)
      } else if (option === 'METADATA') {
        args.space()
        metadata = args.list(() => entryName(args))
      } else if (option === 'MYRIGHTS') rights = true
      else if (option !== 'CHILDREN' && option !== 'SPECIAL-USE') throw syntaxError(`Unknown return option ${option}`)
    }, true)
  }
  const plainRoot = !extended && patterns[0] === ''
  return { patterns: plainRoot ? null : patterns, selection, returnsSubscribed, status, metadata, rights }
}

/** "(" [option *(SP option)] ")". */
function selectionOptions(args: Tokens): Selection {
  const options = new Set(args.list(() => args.word(), true))
  for (const option of options) {
    if (!SELECTION_OPTIONS.has(option)) throw syntaxError(`Unknown selection option ${option}`)
  }
  const subscribed = options.has('SUBSCRIBED')
  const specialUse = options.has('SPECIAL-USE')
  const recursive = options.has('RECURSIVEMATCH')
  // RFC 5258 section 3: it modifies an option, it is none by itself.
  if (recursive && !subscribed && !specialUse) throw syntaxError('RECURSIVEMATCH needs SUBSCRIBED or SPECIAL-USE')
  return { subscribed, specialUse, recursive }
}

/** There are no remote mailboxes, so REMOTE adds none. */
const SELECTION_OPTIONS: ReadonlySet<string> = new Set(['SUBSCRIBED', 'REMOTE', 'RECURSIVEMATCH', 'SPECIAL-USE'])

/** list-mailbox behind `reference`, as one pattern; '' if it is empty. */
function joined(args: Tokens, reference: string): string {
  const pattern = decodeName(args.listMailbox(), args.utf8)
  if (reference.length + pattern.length > LIST_PATTERN_BYTES_MAX) {
    throw syntaxError(`Pattern is longer than ${LIST_PATTERN_BYTES_MAX} characters`)
  }
  return pattern === '' ? '' : canonicalInbox(reference + pattern)
}

/** Every name that has another one below it. */
function parentsOf(names: Iterable<string>): Set<string> {
  const parents = new Set<string>()
  for (const name of names) {
    for (let at = name.lastIndexOf(SEPARATOR); at > 0; at = name.lastIndexOf(SEPARATOR, at - 1)) {
      const parent = name.slice(0, at)
      if (parents.has(parent)) break
      parents.add(parent)
    }
  }
  return parents
}

/** @param name As the client reads it. */
async function line(
  out: Output,
  kind: 'LIST' | 'LSUB',
  attributes: readonly string[],
  name: string,
  extended = '',
): Promise<void> {
  out.untagged(`${kind} (${attributes.join(' ')}) "${SEPARATOR}" ${name}${extended}`)
  if (out.congested) await out.ready()
}
