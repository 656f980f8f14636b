/** LIST (RFC 9051 section 6.3.9, attributes of RFC 3348 and RFC 6154) and LSUB (RFC 3501 section 6.3.9). */
import { LIST_PATTERN_BYTES_MAX } from '../../limits.ts'
import type { MailboxInfo } from '../../store.ts'
import { ListPattern } from '../../syntax/list-pattern.ts'
import { canonicalInbox, decodeName, SEPARATOR, wireName } from '../../syntax/mailbox-name.ts'
import { specialUseAttribute } from '../../syntax/special-use.ts'
import { syntaxError } from '../../syntax/syntax-error.ts'
import type { Tokens } from '../../syntax/tokens.ts'
import type { Command } from '../command.ts'
import { ok } from '../outcome.ts'
import type { Output } from '../output.ts'

export const list: Command = {
  state: 'any',
  expunges: true,
  prepare(args) {
    const pattern = patternArgument(args)
    args.end()
    return async ({ account, out }) => {
      if (pattern === null) {
        // RFC 9051 section 6.3.9: an empty pattern asks for the separator and the root of the reference.
        out.untagged(`LIST (\\Noselect) "${SEPARATOR}" ""`)
        return ok()
      }
      const mailboxes = account.mailboxes()
      const parents = parentsOf(mailboxes.map((mailbox) => mailbox.name))
      const matcher = new ListPattern(pattern)
      for (const mailbox of mailboxes) {
        if (matcher.matches(mailbox.name)) await line(out, 'LIST', attributes(mailbox, parents), mailbox.name)
      }
      return ok()
    }
  },
}

export const lsub: Command = {
  state: 'any',
  expunges: true,
  prepare(args) {
    const pattern = patternArgument(args)
    args.end()
    return async ({ account, out }) => {
      if (pattern === null) {
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
      for (const name of [...names.keys()].sort()) await line(out, 'LSUB', names.get(name) ?? [], name)
      return ok()
    }
  },
}

/** SP reference SP pattern, joined; null if the pattern is empty. */
function patternArgument(args: Tokens): string | null {
  args.space()
  const reference = decodeName(args.astring())
  args.space()
  const pattern = decodeName(args.listMailbox())
  if (reference.length + pattern.length > LIST_PATTERN_BYTES_MAX) {
    throw syntaxError(`Pattern is longer than ${LIST_PATTERN_BYTES_MAX} characters`)
  }
  return pattern === '' ? null : canonicalInbox(reference + pattern)
}

function attributes(mailbox: MailboxInfo, parents: ReadonlySet<string>): string[] {
  const names = [parents.has(mailbox.name) ? '\\HasChildren' : '\\HasNoChildren']
  if (mailbox.specialUse !== null) names.push(specialUseAttribute(mailbox.specialUse))
  return names
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

async function line(out: Output, kind: 'LIST' | 'LSUB', names: readonly string[], mailbox: string): Promise<void> {
  out.untagged(`${kind} (${names.join(' ')}) "${SEPARATOR}" ${wireName(mailbox)}`)
  if (out.congested) await out.ready()
}
