import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toEpoch, toLsn } from '#lib/mail/types.ts'
import { commonPoint } from './common-point.ts'
import { EPOCHS_SENT_MAX } from './limits.ts'
import type { LogOutline } from './messages.ts'

const tag = Buffer.from('tag.of.1')

/** `starts`: epoch, first LSN, and what stands for the chain value there; null if it is rotten, with the highest LSN of the begin. */
function outline(
  lastLsn: number,
  starts: [epoch: number, firstLsn: number, chain?: string | null, latestLsn?: number][],
  horizon = 0,
): LogOutline {
  const epochs = starts.map(([epoch, firstLsn, chain = `${epoch}@${firstLsn}`, latestLsn = firstLsn]) => ({
    epoch: toEpoch(epoch),
    firstLsn: toLsn(firstLsn),
    latestLsn: toLsn(latestLsn),
    chain: chain === null ? null : Buffer.from(chain.padEnd(32, '.')),
  }))
  return { tag, epochs, lastLsn: toLsn(lastLsn), commit: toLsn(0), horizon: toLsn(horizon) }
}

const many = Array.from({ length: EPOCHS_SENT_MAX }, (_, i): [number, number] => [i + 100, i + 100])

const cases: [name: string, primary: LogOutline, mirror: LogOutline, expected: string][] = [
  ["is the mirror's end when it is behind in the same epoch", outline(90, [[1, 1]]), outline(70, [[1, 1]]), 'at 70'],
  [
    "is the primary's end when the mirror is ahead in the same epoch",
    outline(70, [[1, 1]]),
    outline(90, [[1, 1]]),
    'at 70',
  ],
  [
    'is the end of the last common epoch when the mirror went on in one of its own',
    outline(90, [
      [1, 1],
      [5, 60],
    ]),
    outline(75, [
      [1, 1],
      [3, 70],
    ]),
    'at 59',
  ],
  [
    'is where the mirror left the epoch that both know',
    outline(90, [
      [1, 1],
      [2, 50],
      [4, 80],
    ]),
    outline(66, [
      [1, 1],
      [2, 50],
      [3, 61],
    ]),
    'at 60',
  ],
  [
    'is the end of the mirror in an old epoch when it was away',
    outline(900, [
      [1, 1],
      [2, 50],
      [4, 80],
    ]),
    outline(66, [
      [1, 1],
      [2, 50],
    ]),
    'at 66',
  ],
  [
    'is all that both have when they are equal',
    outline(90, [
      [1, 1],
      [2, 50],
    ]),
    outline(90, [
      [1, 1],
      [2, 50],
    ]),
    'at 90',
  ],
  [
    'is just before an epoch that the mirror synced and the primary began again',
    outline(59, [[1, 1]]),
    outline(60, [
      [1, 1],
      [2, 60],
    ]),
    'at 59',
  ],
  ['needs a full copy for an empty mirror', outline(90, [[1, 1]]), outline(0, []), 'copy'],
  [
    'needs a full copy for an empty mirror with another tag',
    outline(90, [[1, 1]]),
    { ...outline(0, []), tag: Buffer.from('another!') },
    'copy',
  ],
  ['needs a full copy below the horizon', outline(90, [[1, 1]], 71), outline(70, [[1, 1]]), 'copy reset'],
  ['needs none at the horizon', outline(90, [[1, 1]], 70), outline(70, [[1, 1]]), 'at 70'],
  ['needs a full copy after too many epochs', outline(9_999, many), outline(70, [[1, 1]]), 'copy reset'],
  [
    'does not exist for logs with different tags',
    outline(90, [[1, 1]]),
    { ...outline(90, [[1, 1]]), tag: Buffer.from('another!') },
    'differ',
  ],
  [
    'does not exist for an epoch that began with two records',
    outline(90, [[1, 1, 'x']]),
    outline(90, [[1, 1, 'y']]),
    'differ',
  ],
  [
    'does not exist for an epoch that began at two places',
    outline(90, [
      [1, 1],
      [2, 40],
    ]),
    outline(90, [
      [1, 1],
      [2, 41],
    ]),
    'differ',
  ],
  [
    'is not moved by rot in the first record of the common epoch',
    outline(90, [
      [1, 1],
      [2, 50],
    ]),
    outline(80, [
      [1, 1],
      [2, 50, null],
    ]),
    'at 80',
  ],
  [
    'is not moved by rot that hides where the common epoch begins on the mirror',
    outline(90, [
      [1, 1],
      [2, 50],
    ]),
    outline(80, [
      [1, 1],
      [2, 47, null, 55],
    ]),
    'at 80',
  ],
  [
    'is not moved by rot that hides where the common epoch begins on the primary',
    outline(90, [
      [1, 1],
      [2, 47, null, 91],
    ]),
    outline(95, [
      [1, 1],
      [2, 50],
    ]),
    'at 90',
  ],
  [
    "is at the latest begin of the mirror's own epoch if rot hides it",
    outline(90, [
      [1, 1],
      [5, 60],
    ]),
    outline(75, [
      [1, 1],
      [3, 50, null, 56],
    ]),
    'at 55',
  ],
  [
    'does not exist for an epoch that cannot have begun at one place',
    outline(90, [
      [1, 1],
      [2, 40],
    ]),
    outline(90, [
      [1, 1],
      [2, 41, null, 44],
    ]),
    'differ',
  ],
  ['does not exist without a common epoch', outline(90, [[1, 1]]), outline(90, [[2, 1]]), 'differ'],
  ['does not exist for an empty primary', outline(0, []), outline(9, [[1, 1]]), 'differ'],
]
for (const [name, primary, mirror, expected] of cases) {
  test(`commonPoint() ${name}`, () => {
    const point = commonPoint(primary, mirror)
    const words = { at: point.kind === 'at' ? `at ${point.lsn}` : '', differ: 'differ', 'full-copy': '' }[point.kind]
    assert.equal(words || (point.kind === 'full-copy' && point.reset ? 'copy reset' : 'copy'), expected)
  })
}
