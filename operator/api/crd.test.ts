import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { customResourceDefinition, structuralSchema } from './crd.ts'
import { KINDS, MailNode } from './mod.ts'
import { crdReference } from './reference.ts'

/** Every schema node below `value`, with its path. */
function nodesOf(value: unknown, path: string): { path: string; node: Record<string, unknown> }[] {
  if (typeof value !== 'object' || value === null) return []
  const node = Object.fromEntries(Object.entries(value))
  const children: [string, unknown][] = []
  const { properties, items, additionalProperties } = node
  if (typeof properties === 'object' && properties !== null) {
    children.push(...Object.entries(properties).map(([name, child]): [string, unknown] => [`${path}.${name}`, child]))
  }
  if (items !== undefined) children.push([`${path}[]`, items])
  if (additionalProperties !== undefined) children.push([`${path}[*]`, additionalProperties])
  return [{ path, node }, ...children.flatMap(([at, child]) => nodesOf(child, at))]
}

for (const kind of KINDS) {
  const nodes = nodesOf(
    { properties: { spec: structuralSchema(kind.spec), status: structuralSchema(kind.status) } },
    kind.kind,
  ).slice(1)

  test(`the schema of ${kind.kind} is structural`, () => {
    for (const { path, node } of nodes) {
      assert.equal(typeof node['type'], 'string', `${path} has a type`)
      assert.ok(!(node['properties'] && node['additionalProperties']), `${path} is an object or a map`)
      for (const banned of ['$ref', '$schema', 'anyOf', 'oneOf', 'allOf', 'const', 'propertyNames']) {
        assert.ok(!(banned in node), `${path} has no ${banned}`)
      }
    }
  })

  test(`the schema of ${kind.kind} bounds what rules and lists can cost`, () => {
    for (const { path, node } of nodes) {
      if (node['type'] === 'array') assert.ok(node['maxItems'], `${path} has maxItems`)
      if (node['additionalProperties']) assert.ok(node['maxProperties'], `${path} has maxProperties`)
      if (node['type'] === 'string' && !node['enum'] && node['format'] !== 'date-time') {
        assert.ok(node['maxLength'] || path.endsWith('.message'), `${path} has maxLength`)
      }
    }
  })

  test(`every field of ${kind.kind} is described`, () => {
    for (const { path, node } of nodes) {
      if (path.endsWith('.spec') || path.endsWith('.status') || path.endsWith('[]') || path.endsWith('[*]')) continue
      assert.ok(node['description'], path)
    }
  })

  test(`the CRD of ${kind.kind} has a status subresource and one stored version`, () => {
    const crd = JSON.parse(JSON.stringify(customResourceDefinition(kind)))
    assert.deepEqual(crd.spec.versions[0].subresources.status, {})
    assert.equal('scale' in crd.spec.versions[0].subresources, kind.scale !== undefined)
    assert.deepEqual([crd.spec.versions.length, crd.spec.versions[0].storage], [1, true])
    assert.match(crd.metadata.name, /^[a-z]+\.twinpost\.io$/)
  })
}

test('structuralSchema() refuses what a structural schema cannot say', () => {
  assert.throws(
    () => structuralSchema(z.object({ a: z.union([z.string(), z.object({ b: z.string() })]) })),
    /has a type/,
  )
  assert.throws(() => structuralSchema(z.object({ a: z.tuple([z.string(), z.int()]) })))
})

test('defaults of the schema and of the parser are the same', () => {
  const node = MailNode.parse({ apiVersion: 'twinpost.io/v1alpha1', kind: 'MailNode', metadata: { name: 'n1' } })
  assert.deepEqual(node.spec, {
    shards: 2,
    storage: { size: '10Gi' },
    durability: { inbound: { mode: 'required', degradedAfter: '2m' }, users: 'preferred' },
    giveBackAfter: '5m',
    paused: false,
    fenced: [],
    hibernated: false,
    edge: {
      listeners: {
        smtp: true,
        lmtp: false,
        submission: true,
        submissions: true,
        imap: true,
        imaps: true,
        pop3: true,
        pop3s: true,
      },
      service: { type: 'ClusterIP', externalTrafficPolicy: 'Local' },
      authentication: 'off',
      proxyNetworks: [],
    },
    resources: {},
    unsafe: { sameHost: false },
  })
})

test('crdReference() has a row for every field', () => {
  const page = crdReference(KINDS)
  for (const name of [
    'spec.durability.inbound.degradedAfter',
    'spec.engines[].timeoutSeconds',
    'status.conditions[].reason',
  ]) {
    assert.ok(page.includes(`| \`${name}\` |`), name)
  }
})
