/** Where an array on this machine can be reached, for `endpoints.json`. Pure. */
import type { Endpoints } from '#operator/api/local-layout.ts'
import { DIRECTORY_PORT, METRICS_PORTS, NATS_PORT } from '#operator/controllers/array-context.ts'
import { LISTENERS } from '#operator/controllers/mailnode/build.ts'
import { OUTSIDE_PORT } from './outside.ts'

export function endpointsOf(
  addresses: {
    readonly service: string
    readonly nats: string
    readonly directory: string
    readonly firstEdge: string
    readonly outside: string
  },
  ca: string,
  accounts: Endpoints['accounts'],
): Endpoints {
  const mail = (name: (typeof LISTENERS)[number]['name']) => ({
    host: addresses.service,
    port: LISTENERS.find((listener) => listener.name === name)?.containerPort ?? 0,
  })
  return {
    smtp: mail('smtp'),
    submission: mail('submission'),
    submissions: mail('submissions'),
    imap: mail('imap'),
    imaps: mail('imaps'),
    pop3: mail('pop3'),
    pop3s: mail('pop3s'),
    lmtp: mail('lmtp'),
    nats: { host: addresses.nats, port: NATS_PORT },
    ldap: { host: addresses.directory, port: DIRECTORY_PORT },
    metrics: { host: addresses.firstEdge, port: METRICS_PORTS.edge },
    outside: { host: addresses.outside, port: OUTSIDE_PORT },
    ca,
    accounts,
  }
}
