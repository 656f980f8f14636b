import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MailNode, MailNodeStatus } from '#operator/api/mail-node.ts'
import { type MailNodeFacts, saysAlready, statusOf } from './mail-node-status.ts'

const AT = Date.parse('2026-03-01T10:00:00.500Z')
const node = (status?: unknown, generation = 3) =>
  MailNode.parse({
    apiVersion: 'twinpost.io/v1alpha1',
    kind: 'MailNode',
    metadata: { name: 'n1', generation },
    ...(status === undefined ? {} : { status }),
  })
const running: MailNodeFacts = { phase: 'Running', ready: true, message: '2 of 2 members are ready' }
const degraded: MailNodeFacts = { phase: 'Degraded', ready: false, message: '1 of 2 members are ready' }

test('statusOf() is what the schema of the resource takes', () => {
  for (const facts of [running, degraded]) {
    assert.ok(MailNodeStatus.strict().safeParse(statusOf(node(), facts, AT)).success)
  }
})

test('statusOf() keeps the time of a condition until its status changes', () => {
  const first = statusOf(node(), degraded, AT)
  assert.equal(first.conditions[0]?.lastTransitionTime, '2026-03-01T10:00:00Z')
  const same = statusOf(node(first), { ...degraded, phase: 'Starting' }, AT + 60_000)
  assert.equal(same.conditions[0]?.lastTransitionTime, '2026-03-01T10:00:00Z')
  const other = statusOf(node(first), running, AT + 60_000)
  assert.equal(other.conditions[0]?.lastTransitionTime, '2026-03-01T10:01:00Z')
})

test('saysAlready() is true for the very facts that were written, and false for any other', () => {
  const written = statusOf(node(), running, AT)
  assert.equal(saysAlready(node(written), statusOf(node(written), running, AT + 60_000)), true)
  assert.equal(saysAlready(node(), written), false)
  assert.equal(saysAlready(node(written), statusOf(node(written), degraded, AT)), false)
  assert.equal(saysAlready(node(written, 4), statusOf(node(written, 4), running, AT)), false, 'another generation')
  const otherWords = statusOf(node(written), { ...running, message: 'all is well' }, AT)
  assert.equal(saysAlready(node(written), otherWords), false)
})
