/**
 * Certificates of a process: a folder with `tls.crt`, `tls.key` and `ca.crt`, the layout of a Kubernetes TLS Secret.
 * The folder is looked at again now and then, so that a rotated certificate is taken without a restart.
 */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { Clock } from '#lib/ports/clock.ts'

export interface TlsMaterial {
  readonly cert: string
  readonly key: string
  readonly ca: string
}

/** What a server shows to clients that bring no certificate. `ca.crt` is not wanted: Secrets of public authorities hold none. */
export type ServerCertificate = Pick<TlsMaterial, 'cert' | 'key'>

export function readTlsMaterial(folder: string): TlsMaterial {
  return { ...readServerCertificate(folder), ca: readFileSync(join(folder, 'ca.crt'), 'utf8') }
}

export function readServerCertificate(folder: string): ServerCertificate {
  const read = (name: string) => readFileSync(join(folder, name), 'utf8')
  return { cert: read('tls.crt'), key: read('tls.key') }
}

/** Only what RFC 8996 leaves, with the ciphers Node's OpenSSL prefers. */
export const TLS_DEFAULTS = { minVersion: 'TLSv1.2' } as const

/** Calls `changed` with new material whenever the certificate in `folder` was replaced; returns how to stop looking. */
export function watchTlsMaterial(
  folder: string,
  clock: Clock,
  everyMs: number,
  changed: (material: TlsMaterial) => void,
  failed: (error: unknown) => void,
): () => void {
  return watchCertificate(folder, clock, everyMs, () => changed(readTlsMaterial(folder)), failed)
}

/** As `watchTlsMaterial`; what is read is the caller's business. */
export function watchCertificate(
  folder: string,
  clock: Clock,
  everyMs: number,
  changed: () => void,
  failed: (error: unknown) => void,
): () => void {
  const stamp = () => statSync(join(folder, 'tls.crt')).mtimeMs
  let seen = stamp()
  let stopped = false
  let cancel = () => {}
  const look = () => {
    if (stopped) return
    try {
      const now = stamp()
      if (now !== seen) {
        seen = now
        changed()
      }
    } catch (error) {
      failed(error) // half-written folder: the next look finds it whole
    }
    cancel = clock.after(everyMs, look)
  }
  cancel = clock.after(everyMs, look)
  return () => {
    stopped = true
    cancel()
  }
}

export function secureContext(material: ServerCertificate & Partial<TlsMaterial>): SecureContext {
  return createSecureContext({ ...material, ...TLS_DEFAULTS })
}
