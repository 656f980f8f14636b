/** A SCRAM-SHA-256 client made from the formulas of RFC 5802, to check servers against. */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'

const hmac = (key: Uint8Array, text: string) => createHmac('sha256', key).update(text).digest()

export class ScramClient {
  readonly #password: string
  readonly #gs2: string
  readonly #bindingData: Uint8Array
  readonly #bare: string
  #serverFinal = ''

  /** @param binding Type and data of a channel binding, for -PLUS. @param flag Without binding: `n`, or `y` to look for a downgrade. */
  constructor(
    user: string,
    password: string,
    binding: { readonly type: string; readonly data: Uint8Array } | null = null,
    flag: 'n' | 'y' = 'n',
  ) {
    this.#password = password
    this.#gs2 = binding === null ? `${flag},,` : `p=${binding.type},,`
    this.#bindingData = binding?.data ?? new Uint8Array()
    this.#bare = `n=${user.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=fyko+d2lbbFgONRv9qkxdawL`
  }

  first(): string {
    return this.#gs2 + this.#bare
  }

  final(challenge: string): string {
    const [, nonce = '', salt = '', iterations = ''] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(challenge) ?? []
    const salted = pbkdf2Sync(this.#password, Buffer.from(salt, 'base64'), Number(iterations), 32, 'sha256')
    const clientKey = hmac(salted, 'Client Key')
    const covered = Buffer.concat([Buffer.from(this.#gs2), this.#bindingData]).toString('base64')
    const withoutProof = `c=${covered},r=${nonce}`
    const message = `${this.#bare},${challenge},${withoutProof}`
    const signature = hmac(createHash('sha256').update(clientKey).digest(), message)
    this.#serverFinal = `v=${hmac(hmac(salted, 'Server Key'), message).toString('base64')}`
    return `${withoutProof},p=${Buffer.from(clientKey.map((byte, i) => byte ^ (signature[i] ?? 0))).toString('base64')}`
  }

  /** Whether the server knows the keys too. */
  accepts(serverFinal: string): boolean {
    return serverFinal === this.#serverFinal
  }
}
