import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FrameType } from '#lib/frames/shard-protocol.ts'
import { identityFromAltNames, identityUri, maySend, ROLES, type Role } from './roles.ts'

const altNames: [name: string, text: string | undefined, want: string | null][] = [
  [
    'finds the one URI among other names',
    'DNS:n1-0.n1, URI:twinpost://edge/n1-0, IP Address:127.0.0.1',
    'twinpost://edge/n1-0',
  ],
  ['refuses two identities', 'URI:twinpost://edge/n1-0, URI:twinpost://cli/admin', null],
  ['refuses an unknown role', 'URI:twinpost://root/n1-0', null],
  ['refuses a foreign scheme', 'URI:spiffe://edge/n1-0', null],
  ['refuses a name hidden in a DNS entry', 'DNS:URI:twinpost://edge/n1-0', null],
  ['refuses no names at all', undefined, null],
  ['refuses an owner with odd characters', 'URI:twinpost://edge/n1-0%2Fcli', null],
]
for (const [name, text, want] of altNames) {
  test(`identityFromAltNames() ${name}`, () => {
    const identity = identityFromAltNames(text)
    assert.equal(identity && identityUri(identity), want)
  })
}

const senders: Record<keyof typeof FrameType, readonly Role[]> = {
  hello: ROLES,
  recipientsCheck: ['edge'],
  deliverBegin: ['edge'],
  deliverData: ['edge'],
  deliverEnd: ['edge'],
  queueBegin: ['edge'],
  quarantineBegin: ['edge'],
  quarantineEnd: ['edge'],
  quarantineOrder: ['cli', 'operator'],
  explainQuery: ['cli', 'operator'],
  queueTake: ['edge'],
  queueRead: ['edge'],
  queueConfirm: ['edge'],
  queueResult: ['edge'],
  queueHolding: ['edge'],
  queueOrder: ['cli', 'operator'],
  sessionOpen: ['edge', 'cli'],
  accountCommand: ['provision', 'cli', 'operator'],
  sessionsEnd: ['edge', 'provision', 'cli', 'operator'],
  statusQuery: ['edge', 'member', 'provision', 'cli', 'operator'],
  roleCommand: ['cli', 'operator'],
  replicaOpen: ['member'],
  moveOrder: ['provision', 'cli', 'operator'],
  moveAsk: ['member'],
  moveData: ['member'],
  moveEnd: ['member'],
  // Answers: nobody may send them to a shard.
  refused: [],
  recipientsVerdict: [],
  deliverResult: [],
  accountResult: [],
  statusReport: [],
  done: [],
  roleResult: [],
  sessionOpened: [],
  queueItems: [],
  queueBytes: [],
  queueReport: [],
  quarantineReport: [],
  explainReport: [],
  moveReport: [],
  moveAnswer: [],
}
for (const [frame, roles] of Object.entries(senders) as [keyof typeof FrameType, readonly Role[]][]) {
  for (const role of ROLES) {
    test(`maySend() ${roles.includes(role) ? 'lets' : 'keeps'} ${role} ${roles.includes(role) ? 'send' : 'from sending'} ${frame}`, () =>
      assert.equal(maySend(role, FrameType[frame]), roles.includes(role)))
  }
}
