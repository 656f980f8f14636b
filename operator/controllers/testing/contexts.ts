/** The two places that objects are rendered for, as tests use them, and a MailNode out of few words. */
import { Domain, FilterPool, MailNode } from '#operator/api/mod.ts'
import type { ArrayContext } from '../array-context.ts'

export const CLUSTER: ArrayContext = {
  namespace: 'mail',
  image: 'twinpost:1.2.3',
  mailHostname: 'mail.example.test',
  baseDn: 'o=twinpost',
  directoryUrl: 'ldaps://directory.mail.svc:3636',
  natsUrl: 'tls://nats.mail.svc:4222',
  publicCertificateSecret: 'public-tls',
  postmaster: null,
  ledger: { kind: 'lease' },
  serviceAddress: null,
  outside: null,
  logLevel: 'info',
}

export const LOCAL: ArrayContext = {
  ...CLUSTER,
  namespace: 'default',
  ledger: { kind: 'file', folder: '/home/a/.twinpost/ledger' },
  serviceAddress: '127.70.0.1',
  outside: { folder: '/home/a/.twinpost/outside', port: 2525 },
}

export function mailNode(
  name: string,
  spec: Record<string, unknown> = {},
  metadata: Record<string, unknown> = {},
): MailNode {
  return MailNode.parse({ apiVersion: 'twinpost.io/v1alpha1', kind: 'MailNode', metadata: { name, ...metadata }, spec })
}

export function domainOf(
  name: string,
  spec: Record<string, unknown>,
  metadata: Record<string, unknown> = {},
  status?: unknown,
): Domain {
  return Domain.parse({
    apiVersion: 'twinpost.io/v1alpha1',
    kind: 'Domain',
    metadata: { name, namespace: 'mail', ...metadata },
    spec,
    ...(status === undefined ? {} : { status }),
  })
}

export function filterPoolOf(
  name: string,
  spec: Record<string, unknown>,
  metadata: Record<string, unknown> = {},
): FilterPool {
  return FilterPool.parse({
    apiVersion: 'twinpost.io/v1alpha1',
    kind: 'FilterPool',
    metadata: { name, namespace: 'mail', ...metadata },
    spec,
  })
}
