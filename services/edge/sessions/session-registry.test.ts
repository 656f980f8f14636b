import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toAccountId } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { type LiveSession, SessionRegistry } from './session-registry.ts'

const account = toAccountId('annaaaaaaaaaaaaa')

function still(): { clock: Clock; atMs: (ms: number) => void } {
  let nowMs = 0
  const clock: Clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, after: () => () => {} }
  return {
    clock,
    atMs(ms) {
      nowMs = ms
    },
  }
}

test('SessionRegistry ends a session without traffic for its idle time, and no other', () => {
  const { clock, atMs } = still()
  const registry = new SessionRegistry(clock, 10)
  const ended: string[] = []
  const live = (name: string, traffic: () => number): LiveSession => ({
    account,
    idleMs: 1_000,
    traffic,
    end: () => ended.push(name),
  })
  let bytes = 0
  registry.add(live('busy', () => bytes))
  registry.add(live('quiet', () => 7))
  atMs(999)
  bytes = 1
  registry.sweep()
  assert.equal(ended.length, 0)
  atMs(1_000)
  registry.sweep()
  assert.equal(ended.join(), 'quiet')
  atMs(1_998)
  registry.sweep()
  assert.equal(ended.includes('busy'), false)
  atMs(1_999)
  registry.sweep()
  assert.equal(ended.includes('busy'), true)
})

test('SessionRegistry counts reservations by account', () => {
  const registry = new SessionRegistry(still().clock, 2)
  assert.equal(registry.reserve(account), true)
  assert.equal(registry.reserve(account), true)
  assert.equal(registry.reserve(account), false)
  registry.free(account)
  assert.equal(registry.reserve(account), true)
})
