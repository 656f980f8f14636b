/** Demo accounts through the command stream that real arrays use: what works here works there. */
import { CodedError } from '#lib/errors/coded-error.ts'
import type { ProvisioningClient } from '#lib/events/provisioning.ts'
import type { AccountMaker } from './array.ts'

export class AccountRefused extends CodedError<'ACCOUNT_REFUSED'> {
  override readonly name = 'AccountRefused'
}

export function createAccountMaker(client: ProvisioningClient): AccountMaker {
  return {
    async create(account, quotaBytes, timeoutMs) {
      const { address, password, displayName, locale, home, aliases } = account
      const result = await client.createAccount(
        { address, password, quotaBytes, locale, home, aliases, ...(displayName === '' ? {} : { displayName }) },
        { timeoutMs },
      )
      if (!result.ok) throw new AccountRefused('ACCOUNT_REFUSED', `${result.code}: ${result.message}`)
      return result.account?.home ?? ''
    },
  }
}
