/** Demo accounts through the command stream that real arrays use: what works here works there. */
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'
import type { ProvisioningClient } from '#lib/events/provisioning.ts'
import type { AccountMaker } from './array.ts'

export const ACCOUNT_ERRORS = {
  ACCOUNT_REFUSED: {
    retry: false,
    meaning: 'Provisioning refused an account of the AccountList; the message has its reason.',
  },
} as const satisfies Record<string, ErrorSpec>

export class AccountRefused extends CodedError<keyof typeof ACCOUNT_ERRORS> {
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
