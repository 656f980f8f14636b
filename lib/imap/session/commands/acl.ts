/** SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS (RFC 4314 section 3). */
import { ACL_IDENTIFIER_BYTES_MAX } from '../../limits.ts'
import { astring, binaryString } from '../../response/strings.ts'
import { ALL_RIGHTS, parseRights, shownRights, unionRights, withoutRights } from '../../sharing/rights.ts'
import type { AccessControl } from '../../store.ts'
import { mailboxArgument } from '../../syntax/mailbox-name.ts'
import { refusal, syntaxError } from '../../syntax/syntax-error.ts'
import type { Tokens } from '../../syntax/tokens.ts'
import { myRightsResponse } from '../access.ts'
import type { Command } from '../command.ts'
import type { SessionContext } from '../context.ts'
import { bad, no, type Outcome, ok } from '../outcome.ts'

/** A change of rights as SETACL says it. */
interface RightsChange {
  readonly sign: '+' | '-' | ''
  readonly rights: string
}

export const getAcl = onShared(
  () => undefined,
  ({ out, dialect }, access, name) => {
    const owner = { identifier: access.owner(name), rights: ALL_RIGHTS }
    const grants = [owner, ...access.grants(name)]
    const texts = grants.map(({ identifier, rights }) => `${astring(binaryString(identifier))} ${shownRights(rights)}`)
    out.untagged(`ACL ${dialect.name(name)} ${texts.join(' ')}`)
    return ok()
  },
)

export const setAcl = onShared(
  (args) => {
    const identifier = identifierArgument(args)
    args.space()
    return { identifier, change: rightsChange(args.astring()) }
  },
  async (_session, access, name, { identifier, change }) => {
    const before = access.grants(name).find((grant) => grant.identifier === identifier)?.rights ?? ''
    await access.grant(name, identifier, changed(before, change))
    return ok()
  },
)

export const deleteAcl = onShared(identifierArgument, async (_session, access, name, identifier) => {
  await access.grant(name, identifier, '')
  return ok()
})

export const listRights = onShared(identifierArgument, ({ out, dialect }, access, name, identifier) => {
  access.grants(name) // only for who may ask
  // RFC 4314 section 3.7: what somebody has in any case, then what goes together; here every right may be given alone.
  const owner = identifier === access.owner(name)
  const required = owner ? shownRights(ALL_RIGHTS) : '""'
  const optional = owner ? [] : [...shownRights(ALL_RIGHTS)]
  out.untagged(['LISTRIGHTS', dialect.name(name), astring(binaryString(identifier)), required, ...optional].join(' '))
  return ok()
})

export const myRights = onShared(
  () => undefined,
  (session, _access, name) => {
    const info = session.account.find(name)
    if (info === null) return no('NONEXISTENT', 'No such mailbox')
    session.out.untagged(myRightsResponse(session, info))
    return ok()
  },
)

/** @param rest Reads what follows the name of the mailbox, from behind its space; of a command that ends there, nothing */
function onShared<T>(
  rest: (args: Tokens) => T,
  run: (session: SessionContext, access: AccessControl, name: string, given: T) => Outcome | Promise<Outcome>,
): Command {
  return {
    state: 'any',
    expunges: true,
    prepare(args) {
      args.space()
      const name = mailboxArgument(args)
      if (!args.atEnd()) args.space()
      const given = rest(args)
      args.end()
      return (session) => {
        const { access } = session.account
        if (access === undefined) return bad('Mailboxes are not shared here')
        if (access.rights(name) === null) return no('NONEXISTENT', 'No such mailbox')
        return run(session, access, name, given)
      }
    },
  }
}

/** An address, or `anyone`. */
function identifierArgument(args: Tokens): string {
  const identifier = Buffer.from(args.astring(), 'latin1').toString('utf8').toLowerCase()
  if (identifier.length > ACL_IDENTIFIER_BYTES_MAX) throw refusal('CANNOT', 'Identifier is too long')
  // RFC 4314 section 2: negative rights are optional, and groups are not known here.
  if (identifier !== 'anyone' && !/^[^-\s/$@][^\s/@]*@[^\s/@]+$/.test(identifier)) {
    throw refusal('CANNOT', 'Identifier must be an address or "anyone"')
  }
  return identifier
}

function rightsChange(text: string): RightsChange {
  const [, sign = '', letters = ''] = /^([+-]?)(.*)$/s.exec(text) ?? []
  const rights = parseRights(letters)
  // RFC 4314 section 3.1: an unknown right is BAD.
  if (rights === null) throw syntaxError('Unknown right')
  return { sign: sign === '+' || sign === '-' ? sign : '', rights }
}

function changed(before: string, { sign, rights }: RightsChange): string {
  switch (sign) {
    case '+':
      return unionRights(before, rights)
    case '-':
      return withoutRights(before, rights)
    default:
      return rights
  }
}
