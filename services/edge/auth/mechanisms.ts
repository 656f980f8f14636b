/** Which SASL mechanisms a connection is offered beside passwords, and the exchange of each. */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Directory } from '#lib/directory/port.ts'
import type { Random } from '#lib/ports/random.ts'
import type { TokenVerifier } from './oidc.ts'
import type { SaslExchange } from './sasl-exchange.ts'
import { channelBinding, SCRAM, SCRAM_PLUS, ScramLogin } from './scram-login.ts'
import { OAUTHBEARER, TokenLogin, XOAUTH2 } from './token-login.ts'

export interface MechanismOptions {
  /** SCRAM is offered: every account has keys in the directory. */
  readonly scram: boolean
  /** Null: no issuer, so no logins by token. */
  readonly tokens: TokenVerifier | null
  readonly directory: Directory
  readonly random: Random
}

/** The best first. -PLUS needs a TLS connection that we end, of a version that can be bound to. */
export function offeredMechanisms({ scram, tokens }: MechanismOptions, socket: Socket): readonly string[] {
  const offered: string[] = []
  if (scram) offered.push(...(bindingOf(socket) === null ? [SCRAM] : [SCRAM_PLUS, SCRAM]))
  if (tokens !== null) offered.push(OAUTHBEARER, XOAUTH2)
  return offered
}

/** @param mechanism One of those that were offered. */
export function beginExchange(mechanism: string, options: MechanismOptions, socket: Socket): SaslExchange {
  const { tokens, directory, random } = options
  if (tokens !== null && (mechanism === OAUTHBEARER || mechanism === XOAUTH2)) {
    return new TokenLogin({ mechanism, tokens, directory })
  }
  const plus = mechanism === SCRAM_PLUS
  return new ScramLogin({ mechanism: plus ? SCRAM_PLUS : SCRAM, binding: bindingOf(socket), directory, random })
}

function bindingOf(socket: Socket): Buffer | null {
  return socket instanceof TLSSocket ? channelBinding(socket) : null
}
