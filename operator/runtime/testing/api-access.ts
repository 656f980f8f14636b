/** The operator's own way to an API server that a test has started, and the few objects that tests make there. */
import { KubeConfig } from '@kubernetes/client-node'
import { nodeClock } from '#lib/platform/node-clock.ts'
import type { ApiServer, ApiUser } from '../../../tools/kube/api-server.ts'
import type { ApiClient } from '../api-client.ts'
import { type ApiConnection, openConnection } from '../connection.ts'
import type { ResourceType } from '../kube-object.ts'

export const NAMESPACES: ResourceType = type('', 'v1', 'Namespace', 'namespaces', false)
export const CONFIG_MAPS: ResourceType = type('', 'v1', 'ConfigMap', 'configmaps')
export const SERVICE_ACCOUNTS: ResourceType = type('', 'v1', 'ServiceAccount', 'serviceaccounts')
export const ROLES: ResourceType = type('rbac.authorization.k8s.io', 'v1', 'Role', 'roles')
export const ROLE_BINDINGS: ResourceType = type('rbac.authorization.k8s.io', 'v1', 'RoleBinding', 'rolebindings')
export const TEST_MANAGER = 'twinpost-test'

function type(group: string, version: string, kind: string, plural: string, namespaced = true): ResourceType {
  return { group, version, kind, plural, namespaced }
}

/** @param url Another way to the server, as through a proxy. */
export function connectTo(server: ApiServer, user: ApiUser = 'admin', url = server.url): ApiConnection {
  return openConnection({
    load() {
      const config = new KubeConfig()
      config.loadFromFile(server.kubeconfig(user))
      const cluster = config.getCurrentCluster()
      if (cluster) config.clusters = [{ ...cluster, server: url }]
      return config
    },
    clock: nodeClock,
    userAgent: 'twinpost-test',
  })
}

export async function makeNamespace(client: ApiClient, name: string): Promise<string> {
  await client.apply(NAMESPACES, { metadata: { name } }, { fieldManager: TEST_MANAGER })
  return name
}

/** A token of a ServiceAccount, as the kubelet would put it into a pod. */
export async function accountToken(connection: ApiConnection, namespace: string, account: string): Promise<string> {
  const answer = await connection.request({
    method: 'POST',
    path: `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`,
    body: JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences: [] } }),
    doing: `make a token for ${account}`,
  })
  const { status } = JSON.parse(answer.body) as { status?: { token?: string } }
  if (!status?.token) throw new Error(`no token came: ${answer.status} ${answer.body}`)
  return status.token
}

/** Resolves when `holds()` does; fails after `withinMs`. */
export async function eventually(
  holds: () => boolean | Promise<boolean>,
  withinMs = 30_000,
  what = 'it',
): Promise<void> {
  const endAtMs = nodeClock.monotonicMs() + withinMs
  while (!(await holds())) {
    if (nodeClock.monotonicMs() > endAtMs) throw new Error(`${what} did not come true within ${withinMs} ms`)
    await new Promise<void>((resolve) => nodeClock.after(20, resolve))
  }
}
