/**
 * SCRAM-SHA-256 and -PLUS (RFC 5802, RFC 7677) against the directory's keys. An unknown name, a wrong password and a malformed message
 * end alike: denied. A suspended account is told so only after the proof.
 */
import type { TLSSocket } from 'node:tls'
import type { Directory, DirectoryAccount } from '#lib/directory/port.ts'
import { type Random, randomId } from '#lib/ports/random.ts'
import { type ClientFirst, parseClientFirst, ScramExchange } from '#lib/sasl/scram.ts'
import type { ExchangeStep, SaslExchange } from './sasl-exchange.ts'

export const SCRAM = 'SCRAM-SHA-256'
export const SCRAM_PLUS = 'SCRAM-SHA-256-PLUS'

const NONCE_CHARS = 24
const BINDING_TYPE = 'tls-exporter'
/** RFC 9266 section 2. */
const EXPORTER_LABEL = 'EXPORTER-Channel-Binding'
const EXPORTER_BYTES = 32

/** What ties a proof to this connection (RFC 9266); null where that is not safe: before TLS 1.3. */
export function channelBinding(socket: TLSSocket): Buffer | null {
  if (socket.getProtocol() !== 'TLSv1.3') return null
  return socket.exportKeyingMaterial(EXPORTER_BYTES, EXPORTER_LABEL, Buffer.alloc(0))
}

export interface ScramLoginOptions {
  readonly mechanism: typeof SCRAM | typeof SCRAM_PLUS
  /** Of the connection; null: -PLUS was not offered on it. */
  readonly binding: Buffer | null
  readonly directory: Pick<Directory, 'scramKeys'>
  readonly random: Random
}

type State =
  | { readonly kind: 'first' }
  | { readonly kind: 'final'; readonly exchange: ScramExchange; readonly account: DirectoryAccount | null }
  | { readonly kind: 'proven'; readonly account: DirectoryAccount }

export class ScramLogin implements SaslExchange {
  readonly #options: ScramLoginOptions
  #state: State = { kind: 'first' }
  #login = ''

  constructor(options: ScramLoginOptions) {
    this.#options = options
  }

  async next(message: Buffer): Promise<ExchangeStep> {
    const state = this.#state
    switch (state.kind) {
      case 'first':
        return this.#first(message)
      case 'final': {
        const verdict = state.exchange.finish(message)
        if (verdict.kind !== 'ok' || state.account === null) return this.#denied()
        this.#state = { kind: 'proven', account: state.account }
        return { kind: 'challenge', bytes: Buffer.from(verdict.serverFinal) }
      }
      case 'proven': {
        // RFC 5802 section 5: the client checks our signature and has nothing more to say.
        if (message.length > 0) return this.#denied()
        const { account } = state
        const verdict =
          account.status === 'active' ? ({ kind: 'ok', account } as const) : ({ kind: 'suspended' } as const)
        return { kind: 'over', login: this.#login, verdict }
      }
      default:
        return state satisfies never
    }
  }

  async #first(message: Buffer): Promise<ExchangeStep> {
    const { mechanism, binding, directory, random } = this.#options
    const first = parseClientFirst(message, { plus: mechanism === SCRAM_PLUS, plusOffered: binding !== null })
    if (first === null || !mayBegin(first)) return this.#denied()
    this.#login = first.user
    const { account, keys } = await directory.scramKeys(first.user)
    const covered = first.binding === null || binding === null ? new Uint8Array() : binding
    const exchange = new ScramExchange(first, keys, randomId(random, NONCE_CHARS), covered)
    this.#state = { kind: 'final', exchange, account }
    return { kind: 'challenge', bytes: Buffer.from(exchange.challenge) }
  }

  #denied(): ExchangeStep {
    return { kind: 'over', login: this.#login, verdict: { kind: 'denied' } }
  }
}

/** Nobody acts for another account here; other kinds of binding are not offered. */
function mayBegin({ user, authzid, binding }: ClientFirst): boolean {
  return (authzid === null || authzid === user) && (binding === null || binding === BINDING_TYPE)
}
