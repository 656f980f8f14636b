import assert from 'node:assert/strict'
import { test } from 'node:test'
import { speaker } from './messages/mod.ts'
import { durationWords, whyWords } from './queue-words.ts'

const say = speaker('en')
const NOW = 1_000_000_000
const recipient = (given: Partial<Parameters<typeof whyWords>[1]>) => ({
  place: 0,
  address: 'ben@example.net',
  state: 'waiting' as const,
  dueMs: NOW,
  attempts: 0,
  reply: '',
  remote: '',
  ...given,
})

const cases: [name: string, given: Parameters<typeof recipient>[0], words: RegExp][] = [
  ['what is due', {}, /^about to be sent$/],
  ['what is scheduled', { dueMs: NOW + 600_000 }, /^to be sent in 10 min$/],
  [
    'what was refused for now, and by whom',
    { dueMs: NOW + 240_000, attempts: 3, reply: '451 4.7.1 Greylisted', remote: 'mx.example.net' },
    /^tried 3 times, again in 4 min; mx\.example\.net: 451 4\.7\.1 Greylisted$/,
  ],
  ['that nobody sends', { dueMs: NOW - 3_600_000 }, /^due for 60 min: .*no sender works/],
  ['what is held', { state: 'held' }, /^held .*no server has said anything$/],
  ['what is under way', { state: 'attempting', attempts: 1 }, /^being sent now \(try 2\)$/],
]
for (const [name, given, words] of cases) {
  test(`whyWords() tells ${name}`, () => assert.match(whyWords(say, recipient(given), NOW), words))
}

test('durationWords() rounds to what people say', () => {
  const times = [0, 44_600, 119_000, 121_000, 7_300_000, 86_400_000 * 5]
  assert.deepEqual(
    times.map((ms) => durationWords(say, ms)),
    ['0 s', '45 s', '119 s', '2 min', '2 h', '5 d'],
  )
})
