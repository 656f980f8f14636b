/** Tells lessons to every pod of a filter pool: each keeps what it learns in memory of its own. */
import { Agent, request } from 'node:https'
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { Logger } from '#lib/log/logger.ts'
import type { ManyResolver } from '#lib/platform/resolver.ts'
import { TLS_DEFAULTS, type TlsMaterial } from '#lib/tls/material.ts'
import { identityFromAltNames } from '#lib/tls/roles.ts'
import type { TaughtLetter, Teacher } from './learner.ts'

const ANSWER_MS = 5_000

export interface PoolTeacherOptions {
  /** Stands for all pods, as default-filter.mail.svc. */
  readonly host: string
  readonly port: number
  readonly resolve: ManyResolver
  /** Read anew for each connection: certificates rotate. */
  readonly tls: () => TlsMaterial
  readonly logger: Logger
  readonly told: (outcome: 'told' | 'failed') => void
}

export function createPoolTeacher(options: PoolTeacherOptions): Teacher {
  const { host, resolve, logger, told } = options
  return {
    async teach(letter) {
      const addresses = await resolve(host).catch(() => [])
      if (addresses.length === 0) told('failed')
      for (const address of addresses) {
        try {
          await post(address, options, letter)
          told('told')
        } catch (error) {
          told('failed')
          logger.debug({ address, reason: errorMessage(error) }, 'a filter does not hear a lesson')
        }
      }
    },
  }
}

/** What a header may hold: addresses of envelopes are ASCII here, and one that is not teaches nobody in particular. */
const OWNER = /^[\x21-\x7e]{3,320}$/

function post(host: string, { port, tls }: PoolTeacherOptions, { kind, owner, letter }: TaughtLetter): Promise<void> {
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        host,
        port,
        method: 'POST',
        path: '/lessons',
        agent: new Agent({ keepAlive: false }),
        timeout: ANSWER_MS,
        headers: {
          'Content-Length': letter.byteLength,
          'X-Lesson': kind,
          'X-Owner': OWNER.test(owner) ? owner : '',
        },
        ...tls(),
        ...TLS_DEFAULTS,
        checkServerIdentity: (_host, certificate) =>
          identityFromAltNames(certificate.subjectaltname)?.role === 'filter'
            ? undefined
            : new Error('its certificate is not that of a filter'),
      },
      (response) => {
        response.resume()
        // 404: no engine of that pool learns.
        if (response.statusCode === 204 || response.statusCode === 404) resolve()
        else reject(new Error(`it answered ${response.statusCode}`))
      },
    )
    asked.on('timeout', () => asked.destroy(new Error('it is silent')))
    asked.on('error', reject)
    asked.end(letter)
  })
}
