/**
 * What an array needs beside its MailNodes: directory, NATS and provisioning, rendered by the builders that the local array uses, as
 * single pods on one node that no test breaks. The chart brings real ones; here they only have to be there. Everything secret is made
 * anew for each run.
 */
import type { NatsUser } from '#lib/events/permissions.ts'
import { NATS_USERS } from '#lib/events/permissions.ts'
import { SERVICES, type Service } from '#lib/ldap/schema.ts'
import { createLogger } from '#lib/log/logger.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { randomId } from '#lib/ports/random.ts'
import { toApi } from '#operator/cluster/kubernetes/translation.ts'
import type { Manifest } from '#operator/cluster/objects.ts'
import {
  DIRECTORY,
  directoryObjects,
  NATS,
  natsObjects,
  provisionObjects,
  serviceHost,
} from '#operator/controllers/array/build.ts'
import { natsConfigInPod } from '#operator/controllers/array/nats-config.ts'
import { type ArrayContext, DIRECTORY_PORT, inApplyOrder, NATS_PORT } from '#operator/controllers/array-context.ts'
import { AUTHORITY_SECRET, nodeCertificates } from '#operator/kubernetes/authority.ts'
import { PASSWORDS_SECRET } from '#operator/kubernetes/passwords.ts'
import { arraySecrets } from '#operator/local/material.ts'
import { createAuthority, type KeyPair } from '#operator/pki/certificates.ts'

const PASSWORD_CHARACTERS = 32

export interface Passwords {
  readonly directory: Readonly<Record<Service, string>>
  readonly nats: Readonly<Record<NatsUser, string>>
  readonly senderSeal: string
}

export interface ArrayServices {
  readonly authority: KeyPair
  readonly passwords: Passwords
  readonly context: ArrayContext
  /** The operator takes them for its own: it finds its authority and its passwords. */
  readonly secrets: readonly unknown[]
  readonly objects: readonly unknown[]
}

export function arrayContext(namespace: string, image: string, mailHostname: string): ArrayContext {
  return {
    namespace,
    image,
    mailHostname,
    baseDn: 'o=twinpost',
    directoryUrl: `ldaps://${serviceHost(DIRECTORY, namespace)}:${DIRECTORY_PORT}`,
    natsUrl: `tls://${serviceHost(NATS, namespace)}:${NATS_PORT}`,
    publicCertificateSecret: 'public-tls',
    postmaster: null,
    ledger: { kind: 'lease' },
    serviceAddress: null,
    outside: null,
    logLevel: 'info',
  }
}

/** @param node Where the pods run. */
export async function arrayServices(options: {
  readonly context: ArrayContext
  readonly natsImage: string
  readonly node: string
  readonly mailNames: readonly string[]
}): Promise<ArrayServices> {
  const { context, natsImage, node, mailNames } = options
  const nowMs = nodeClock.nowMs()
  const authority = await createAuthority('Twinpost CA', nowMs, nodeRandom)
  const secret = () => randomId(nodeRandom, PASSWORD_CHARACTERS)
  const passwords: Passwords = {
    directory: Object.fromEntries(SERVICES.map((name) => [name, secret()])) as Passwords['directory'],
    nats: Object.fromEntries(NATS_USERS.map((name) => [name, secret()])) as Passwords['nats'],
    senderSeal: secret(),
  }
  const store = nodeCertificates({
    authority,
    present: () => null,
    clock: nodeClock,
    random: nodeRandom,
    logger: createLogger('error', { service: 'e2e' }),
  })
  const rendered: Manifest[] = inApplyOrder([
    ...(await arraySecrets(context, store, passwords, () => '127.0.0.1', mailNames)),
    ...natsObjects({ ...context, image: natsImage }, natsConfigInPod(passwords.nats)),
    ...directoryObjects(context),
    ...provisionObjects(context),
  ])
  return {
    authority,
    passwords,
    context,
    secrets: [
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: AUTHORITY_SECRET, namespace: context.namespace },
        type: 'kubernetes.io/tls',
        stringData: { 'tls.crt': authority.cert, 'tls.key': authority.key },
      },
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: PASSWORDS_SECRET, namespace: context.namespace },
        stringData: Object.fromEntries([
          ...Object.entries(passwords.directory).map(([name, text]) => [`directory-${name}`, text]),
          ...Object.entries(passwords.nats).map(([name, text]) => [`nats-${name}`, text]),
          ['sender-seal', passwords.senderSeal],
        ]),
      },
    ],
    objects: [...rendered.map((manifest) => forTests(toApi(manifest), node))],
  }
}

/** Pods stay on one node, where they find their volume; Services are reachable from outside; the operator does not take them for its own. */
function forTests(object: unknown, node: string): unknown {
  const copy = structuredClone(object) as {
    kind: string
    metadata: { labels?: Record<string, string> }
    spec?: { template?: { metadata: { labels: Record<string, string> }; spec: Record<string, unknown> }; type?: string }
  }
  delete copy.metadata.labels?.['app.kubernetes.io/managed-by']
  if (copy.kind === 'Service' && copy.spec) copy.spec.type = 'NodePort'
  const template = copy.spec?.template
  if (template) {
    delete template.metadata.labels['app.kubernetes.io/managed-by']
    template.spec['nodeSelector'] = { 'kubernetes.io/hostname': node }
  }
  return copy
}
