/** Where the kinds that we render live in the API. */
import type { ResourceType } from '#operator/runtime/kube-object.ts'
import { LEASES } from '#operator/runtime/resources.ts'
import type { ManifestKind } from '../objects.ts'

const core = (kind: string, plural: string): ResourceType => ({
  group: '',
  version: 'v1',
  kind,
  plural,
  namespaced: true,
})
const of = (group: string, kind: string, plural: string): ResourceType => ({
  group,
  version: 'v1',
  kind,
  plural,
  namespaced: true,
})

export const PODS = core('Pod', 'pods')
export const RESOURCE_TYPES: Readonly<Record<ManifestKind, ResourceType>> = {
  StatefulSet: of('apps', 'StatefulSet', 'statefulsets'),
  Deployment: of('apps', 'Deployment', 'deployments'),
  Service: core('Service', 'services'),
  Secret: core('Secret', 'secrets'),
  ConfigMap: core('ConfigMap', 'configmaps'),
  ServiceAccount: core('ServiceAccount', 'serviceaccounts'),
  Role: of('rbac.authorization.k8s.io', 'Role', 'roles'),
  RoleBinding: of('rbac.authorization.k8s.io', 'RoleBinding', 'rolebindings'),
  PodDisruptionBudget: of('policy', 'PodDisruptionBudget', 'poddisruptionbudgets'),
  HorizontalPodAutoscaler: {
    ...of('autoscaling', 'HorizontalPodAutoscaler', 'horizontalpodautoscalers'),
    version: 'v2',
  },
  NetworkPolicy: of('networking.k8s.io', 'NetworkPolicy', 'networkpolicies'),
  Lease: LEASES,
}
export const MANIFEST_KINDS = Object.keys(RESOURCE_TYPES) as readonly ManifestKind[]
