/**
 * The part of the Kubernetes API that Twinpost renders, as types: names and shapes are the API's own, so that a value of
 * these types is a manifest as it stands. What a builder does not set is not here; the local adapter refuses what it cannot do.
 */
export interface ObjectMeta {
  readonly name: string
  readonly namespace: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly ownerReferences?: readonly OwnerReference[]
}

export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller: true
  readonly blockOwnerDeletion: true
}

export interface EnvVar {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: {
    readonly fieldRef?: { readonly fieldPath: FieldPath }
    readonly secretKeyRef?: { readonly name: string; readonly key: string }
  }
}
export type FieldPath = 'metadata.name' | 'metadata.namespace' | 'metadata.uid' | 'status.podIP' | 'spec.nodeName'

export interface VolumeMount {
  readonly name: string
  readonly mountPath: string
  readonly readOnly?: boolean
}

export interface KeyToPath {
  readonly key: string
  /** Path below the mount, may have folders. */
  readonly path: string
}

export interface Volume {
  readonly name: string
  readonly emptyDir?: { readonly medium?: 'Memory'; readonly sizeLimit?: string }
  readonly secret?: {
    readonly secretName: string
    readonly items?: readonly KeyToPath[]
    readonly defaultMode?: number
  }
  readonly configMap?: { readonly name: string; readonly items?: readonly KeyToPath[] }
  /** What the kubelet writes of the pod itself, as its label in `path`: in a cluster only. */
  readonly downwardAPI?: {
    readonly items: readonly {
      readonly path: string
      readonly fieldRef: { readonly fieldPath: `metadata.labels['${string}']` }
    }[]
  }
  /** A claim that somebody else made. */
  readonly persistentVolumeClaim?: { readonly claimName: string }
  /** For volumes shared by pods of one machine: local cluster only. */
  readonly hostPath?: { readonly path: string; readonly type: 'DirectoryOrCreate' }
}

export interface ContainerPort {
  readonly name: string
  readonly containerPort: number
  readonly protocol?: 'TCP'
}

export interface Probe {
  readonly httpGet: { readonly path: string; readonly port: number | string }
  readonly initialDelaySeconds?: number
  readonly periodSeconds?: number
  readonly timeoutSeconds?: number
  readonly failureThreshold?: number
}

export interface ResourceRequirements {
  readonly requests?: Readonly<Record<string, string>>
  readonly limits?: Readonly<Record<string, string>>
}

export interface Container {
  readonly name: string
  readonly image: string
  readonly command: readonly string[]
  readonly args?: readonly string[]
  readonly env?: readonly EnvVar[]
  readonly ports?: readonly ContainerPort[]
  readonly volumeMounts?: readonly VolumeMount[]
  readonly resources?: ResourceRequirements
  readonly startupProbe?: Probe
  readonly readinessProbe?: Probe
  readonly livenessProbe?: Probe
  /** What the kubelet does before the signal; processes of one machine get the signal at once. */
  readonly lifecycle?: { readonly preStop: { readonly sleep: { readonly seconds: number } } }
  readonly securityContext?: Readonly<Record<string, unknown>>
}

export interface PodSpec {
  readonly serviceAccountName?: string
  readonly automountServiceAccountToken?: boolean
  readonly enableServiceLinks?: false
  readonly imagePullSecrets?: readonly { readonly name: string }[]
  readonly terminationGracePeriodSeconds?: number
  readonly securityContext?: Readonly<Record<string, unknown>>
  readonly affinity?: Readonly<Record<string, unknown>>
  readonly topologySpreadConstraints?: readonly Readonly<Record<string, unknown>>[]
  readonly containers: readonly Container[]
  readonly volumes?: readonly Volume[]
}

export interface PodTemplate {
  readonly metadata: {
    readonly labels: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly spec: PodSpec
}

export interface LabelSelector {
  readonly matchLabels: Readonly<Record<string, string>>
}

export interface VolumeClaim {
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> }
  readonly spec: {
    readonly accessModes: readonly ('ReadWriteOncePod' | 'ReadWriteOnce')[]
    readonly storageClassName?: string
    readonly resources: { readonly requests: { readonly storage: string } }
  }
}

export interface StatefulSet {
  readonly apiVersion: 'apps/v1'
  readonly kind: 'StatefulSet'
  readonly metadata: ObjectMeta
  readonly spec: {
    readonly serviceName: string
    readonly replicas: number
    readonly podManagementPolicy: 'Parallel' | 'OrderedReady'
    readonly updateStrategy: { readonly type: 'OnDelete' | 'RollingUpdate' }
    readonly persistentVolumeClaimRetentionPolicy: { readonly whenDeleted: 'Retain'; readonly whenScaled: 'Retain' }
    readonly selector: LabelSelector
    readonly template: PodTemplate
    readonly volumeClaimTemplates?: readonly VolumeClaim[]
  }
}

export interface Deployment {
  readonly apiVersion: 'apps/v1'
  readonly kind: 'Deployment'
  readonly metadata: ObjectMeta
  readonly spec: {
    /** Left out where an autoscaler says how many. */
    readonly replicas?: number
    readonly selector: LabelSelector
    readonly template: PodTemplate
  }
}

export interface ServicePort {
  readonly name: string
  readonly port: number
  readonly targetPort: string | number
  readonly protocol?: 'TCP'
}

