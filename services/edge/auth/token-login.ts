/**
 * OAUTHBEARER (RFC 7628) and XOAUTH2 (its older form by Google, which most clients speak): a token of the issuer instead of a password. After
 * a refusal the client is told where to get a new one, says one empty thing more, and then hears that the login failed.
 */
import type { Directory } from '#lib/directory/port.ts'
import type { TokenVerifier } from './oidc.ts'
import type { LoginVerdict } from './password-gate.ts'
import type { ExchangeStep, SaslExchange } from './sasl-exchange.ts'

export const OAUTHBEARER = 'OAUTHBEARER'
export const XOAUTH2 = 'XOAUTH2'

export interface TokenLoginOptions {
  readonly mechanism: typeof OAUTHBEARER | typeof XOAUTH2
  readonly tokens: TokenVerifier
  readonly directory: Pick<Directory, 'lookup'>
}

export interface TokenMessage {
  /** As whom the client wants to be logged in; empty: whoever the token speaks for. */
  readonly user: string
  readonly token: string
}

export class TokenLogin implements SaslExchange {
  readonly #options: TokenLoginOptions
  #login = ''
  #refused = false

  constructor(options: TokenLoginOptions) {
    this.#options = options
  }

  async next(message: Buffer): Promise<ExchangeStep> {
    const { mechanism, tokens } = this.#options
    if (this.#refused) return this.#over({ kind: 'denied' })
    const said = parseTokenMessage(mechanism, message)
    if (said === null) return this.#over({ kind: 'denied' })
    this.#login = said.user
    const address = await tokens.verify(said.token)
    const verdict: LoginVerdict = address === null ? { kind: 'denied' } : await this.#accountOf(address, said.user)
    if (verdict.kind !== 'denied') return this.#over(verdict)
    this.#refused = true
    const why = { status: 'invalid_token', schemes: 'bearer', 'openid-configuration': tokens.configurationUrl }
    return { kind: 'challenge', bytes: Buffer.from(JSON.stringify(why)) }
  }

  async #accountOf(address: string, user: string): Promise<LoginVerdict> {
    const { directory } = this.#options
    const found = await directory.lookup(address)
    // Not what catches all, nor somebody's +detail: the address itself.
    if (found.kind !== 'account' || found.detail !== null || !isCalled(found.account, address))
      return { kind: 'denied' }
    if (user === '') this.#login = address
    else {
      const wanted = await directory.lookup(user)
      if (wanted.kind !== 'account' || wanted.account.id !== found.account.id) return { kind: 'denied' }
    }
    return found.account.status === 'active' ? { kind: 'ok', account: found.account } : { kind: 'suspended' }
  }

  #over(verdict: LoginVerdict): ExchangeStep {
    return { kind: 'over', login: this.#login, verdict }
  }
}

function isCalled(
  account: { readonly address: string; readonly aliases: readonly string[] },
  address: string,
): boolean {
  const wanted = address.toLowerCase()
  return account.address === wanted || account.aliases.includes(wanted)
}

// RFC 7628 section 3.1: gs2-header kvsep *kvpair kvsep; kvsep = %x01. XOAUTH2 has `user=` in the place of the header.
const BEARER_HEAD = /^[ny],(?:a=([^,]*))?,$/
const XOAUTH2_HEAD = /^user=(.*)$/s
const BEARER = /^auth=bearer +([A-Za-z0-9\-._~+/]+=*)$/i

/** Null: malformed. */
export function parseTokenMessage(mechanism: TokenLoginOptions['mechanism'], message: Buffer): TokenMessage | null {
  const [head = '', ...pairs] = message.toString('utf8').split('\u0001')
  const match = (mechanism === OAUTHBEARER ? BEARER_HEAD : XOAUTH2_HEAD).exec(head)
  const tokens = pairs.flatMap((pair) => BEARER.exec(pair)?.[1] ?? [])
  const [token] = tokens
  if (match === null || token === undefined || tokens.length > 1) return null
  // Two kvsep end it.
  if (pairs.at(-1) !== '' || pairs.at(-2) !== '') return null
  const user = (match[1] ?? '').replaceAll('=2C', ',').replaceAll('=3D', '=')
  return { user, token }
}
