/** What a MailNode says about users, read back by the edge's own settings. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadConfig } from '#lib/config/config.ts'
import { planContainer } from '#operator/cluster/local/container-plan.ts'
import { EdgeConfig } from '../../../services/edge/config.ts'
import { CLUSTER, mailNode } from '../testing/contexts.ts'
import { statefulSet } from './build.ts'

function edgeOf(edge: Record<string, unknown>) {
  const wish = { members: 2, disruptionsMax: 1, claimSize: null, onFilterFailure: 'tempfail' as const }
  const spec = statefulSet(mailNode('n1', { edge }), CLUSTER, wish).spec.template.spec
  const container = spec.containers.find(({ name }) => name === 'edge')
  assert.ok(container)
  const facts = { name: 'n1-0', namespace: 'mail', uid: 'u', ip: '127.70.1.1' }
  const mounts = (container.volumeMounts ?? []).map(({ mountPath }) => ({ mountPath, folder: `/at${mountPath}` }))
  const { env } = planContainer(container, facts, mounts, { node: 'node' }, () => '')
  const read = loadConfig('edge', EdgeConfig, { argv: [], env, readFile: () => '' })
  assert.ok(read.kind === 'config')
  const { scram, sharing, pop3LoginDelaySeconds, oidcIssuer, oidcAudience, oidcAddressClaim } = read.config
  return { scram, sharing, pop3LoginDelaySeconds, oidcIssuer, oidcAudience, oidcAddressClaim }
}

const DEFAULTS = {
  scram: true,
  sharing: false,
  pop3LoginDelaySeconds: 0,
  oidcIssuer: null,
  oidcAudience: 'twinpost',
  oidcAddressClaim: 'email',
}

test('an edge without a word about logins has its own defaults, and so has one with an empty word', () => {
  assert.deepEqual(edgeOf({}), DEFAULTS)
  assert.deepEqual(edgeOf({ logins: {} }), DEFAULTS)
})

test('an edge lets users log in as its MailNode says', () => {
  const issuer = 'https://login.example.test/realms/mail'
  const logins = { scram: false, sharing: true, pop3DelaySeconds: 60, oidc: { issuer, addressClaim: 'upn' } }
  assert.deepEqual(edgeOf({ logins }), {
    scram: false,
    sharing: true,
    pop3LoginDelaySeconds: 60,
    oidcIssuer: issuer,
    oidcAudience: 'twinpost',
    oidcAddressClaim: 'upn',
  })
})
