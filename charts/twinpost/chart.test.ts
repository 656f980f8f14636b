/**
 * The chart as Helm renders it: every example, wrong values with the words that people see, monitoring held against the series that
 * exist, and all objects tried against a real API server (dry run), with the strictest Pod Security. Without `make kube-tools KUBE=all`
 * the tests say so and skip.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import { EVENT_BYTES_MAX } from '#lib/events/limits.ts'
import { KINDS } from '#operator/api/mod.ts'
import { GROUP } from '#operator/api/resource.ts'
import { MANIFEST_KINDS, PODS, RESOURCE_TYPES } from '#operator/cluster/kubernetes/kinds.ts'
import { CLUSTER_SERVICES, certificateSecretOf } from '#operator/controllers/array/cluster-services.ts'
import { LISTENERS } from '#operator/controllers/mailnode/build.ts'
import { KubernetesOperatorConfig } from '#operator/kubernetes/config.ts'
import { createApiClient } from '#operator/runtime/api-client.ts'
import { kubeErrorCode } from '#operator/runtime/api-error.ts'
import type { KubeObject, ResourceType } from '#operator/runtime/kube-object.ts'
import { EVENTS } from '#operator/runtime/resources.ts'
import { connectTo, NAMESPACES, TEST_MANAGER } from '#operator/runtime/testing/api-access.ts'
import { ProvisionConfig } from '../../services/provision/config.ts'
import { controlPlaneFolder, startApiServer } from '../../tools/kube/api-server.ts'

const CHART = import.meta.dirname
const ROOT = join(CHART, '../..')
const folder = controlPlaneFolder()
const HELM = folder === null ? '' : join(folder, 'helm')
const skip = !existsSync(HELM) && 'no helm here: run make kube-tools KUBE=all once'
const EXAMPLES = readdirSync(join(CHART, 'examples')).map((name) => name.replace(/\.yaml$/, ''))
const temporary = mkdtempSync(join(tmpdir(), 'twinpost-chart-'))
const cleanUps: (() => unknown)[] = [() => rmSync(temporary, { recursive: true })]
after(async () => {
  for (const cleanUp of cleanUps.reverse()) await cleanUp()
})

function helm(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(HELM, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  return { ok: status === 0, stdout, words: `${stdout}${stderr}` }
}

const example = (name: string) => ['--values', join(CHART, 'examples', `${name}.yaml`)]

/** Any object, with the fields that tests look into. */
interface Rendered extends KubeObject {
  readonly spec?: {
    readonly template?: { readonly spec: PodSpec; readonly metadata: { readonly labels: Record<string, string> } }
    readonly selector?: Record<string, unknown>
    readonly ports?: readonly { readonly name: string; readonly port: number }[]
  }
  readonly data?: Record<string, string>
  readonly rules?: unknown
}
interface PodSpec {
  readonly containers: readonly {
    readonly image: string
    readonly env?: readonly { readonly name: string; readonly value?: string }[]
  }[]
  readonly volumes?: readonly { readonly secret?: { readonly secretName: string } }[]
  readonly imagePullSecrets?: unknown
  readonly enableServiceLinks?: boolean
}

function render(...values: string[]): Rendered[] {
  const { ok, stdout, words } = helm('template', 'twinpost', CHART, '--namespace', 'mail', ...values)
  assert.ok(ok, words)
  return parseAllDocuments(stdout).flatMap((document) => (document.toJS() ?? []) as Rendered)
}

const named = (objects: readonly Rendered[], kind: string, name: string): Rendered => {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name)
  assert.ok(found, `${kind} ${name}`)
  return found
}

test('helm lint finds nothing, and every example renders', { skip }, () => {
  for (const name of EXAMPLES) {
    const { ok, words } = helm('lint', '--strict', CHART, ...example(name))
    assert.ok(ok, words)
    assert.ok(render(...example(name)).length > 15, name)
  }
})

test('wrong values are refused in words that name the key', { skip }, () => {
  const refused = (file: string, words: RegExp) => {
    const path = join(temporary, 'values.yaml')
    writeFileSync(path, file)
    const outcome = helm('template', 'twinpost', CHART, '--values', path)
    assert.equal(outcome.ok, false, file)
    assert.match(outcome.words, words)
  }
  refused('mail: { hostnam: mail.example.com }', /mail.*additional properties 'hostnam' not allowed/s)
  refused('mail: { hostname: Mail }', /mail\/hostname.*does not match pattern/s)
  refused('nats: { replicas: 2 }', /nats\/replicas.*value must be one of 1, 3/s)
  refused('directory: { replicas: 3 }', /directory\/replicas.*value must be one of 1, 2/s)
  refused('directory: { storage: { size: huge } }', /directory\/storage\/size/)
  refused('mail: { service: { type: Loadbalancer } }', /mail\/service\/type.*'LoadBalancer', 'NodePort', 'ClusterIP'/s)
  refused('image: { digest: latest }', /image\/digest/)
  refused('logLevel: verbose', /logLevel/)
  assert.ok(render('--set', 'global.of=aChartAround').length > 15)
  refused('mail: { certificate: { source: cert-manager } }', /set mail.certificate.issuerRef.name to an issuer/)
})