export interface Service {
  readonly apiVersion: 'v1'
  readonly kind: 'Service'
  readonly metadata: ObjectMeta
  readonly spec: {
    readonly type?: 'ClusterIP' | 'NodePort' | 'LoadBalancer'
    /** `None`: one name per pod, `<pod>.<service>.<namespace>.svc`. */
    readonly clusterIP?: 'None'
    readonly publishNotReadyAddresses?: boolean
    readonly externalTrafficPolicy?: 'Local' | 'Cluster'
    readonly selector: Readonly<Record<string, string>>
    readonly ports: readonly ServicePort[]
  }
}

export interface Secret {
  readonly apiVersion: 'v1'
  readonly kind: 'Secret'
  readonly metadata: ObjectMeta
  readonly type: 'Opaque' | 'kubernetes.io/tls'
  readonly stringData: Readonly<Record<string, string>>
}

export interface ConfigMap {
  readonly apiVersion: 'v1'
  readonly kind: 'ConfigMap'
  readonly metadata: ObjectMeta
  readonly data: Readonly<Record<string, string>>
}

export interface ServiceAccount {
  readonly apiVersion: 'v1'
  readonly kind: 'ServiceAccount'
  readonly metadata: ObjectMeta
  readonly automountServiceAccountToken: boolean
}

export interface Role {
  readonly apiVersion: 'rbac.authorization.k8s.io/v1'
  readonly kind: 'Role'
  readonly metadata: ObjectMeta
  readonly rules: readonly {
    readonly apiGroups: readonly string[]
    readonly resources: readonly string[]
    readonly resourceNames?: readonly string[]
    readonly verbs: readonly string[]
  }[]
}

export interface RoleBinding {
  readonly apiVersion: 'rbac.authorization.k8s.io/v1'
  readonly kind: 'RoleBinding'
  readonly metadata: ObjectMeta
  readonly roleRef: { readonly apiGroup: 'rbac.authorization.k8s.io'; readonly kind: 'Role'; readonly name: string }
  readonly subjects: readonly { readonly kind: 'ServiceAccount'; readonly name: string; readonly namespace: string }[]
}

export interface PodDisruptionBudget {
  readonly apiVersion: 'policy/v1'
  readonly kind: 'PodDisruptionBudget'
  readonly metadata: ObjectMeta
  readonly spec: { readonly maxUnavailable: number; readonly selector: LabelSelector }
}

export interface HorizontalPodAutoscaler {
  readonly apiVersion: 'autoscaling/v2'
  readonly kind: 'HorizontalPodAutoscaler'
  readonly metadata: ObjectMeta
  readonly spec: {
    readonly scaleTargetRef: { readonly apiVersion: 'apps/v1'; readonly kind: 'Deployment'; readonly name: string }
    readonly minReplicas: number
    readonly maxReplicas: number
    readonly metrics: readonly {
      readonly type: 'Resource'
      readonly resource: {
        readonly name: 'cpu'
        readonly target: { readonly type: 'Utilization'; readonly averageUtilization: number }
      }
    }[]
  }
}

export interface NetworkPolicyPeer {
  readonly podSelector?: LabelSelector | Readonly<Record<string, never>>
  readonly namespaceSelector?: LabelSelector | Readonly<Record<string, never>>
}

export interface NetworkPolicyPort {
  readonly protocol: 'TCP' | 'UDP'
  readonly port: string | number
}

export interface NetworkPolicy {
  readonly apiVersion: 'networking.k8s.io/v1'
  readonly kind: 'NetworkPolicy'
  readonly metadata: ObjectMeta
  readonly spec: {
    readonly podSelector: LabelSelector
    readonly policyTypes: readonly ('Ingress' | 'Egress')[]
    readonly ingress?: readonly {
      readonly from?: readonly NetworkPolicyPeer[]
      readonly ports?: readonly NetworkPolicyPort[]
    }[]
    readonly egress?: readonly {
      readonly to?: readonly NetworkPolicyPeer[]
      readonly ports?: readonly NetworkPolicyPort[]
    }[]
  }
}

/** Made empty and written by others: what they put into it is theirs. */
export interface Lease {
  readonly apiVersion: 'coordination.k8s.io/v1'
  readonly kind: 'Lease'
  readonly metadata: ObjectMeta
}

export type Manifest =
  | StatefulSet
  | Deployment
  | Service
  | Secret
  | ConfigMap
  | ServiceAccount
  | Role
  | RoleBinding
  | PodDisruptionBudget
  | HorizontalPodAutoscaler
  | NetworkPolicy
  | Lease
export type ManifestKind = Manifest['kind']
/** The manifest type of a kind: `ManifestOf<'Secret'>` is `Secret`. */
export type ManifestOf<Kind extends ManifestKind> = Extract<Manifest, { kind: Kind }>

export interface ObjectRef<Kind extends ManifestKind = ManifestKind> {
  readonly kind: Kind
  readonly namespace: string
  readonly name: string
}

export function refOf(manifest: Manifest): ObjectRef {
  return { kind: manifest.kind, namespace: manifest.metadata.namespace, name: manifest.metadata.name }
}

export function refText(ref: ObjectRef): string {
  return `${ref.kind} ${ref.namespace}/${ref.name}`
}
