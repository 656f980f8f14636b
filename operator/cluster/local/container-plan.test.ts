import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Container } from '../objects.ts'
import { expandVariables, planContainer, rewritePath, rewritePathsInText } from './container-plan.ts'

const mounts = [
  { mountPath: '/var/lib/twinpost', folder: '/home/a/.twinpost/volumes/data-n1-0' },
  { mountPath: '/var/lib/twinpost/deep', folder: '/elsewhere' },
  { mountPath: '/run/twinpost', folder: '/tmp/tp' },
]
const paths: [name: string, text: string, want: string][] = [
  ['rewrites a mount path', '/run/twinpost', '/tmp/tp'],
  ['rewrites what lies below', '/run/twinpost/shard-0.sock', '/tmp/tp/shard-0.sock'],
  ['takes the longest mount path', '/var/lib/twinpost/deep/a', '/elsewhere/a'],
  ['leaves a path that only begins alike', '/run/twinposted', '/run/twinposted'],
  ['leaves a path in the middle of a text', 'unix:/run/twinpost', 'unix:/run/twinpost'],
  ['leaves other paths', '/etc/passwd', '/etc/passwd'],
]
for (const [name, text, want] of paths) {
  test(`rewritePath() ${name}`, () => assert.equal(rewritePath(text, mounts), want))
}

test('rewritePathsInText() rewrites at the beginning of words, each place once', () => {
  const text = 'store_dir: "/var/lib/twinpost/deep/js"\nfile=/run/twinpost/a;b /run/twinposted x/run/twinpost\n'
  assert.equal(
    rewritePathsInText(text, mounts),
    'store_dir: "/elsewhere/js"\nfile=/tmp/tp/a;b /run/twinposted x/run/twinpost\n',
  )
})

test('rewritePath() never touches a text that holds no mount path', () =>
  fc.assert(
    fc.property(fc.string(), (text) => {
      fc.pre(!text.startsWith('/run/twinpost') && !text.startsWith('/var/lib/twinpost'))
      assert.equal(rewritePath(text, mounts), text)
    }),
  ))

const SHELL = ['$POD $', '{POD}'].join('')
const expansions: [name: string, text: string, want: string][] = [
  ['puts a variable in', '/etc/tls/$(POD)', '/etc/tls/n1-0'],
  ['leaves an unknown one', '$(NOBODY)', '$(NOBODY)'],
  ['leaves an escaped one', '$$(POD)', '$(POD)'],
  ['leaves shell syntax', SHELL, SHELL],
  ['puts several in', '$(POD).$(POD)', 'n1-0.n1-0'],
]
for (const [name, text, want] of expansions) {
  test(`expandVariables() ${name}`, () => assert.equal(expandVariables(text, { POD: 'n1-0' }), want))
}

const pod = { name: 'n1-0', namespace: 'default', uid: 'u', ip: '127.70.1.1' }
const container: Container = {
  name: 'shard-0',
  image: 'i',
  command: ['node', 'services/shard/main.ts'],
  args: ['--addr', '$(IP)', '--store=/var/lib/twinpost/js', '/run/twinpost'],
  env: [
    { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
    { name: 'UID', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } },
    { name: 'WORD', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } },
    { name: 'SOCKET', value: '/run/twinpost/$(WORD)' },
    { name: 'LATE', value: '$(LATER)' },
    { name: 'LATER', value: 'x' },
  ],
}

test('planContainer() resolves fields, secrets, earlier variables and paths', () =>
  assert.deepEqual(
    planContainer(container, pod, mounts, { node: '/bin/node' }, (name, key) => `${name}.${key}`),
    {
      program: '/bin/node',
      args: [
        'services/shard/main.ts',
        '--addr',
        '127.70.1.1',
        '--store=/home/a/.twinpost/volumes/data-n1-0/js',
        '/tmp/tp',
      ],
      env: { IP: '127.70.1.1', UID: 'u', WORD: 's.k', SOCKET: '/tmp/tp/s.k', LATE: '$(LATER)', LATER: 'x' },
    },
  ))

test('planContainer() refuses a program that has no local counterpart', () =>
  assert.throws(
    () => planContainer({ ...container, command: ['sh', '-c', 'true'] }, pod, [], { node: 'n' }, () => ''),
    { code: 'LOCAL_UNSUPPORTED' },
  ))