test('what mail needs outlives the release, and nothing else does', { skip }, () => {
  const kept = (objects: readonly Rendered[]) =>
    objects
      .filter(({ metadata }) => metadata.annotations?.['helm.sh/resource-policy'] === 'keep')
      .map(({ kind, metadata }) => `${kind} ${metadata.name}`)
  const all = kept(render())
  for (const wanted of [
    'CustomResourceDefinition mailnodes.twinpost.io',
    'CustomResourceDefinition domains.twinpost.io',
    'CustomResourceDefinition filterpools.twinpost.io',
    'Service twinpost-mail',
    'Service twinpost-directory',
    'Service twinpost-directory-pods',
    'StatefulSet twinpost-directory',
    'Deployment twinpost-resolver',
    'ConfigMap twinpost-resolver',
    'Service twinpost-resolver',
  ])
    assert.ok(all.includes(wanted), wanted)
  assert.deepEqual(
    all.filter((one) => /operator|provision|nats|Role/.test(one)),
    [],
  )
  assert.deepEqual(
    kept(render('--set', 'keep=false')).filter((one) => !/^CustomResourceDefinition/.test(one)),
    [],
  )
})

test('the chart makes no Secret: passwords and keys are of the operator, owned by nobody', { skip }, () => {
  for (const name of EXAMPLES) {
    assert.deepEqual(
      render(...example(name)).filter(({ kind }) => kind === 'Secret'),
      [],
    )
  }
})

test('pods mount what the operator makes', { skip }, () => {
  const made = new Set<string>([
    ...(Object.keys(CLUSTER_SERVICES) as (keyof typeof CLUSTER_SERVICES)[]).map(certificateSecretOf),
    'provision-credentials',
    'twinpost-nats-auth',
    'twinpost-directory-passwords',
  ])
  const mounted = render().flatMap((object) =>
    (object.spec?.template?.spec.volumes ?? []).flatMap((volume) => volume.secret?.secretName ?? []),
  )
  assert.ok(mounted.length >= 7)
  for (const name of mounted) assert.ok(made.has(name), name)
  for (const name of ['nats', 'directory', 'resolver'] as const) {
    named(render(), 'Service', CLUSTER_SERVICES[name])
  }
})

/** Variables of a container as the service itself reads them. */
function settings(objects: readonly Rendered[], name: string): Record<string, unknown> {
  const [container] = named(objects, 'Deployment', name).spec?.template?.spec.containers ?? []
  const read: Record<string, unknown> = {}
  for (const variable of container?.env ?? []) {
    const key = variable.name
      .replace(/^TWINPOST_/, '')
      .toLowerCase()
      .replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
    const text = variable.value ?? 'from-the-pod'
    read[key] = /^(true|false|\d+|\[.*\])$/.test(text) ? JSON.parse(text) : text
  }
  return read
}

test('operator and provisioning understand their settings', { skip }, () => {
  for (const name of EXAMPLES) {
    const objects = render(...example(name))
    const strictly = (schema: typeof KubernetesOperatorConfig | typeof ProvisionConfig, deployment: string) => {
      const found = schema.strict().safeParse(settings(objects, deployment))
      assert.ok(found.success, found.error?.message)
      return found.data
    }
    const operator = strictly(KubernetesOperatorConfig, 'twinpost-operator') as KubernetesOperatorConfig
    assert.equal(operator.directoryPods, operator.directoryUrl.startsWith('ldaps://twinpost-directory'))
    const provision = strictly(ProvisionConfig, 'twinpost-provision') as ProvisionConfig
    const isTheirs = name === 'multi-zone'
    assert.deepEqual(operator.otherAuthorities, isTheirs ? ['directory'] : [])
    assert.equal(provision.directoryCaFile, isTheirs ? '/etc/twinpost/credentials/directory-ca.crt' : null)
  }
})

