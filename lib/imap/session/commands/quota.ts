/** GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208 section 4.1). Limits are for the operator to set: QUOTASET is not announced. */
import { isForeign } from '../../sharing/names.ts'
import type { Command } from '../command.ts'
import { no, ok } from '../outcome.ts'
import { quotaResponse } from '../quota.ts'
import { onMailbox } from './shapes.ts'

export const getQuota: Command = {
  state: 'any',
  expunges: true,
  prepare(args) {
    args.space()
    const root = args.astring()
    args.end()
    return ({ account, out }) => {
      if (root !== '') return no('NONEXISTENT', 'No such quota root')
      out.untagged(quotaResponse(account.quota()))
      return ok()
    }
  },
}

export const getQuotaRoot = onMailbox(({ account, dialect, out }, name) => {
  // RFC 9208 section 4.1.3: the name may be of a mailbox that is still to come.
  if (isForeign(name)) {
    // What it weighs is the owner's business.
    out.untagged(`QUOTAROOT ${dialect.name(name)}`)
    return ok()
  }
  out.untagged(`QUOTAROOT ${dialect.name(name)} ""`)
  out.untagged(quotaResponse(account.quota()))
  return ok()
})

export const setQuota: Command = {
  state: 'any',
  expunges: true,
  prepare(args) {
    args.space()
    args.astring()
    args.space()
    args.list(() => {
      args.word()
      args.space()
      args.number64()
    }, true)
    args.end()
    return () => no('NOPERM', 'The quota is set by the operator')
  },
}
