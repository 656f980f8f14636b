import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { z } from 'zod'
import { loadConfig } from '#lib/config/config.ts'
import { planContainer } from '#operator/cluster/local/container-plan.ts'
import type { Manifest } from '#operator/cluster/objects.ts'
import { DirectoryConfig } from '../../../services/directory/config.ts'
import { ProvisionConfig } from '../../../services/provision/config.ts'
import { inApplyOrder } from '../array-context.ts'
import { LOCAL } from '../testing/contexts.ts'
import { assertGolden } from '../testing/golden.ts'
import { directoryObjects, mailService, natsObjects, provisionObjects } from './build.ts'

const objects = [
  ...natsObjects(LOCAL, 'port: 4222\n'),
  ...directoryObjects(LOCAL),
  ...provisionObjects(LOCAL),
  mailService(LOCAL),
]

test('the services of an array render as the golden file says', () =>
  assertGolden(join(import.meta.dirname, 'golden', 'local.yaml'), inApplyOrder(objects)))

test('no container runs with more rights than the restricted profile lets it', () => {
  for (const { template, name } of templatesOf(objects)) {
    assert.equal(template.spec.securityContext?.['runAsNonRoot'], true, name)
    for (const container of template.spec.containers) {
      assert.equal(container.securityContext?.['allowPrivilegeEscalation'], false, container.name)
      assert.deepEqual(container.securityContext?.['capabilities'], { drop: ['ALL'] }, container.name)
    }
  }
})

const services: [name: string, schema: z.ZodObject][] = [
  ['directory', DirectoryConfig],
  ['provision', ProvisionConfig],
]
for (const [name, schema] of services) {
  test(`container ${name} gets settings that its service takes`, () => {
    const container = templatesOf(objects).find((one) => one.name === name)?.template.spec.containers[0]
    assert.ok(container)
    const pod = { name: `${name}-0`, namespace: 'default', uid: 'u', ip: '127.70.2.1' }
    const { env } = planContainer(container, pod, [], { node: 'node' }, () => '')
    assert.equal(loadConfig(name, schema, { argv: [], env, readFile: () => '' }).kind, 'config')
  })
}

function templatesOf(manifests: readonly Manifest[]) {
  return manifests.flatMap((manifest) =>
    manifest.kind === 'StatefulSet' || manifest.kind === 'Deployment'
      ? [{ name: manifest.metadata.name, template: manifest.spec.template }]
      : [],
  )
}