test('pods get no variables of Services, which would be taken for settings', { skip }, () => {
  for (const { kind, metadata, spec } of render()) {
    if (spec?.template) assert.equal(spec.template.spec.enableServiceLinks, false, `${kind} ${metadata.name}`)
  }
})

test('the mail Service has the listeners of an edge, and not the one without authentication', { skip }, () => {
  const ports = named(render(), 'Service', 'twinpost-mail').spec?.ports?.map(({ name, port }) => [name, port])
  assert.deepEqual(
    new Set(ports?.map(String)),
    new Set(LISTENERS.filter(({ name }) => name !== 'lmtp').map(({ name, port }) => String([name, port]))),
  )
})

test('nats-server takes events as large as ours are', { skip }, () => {
  const config = named(render(), 'ConfigMap', 'twinpost-nats').data?.['nats.conf'] ?? ''
  assert.equal(Number(/max_payload: (\d+)/.exec(config)?.[1]), EVENT_BYTES_MAX * 2)
  assert.match(config, /sync_interval: always/)
  assert.match(config, /max_file_store: 8589934592\n/, '80 % of 10Gi')
})

test("the operator's rights are those that its own tests run with, and end at the namespace", { skip }, () => {
  const objects = render()
  const shipped = parseAllDocuments(readFileSync(join(ROOT, 'deploy/kubernetes/operator-rbac.yaml'), 'utf8'))
    .map((document) => document.toJS() as Rendered)
    .filter(({ kind }) => kind === 'ClusterRole')
    .flatMap(({ rules }) => rules as { resources: string[] }[])
  const granted = objects
    .filter(({ kind }) => kind === 'Role' || kind === 'ClusterRole')
    .flatMap(({ rules }) => rules as { resources: string[] }[])
  assert.deepEqual(
    new Set(granted.map((rule) => JSON.stringify(rule))),
    new Set(shipped.map((rule) => JSON.stringify(rule))),
  )
  for (const { kind, rules } of objects) {
    if (kind !== 'ClusterRole') continue
    const beyond = (rules as { resources: string[]; verbs: string[] }[]).flatMap(({ resources }) => resources)
    assert.deepEqual(
      beyond.filter((resource) => !['nodes', 'storageclasses', 'persistentvolumes'].includes(resource)),
      [],
      'what has a namespace is granted in one only',
    )
  }
  assert.doesNotMatch(JSON.stringify(granted), /"\*"/)
})

/** What the code does to each kind that it names, and no more: a grant beyond it has lost its reason. */
const DONE: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(
    MANIFEST_KINDS.map((kind) => {
      const { group, plural } = RESOURCE_TYPES[kind]
      const replaced = plural === 'secrets' || plural === 'leases' ? ['update'] : []
      return [`${group}/${plural}`, ['get', 'list', 'watch', 'create', 'patch', 'delete', ...replaced]]
    }),
  ),
  ...Object.fromEntries(
    KINDS.flatMap(({ plural }) => [
      [`${GROUP}/${plural}`, ['get', 'list', 'watch']],
      [`${GROUP}/${plural}/status`, ['patch']],
      [`${GROUP}/${plural}/finalizers`, ['update']],
    ]),
  ),
  [`${PODS.group}/${PODS.plural}`]: ['get', 'list', 'watch', 'patch', 'delete'],
  '/persistentvolumeclaims': ['get', 'list', 'watch', 'patch'],
  [`${EVENTS.group}/${EVENTS.plural}`]: ['create', 'patch'],
  '/nodes': ['get', 'list', 'watch'],
}

test('the operator may do to each kind what the code does', () => {
  const rules = ['operator-rules.yaml', 'operator-cluster-rules.yaml'].flatMap(
    (name) =>
      parse(readFileSync(join(CHART, 'files', name), 'utf8')) as {
        apiGroups: string[]
        resources: string[]
        verbs: string[]
      }[],
  )
  assert.ok(rules.length > 8)
  for (const { apiGroups, resources, verbs } of rules) {
    for (const group of apiGroups) {
      for (const resource of resources) {
        const done = DONE[`${group}/${resource}`] ?? []
        assert.deepEqual(
          verbs.filter((verb) => !done.includes(verb)),
          [],
          `${group}/${resource}`,
        )
      }
    }
  }
})

