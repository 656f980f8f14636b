import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MailNode, MailNodeStatus } from '#operator/api/mail-node.ts'
import { saysAlready } from '#operator/controllers/conditions.ts'
import { type MailNodeFacts, statusOf } from './mail-node-status.ts'

const AT = Date.parse('2026-03-01T10:00:00.500Z')
const node = (status?: unknown, spec: object = {}) =>
  MailNode.parse({
    apiVersion: 'twinpost.io/v1alpha1',
    kind: 'MailNode',
    metadata: { name: 'n1', generation: 3 },
    spec,
    ...(status === undefined ? {} : { status }),
  })
const running: MailNodeFacts = {
  phase: { phase: 'Running', ready: true, message: '2 of 2 members are ready' },
  action: { kind: 'none' },
  shards: [
    { shard: 'n1/0', epoch: 4, primary: 'n1-1', inSync: ['n1-1', 'n1-0'] },
    { shard: 'n1/1', epoch: 2, primary: 'n1-1', inSync: ['n1-0', 'n1-1'] },
  ],
  outdated: 0,
  volumes: null,
}
const alone: MailNodeFacts = {
  ...running,
  phase: { phase: 'Degraded', ready: false, message: '1 of 2 members are ready; n1-0: edge ImagePullBackOff' },
  shards: [{ shard: 'n1/0', epoch: 5, primary: 'n1-1', inSync: ['n1-1'] }],
}

/** Status and reason of each condition. */
const conditions = (facts: MailNodeFacts, spec: object = {}) =>
  Object.fromEntries(
    (statusOf(node(undefined, spec), facts, AT).conditions ?? []).map(({ type, status, reason }) => [
      type,
      `${status} ${reason}`,
    ]),
  )

test('statusOf() is what the schema of the resource takes', () => {
  for (const facts of [running, alone, { ...running, shards: null }]) {
    assert.ok(MailNodeStatus.strict().safeParse(statusOf(node(), facts, AT)).success)
  }
})

test('statusOf() tells of each shard who is primary, who mirrors, in which epoch', () => {
  const { shards } = statusOf(node(), running, AT)
  assert.deepEqual(shards?.[0], {
    shard: 'n1/0',
    epoch: 4,
    primary: { member: 'n1-1' },
    mirror: { member: 'n1-0' },
    inSync: ['n1-0', 'n1-1'],
  })
  const [one] = statusOf(node(), alone, AT).shards ?? []
  assert.equal(one?.mirror, undefined)
})

test('statusOf() has one condition for each question, with a reason of one word', () => {
  assert.deepEqual(conditions(running), {
    Ready: 'True MembersReady',
    InSync: 'True TwoCopies',
    UpToDate: 'True AsSpecified',
  })
  assert.deepEqual(conditions(alone), {
    Ready: 'False OneMemberReady',
    InSync: 'False OneCopy',
    UpToDate: 'True AsSpecified',
  })
  const unread: MailNodeFacts = { ...running, shards: [{ shard: 'n1/0', epoch: 0, primary: null, inSync: [] }] }
  assert.equal(conditions(unread)['InSync'], 'Unknown NoLedgerEntry')
  assert.equal(conditions({ ...running, outdated: 2 })['UpToDate'], 'False Rolling')
  assert.equal(conditions({ ...running, volumes: 'Volumes grow to 20Gi: a' })['UpToDate'], 'False VolumesGrow')
  const waiting: MailNodeFacts = { ...running, action: { kind: 'wait', reason: 'PeerNotReady', message: 'a' } }
  assert.equal(conditions(waiting)['UpToDate'], 'False PeerNotReady')
  assert.equal(conditions(running, { paused: true })['Paused'], 'True SpecPaused')
})

test('statusOf() says in words what is wrong and what is waited for', () => {
  const waiting: MailNodeFacts = {
    ...alone,
    action: { kind: 'wait', reason: 'ShardOutOfSync', message: 'n1/0 has one copy only' },
    volumes: 'Volumes grow to 20Gi: data-n1-0',
  }
  assert.equal(
    statusOf(node(), waiting, AT).phaseReason,
    '1 of 2 members are ready; n1-0: edge ImagePullBackOff; Rolling waits: n1/0 has one copy only; Volumes grow to 20Gi: data-n1-0',
  )
})

test('statusOf() keeps the time of a condition until its status changes, and says nothing new about the same facts', () => {
  const first = statusOf(node(), alone, AT)
  assert.equal(first.conditions?.[0]?.lastTransitionTime, '2026-03-01T10:00:00Z')
  assert.ok(saysAlready(node(first).status, statusOf(node(first), alone, AT + 60_000)))
  const other = statusOf(node(first), running, AT + 60_000)
  assert.equal(other.conditions?.[0]?.lastTransitionTime, '2026-03-01T10:01:00Z')
  assert.equal(saysAlready(node(first).status, other), false)
})
