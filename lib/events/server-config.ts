/** The configuration file of nats-server. Pure: same arguments, same text. Its format takes JSON values (docs.nats.io). */
import { EVENT_BYTES_MAX } from './limits.ts'
import { NATS_USERS, type NatsUser, rightsOf } from './permissions.ts'

export interface NatsServerOptions {
  readonly serverName: string
  readonly host: string
  readonly port: number
  /** Plain HTTP, for probes and metrics; null: none. */
  readonly monitoring: { readonly host: string; readonly port: number } | null
  readonly storeDir: string
  readonly tls: { readonly certFile: string; readonly keyFile: string; readonly caFile: string }
  readonly passwords: Readonly<Record<NatsUser, string>>
  /** Disk space for all streams, in bytes. */
  readonly maxStoreBytes?: number
}

const MAX_STORE_BYTES = 10 * 1024 ** 3

/** Who may connect and what each may say and hear: a part of the file that a configuration written elsewhere includes. */
export function natsAuthorization(passwords: NatsServerOptions['passwords']): string {
  return `${settingText('authorization', authorization(passwords))}\n`
}

export function natsServerConfig(options: NatsServerOptions): string {
  const { tls, passwords } = options
  const settings: [key: string, value: unknown][] = [
    ['server_name', options.serverName],
    ['host', options.host],
    ['port', options.port],
    ...(options.monitoring
      ? [['http', `${options.monitoring.host}:${options.monitoring.port}`] as [string, string]]
      : []),
    ['max_payload', EVENT_BYTES_MAX * 2],
    ['tls', { cert_file: tls.certFile, key_file: tls.keyFile, ca_file: tls.caFile, min_version: '1.2', timeout: 5 }],
    [
      'jetstream',
      {
        store_dir: options.storeDir,
        max_file_store: options.maxStoreBytes ?? MAX_STORE_BYTES,
        // Without this an acknowledged event may be lost with the machine's power: the default syncs every two minutes.
        sync_interval: 'always',
      },
    ],
    ['authorization', authorization(passwords)],
  ]
  return `${settings.map(([key, value]) => settingText(key, value)).join('\n')}\n`
}

function authorization(passwords: NatsServerOptions['passwords']) {
  const users = NATS_USERS.map((user) => {
    const rights = rightsOf(user)
    return {
      user,
      password: passwords[user],
      permissions: { publish: { allow: rights.publish }, subscribe: { allow: rights.subscribe } },
    }
  })
  return { users, timeout: 5 }
}

const settingText = (key: string, value: unknown): string => `${key}: ${JSON.stringify(value, null, 2)}`