test('images come from where the values say', { skip }, () => {
  const objects = render(...example('multi-zone'), '--set', `nats.image.digest=sha256:${'a'.repeat(64)}`)
  const pods = objects.flatMap((object) => object.spec?.template?.spec ?? [])
  assert.ok(pods.length >= 4)
  assert.deepEqual(settings(objects, 'twinpost-operator')['imagePullSecrets'], ['registry-example-com'])
  for (const pod of pods) {
    assert.deepEqual(pod.imagePullSecrets, [{ name: 'registry-example-com' }])
    for (const { image } of pod.containers)
      assert.match(image, /^registry\.example\.com\/twinpost\/[a-z]+(:0\.1\.0|@sha256:a{64})$/)
  }
})

const series = new Set(
  [
    ...readFileSync(join(ROOT, 'docs/reference/metrics.md'), 'utf8').matchAll(/^\| `(twinpost_\w+)` \| (\w+)/gm),
  ].flatMap(([, name = '', type]) =>
    type === 'histogram' ? ['bucket', 'sum', 'count'].map((suffix) => `${name}_${suffix}`) : [name],
  ),
)
const seriesIn = (text: string) => [...new Set(text.match(/twinpost_\w+/g) ?? [])]

test('alerts and the dashboard ask for series that exist', () => {
  assert.ok(series.size > 50)
  const rules = parse(readFileSync(join(CHART, 'files/alerts.yaml'), 'utf8')) as {
    groups: { rules: { alert: string; expr: string; annotations: { summary?: string; description?: string } }[] }[]
  }
  const alerts = rules.groups.flatMap((group) => group.rules)
  assert.ok(alerts.length >= 15)
  for (const { alert, expr, annotations } of alerts) {
    assert.ok(seriesIn(expr).length > 0, alert)
    assert.deepEqual(
      seriesIn(expr).filter((name) => !series.has(name)),
      [],
      alert,
    )
    assert.ok(annotations.summary && annotations.description, alert)
  }
  const dashboard = JSON.parse(readFileSync(join(CHART, 'files/dashboard.json'), 'utf8')) as {
    panels: { title: string; targets: { expr: string }[] }[]
  }
  for (const { title, targets } of dashboard.panels) {
    for (const { expr } of targets) {
      assert.ok(seriesIn(expr).length > 0, title)
      assert.deepEqual(
        seriesIn(expr).filter((name) => !series.has(name)),
        [],
        title,
      )
    }
  }
})

test('a real API server takes every object, and the pods under the Pod Security level "restricted"', {
  skip,
}, async () => {
  const server = await startApiServer()
  cleanUps.push(() => server.stop())
  const connection = connectTo(server)
  cleanUps.push(() => connection.close())
  const client = createApiClient({ connection })
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' }
  await client.apply(NAMESPACES, { metadata: { name: 'mail', labels } }, { fieldManager: TEST_MANAGER })
  await client
    .create(
      { group: '', version: 'v1', kind: 'ServiceAccount', plural: 'serviceaccounts', namespaced: true },
      { metadata: { name: 'default', namespace: 'mail' } },
    )
    .catch((error: unknown) => assert.equal(kubeErrorCode(error), 'KUBE_EXISTS'))
  const others = new Set(['PodMonitor', 'PrometheusRule', 'Certificate']) // of other projects' CRDs
  let tried = 0
  for (const name of EXAMPLES) {
    for (const object of render(...example(name))) {
      if (others.has(object.kind)) continue
      const { apiVersion: _, kind: __, ...fields } = object
      await client.apply(typeOf(object), fields, { fieldManager: TEST_MANAGER, dryRun: true })
      tried++
      const template = object.spec?.template
      if (template === undefined) continue
      const volumes = [...(template.spec.volumes ?? []), ...(object.kind === 'StatefulSet' ? [DATA] : [])]
      const pod = {
        metadata: { name: `pod-of-${object.metadata.name}`, namespace: 'mail', labels: template.metadata.labels },
        spec: { ...template.spec, volumes, serviceAccountName: undefined, priorityClassName: undefined },
      }
      await client.apply(typeOf({ apiVersion: 'v1', kind: 'Pod', metadata: { name: '' } }), pod, {
        fieldManager: TEST_MANAGER,
        dryRun: true,
      })
    }
  }
  assert.ok(tried > 60, String(tried))
})

/** What the claims of a StatefulSet become in its pods. */
const DATA = { name: 'data', emptyDir: {} }

function typeOf({ apiVersion, kind }: KubeObject): ResourceType {
  const [group = '', version = ''] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion]
  const plural = /y$/.test(kind) ? kind.toLowerCase().replace(/y$/, 'ies') : `${kind.toLowerCase()}s`
  const clusterWide = /^(CustomResourceDefinition|ClusterRole|ClusterRoleBinding)$/.test(kind)
  return { group, version, kind, plural, namespaced: !clusterWide }
}
