import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type HorizonFacts, horizon } from './horizon.ts'

const DAY_MS = 86_400_000
const BASE: HorizonFacts = {
  commit: 900,
  durable: 1_000,
  indexLsn: 950,
  followers: [],
  logBytes: 1e9,
  limits: { lagBytesMax: 5e8, awayMsMax: 7 * DAY_MS },
}
const peer = (lsn: number | null, awayMs = 0) => ({ name: 'peer', lsn, awayMs })

const table: [name: string, facts: Partial<HorizonFacts>, lsn: number, needFullCopy: string[]][] = [
  ['is never above commit, whatever is durable', {}, 900, []],
  ['is never above what the index holds after a crash', { indexLsn: 400 }, 400, []],
  ['is never above what is durable here', { durable: 300 }, 300, []],
  ['waits for a replica that lags', { followers: [peer(600, DAY_MS)] }, 600, []],
  ['waits for the slowest of all', { followers: [peer(800), { name: 'events', lsn: 700, awayMs: 0 }] }, 700, []],
  ['waits at the begin for a replica that was not heard of', { followers: [peer(null, DAY_MS)] }, 0, []],
  ['gives up who lags too many bytes', { followers: [peer(400, DAY_MS)] }, 900, ['peer']],
  ['gives up who was away for too long', { followers: [peer(899, 8 * DAY_MS)] }, 900, ['peer']],
  ['gives up who was never heard of for too long', { followers: [peer(null, 8 * DAY_MS)] }, 900, ['peer']],
  ['knows no lag in an empty log', { durable: 0, commit: 0, indexLsn: 0, followers: [peer(0)] }, 0, []],
  [
    'waits for the others when one is given up',
    { followers: [peer(10, 8 * DAY_MS), { name: 'backup', lsn: 850, awayMs: 0 }] },
    850,
    ['peer'],
  ],
]
for (const [name, facts, lsn, needFullCopy] of table) {
  test(`The horizon ${name}`, () => assert.deepEqual(horizon({ ...BASE, ...facts }), { lsn, needFullCopy }))
}
