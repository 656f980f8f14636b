/** An OpenID Connect issuer on loopback: its metadata, its keys, and tokens as asked for. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'

export class LocalIssuer {
  readonly #server: Server
  readonly #key: CryptoKey
  readonly #jwk: JWK
  readonly url: string
  /** Answers 503 while true. */
  down = false
  /** Instead of its own name. */
  calledOtherwise: string | null = null

  private constructor(server: Server, key: CryptoKey, jwk: JWK, url: string) {
    this.#server = server
    this.#key = key
    this.#jwk = jwk
    this.url = url
  }

  static async start(): Promise<LocalIssuer> {
    const { publicKey, privateKey } = await generateKeyPair('ES256')
    const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('No port')
    const issuer = new LocalIssuer(server, privateKey, jwk, `http://127.0.0.1:${address.port}`)
    server.on('request', (request, response) => {
      if (issuer.down) response.writeHead(503).end()
      else if (request.url === '/keys') response.end(JSON.stringify({ keys: [issuer.#jwk] }))
      else {
        const metadata = { issuer: issuer.calledOtherwise ?? issuer.url, jwks_uri: `${issuer.url}/keys` }
        response.end(JSON.stringify(metadata))
      }
    })
    return issuer
  }

  /** @param claims Beside those that a good token has, or in their place. @param key Default: the issuer's own. */
  token(
    claims: Readonly<Record<string, unknown>>,
    nowMs: number,
    key: CryptoKey | Uint8Array = this.#key,
  ): Promise<string> {
    const seconds = Math.floor(nowMs / 1000)
    const good = { iss: this.url, aud: 'twinpost', iat: seconds, exp: seconds + 300 }
    const alg = key instanceof Uint8Array ? 'HS256' : 'ES256'
    return new SignJWT({ ...good, ...claims }).setProtectedHeader({ alg, kid: 'one' }).sign(key)
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
