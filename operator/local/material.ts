/**
 * Secrets of an array: certificates of every process with their names and roles, and the passwords they use among
 * themselves. Says for each Secret what is in it; where the bytes come from is the certificate store's business.
 */
import { identityUri, type Role } from '#lib/tls/roles.ts'
import type { MailNode } from '#operator/api/mod.ts'
import type { Manifest } from '#operator/cluster/objects.ts'
import {
  credentialsSecret,
  DIRECTORY,
  NATS,
  PROVISION,
  senderSeal,
  serviceHost,
  tlsSecret,
} from '#operator/controllers/array/build.ts'
import { type ArrayContext, DIRECTORY_PASSWORD_KEY, NATS_PASSWORD_KEY } from '#operator/controllers/array-context.ts'
import { EDGE_CREDENTIALS, type MemberCertificates, podNames } from '#operator/controllers/mailnode/build.ts'
import { type KeyPair, type LeafRequest, namesRequest } from '#operator/pki/certificates.ts'
import type { CertificateStore } from '#operator/pki/store.ts'
import type { Credentials } from './credentials.ts'

type ServiceCredentials = Credentials<'edge' | 'provision', 'edge' | 'provision'>

/** Address of pod `ordinal` of a workload: certificates name it, for clients that connect by address. */
export type AddressOf = (workload: string, ordinal: number) => string

/** A certificate of a role: the URI is what counts among our own processes, names are for clients of others. */
export function roleRequest(role: Role, owner: string, names: readonly string[]): LeafRequest {
  return namesRequest(owner, names, [identityUri({ role, owner })])
}

/** @param mailNames Names of the mail domains and hosts that clients type. */
export async function arraySecrets(
  context: ArrayContext,
  store: CertificateStore,
  credentials: ServiceCredentials,
  addressOf: AddressOf,
  mailNames: readonly string[],
): Promise<Manifest[]> {
  const { namespace } = context
  const host = (name: string) => [serviceHost(name, namespace), `${name}.${namespace}.svc.cluster.local`, name]
  const shared = context.serviceAddress === null ? [] : [context.serviceAddress]
  const secret = async (name: string, request: LeafRequest) =>
    tlsSecret(context, `${name}-tls`, await store.pair(name, request), store.ca)
  const publicNames = [...new Set([context.mailHostname, ...mailNames, 'localhost', ...shared])]
  const publicPair = await store.pair('public', namesRequest(context.mailHostname, publicNames, []))
  return [
    tlsSecret(context, context.publicCertificateSecret, publicPair, store.ca),
    await secret(NATS, namesRequest(NATS, [...host(NATS), addressOf(NATS, 0)], [])),
    await secret(DIRECTORY, roleRequest('directory', DIRECTORY, [...host(DIRECTORY), addressOf(DIRECTORY, 0)])),
    await secret(PROVISION, roleRequest('provision', PROVISION, [])),
    credentialsSecret(context, 'directory-credentials', {
      'credentials.json': `${JSON.stringify(credentials.directory, null, 2)}\n`,
    }),
    credentialsSecret(context, EDGE_CREDENTIALS, passwordFiles(credentials, 'edge')),
    senderSeal(context, credentials.senderSeal),
    credentialsSecret(context, 'provision-credentials', passwordFiles(credentials, 'provision')),
  ]
}

/** @param addressOf Null where pods have no fixed addresses: then their names are all that is certified. */
export async function memberCertificates(
  node: MailNode,
  context: ArrayContext,
  store: CertificateStore,
  addressOf: AddressOf | null,
): Promise<MemberCertificates> {
  const { name } = node.metadata
  const pairs = async (role: 'member' | 'edge') => {
    const found: Record<string, KeyPair> = {}
    for (const [ordinal, pod] of podNames(node).entries()) {
      const address = addressOf === null ? [] : [addressOf(name, ordinal)]
      const names = [`${pod}.${name}.${context.namespace}.svc`, ...address]
      found[pod] = await store.pair(`${pod}-${role}`, roleRequest(role, pod, names))
    }
    return found
  }
  return { ca: store.ca, member: await pairs('member'), edge: await pairs('edge') }
}

function passwordFiles(credentials: ServiceCredentials, service: 'edge' | 'provision'): Record<string, string> {
  return {
    [DIRECTORY_PASSWORD_KEY]: credentials.directory[service],
    [NATS_PASSWORD_KEY]: credentials.nats[service],
  }
}
