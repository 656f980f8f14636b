/** The configuration of the one nats-server of a small array, as its pod mounts it. It holds passwords: it belongs into a Secret. */
import { type NatsServerOptions, natsServerConfig } from '#lib/events/server-config.ts'
import { NATS_PORT, PATHS } from '../array-context.ts'

const JETSTREAM_BYTES_MAX = 256 * 1024 * 1024

export function natsConfigInPod(passwords: NatsServerOptions['passwords']): string {
  return natsServerConfig({
    serverName: 'nats-0',
    host: '0.0.0.0', // the pod's address comes as an argument
    port: NATS_PORT,
    monitoring: null,
    storeDir: `${PATHS.data}/jetstream`,
    tls: {
      certFile: `${PATHS.serviceTls}/tls.crt`,
      keyFile: `${PATHS.serviceTls}/tls.key`,
      caFile: `${PATHS.serviceTls}/ca.crt`,
    },
    passwords,
    maxStoreBytes: JETSTREAM_BYTES_MAX,
  })
}
