import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Namespace, type Pod, type Policy, rulesOf } from './network-policy.ts'

const pod = (name: string, namespace: string, ip: string, labels = {}): Pod => ({
  metadata: { name, namespace, labels },
  spec: { containers: [{ ports: [{ name: 'imap', containerPort: 2143 }] }] },
  status: { podIP: ip, phase: 'Running' },
})
const PODS = [
  pod('n1-0', 'mail', '10.244.1.2', { app: 'n1' }),
  pod('n1-1', 'mail', '10.244.2.2', { app: 'n1' }),
  pod('client', 'other', '10.244.1.9', { app: 'client' }),
]
const NAMESPACES: Namespace[] = [
  { metadata: { name: 'mail', labels: { team: 'mail' } } },
  { metadata: { name: 'other', labels: { team: 'clients' } } },
]
const policy = (spec: Policy['spec']): Policy => ({ metadata: { name: 'p', namespace: 'mail' }, spec })

/** The rules in the chain of one pod. */
function chainOf(rules: string, chain: string): string[] {
  const body =
    new RegExp(`chain ${chain} \\{\\n([^}]*?)\\n  \\}`).exec(rules.replace(/\{ ([^}\n]*) \}/g, '<$1>'))?.[1] ?? ''
  return body.split('\n').map((line) => line.trim())
}

test('rulesOf() touches no pod that no policy selects', () => {
  assert.doesNotMatch(rulesOf(PODS, NAMESPACES, []), /drop/)
  const rules = rulesOf(PODS, NAMESPACES, [policy({ podSelector: { matchLabels: { app: 'none' } } })])
  assert.doesNotMatch(rules, /drop/)
})

test('rulesOf() accepts from the named peers on the named ports and drops the rest', () => {
  const rules = rulesOf(PODS, NAMESPACES, [
    policy({
      podSelector: { matchLabels: { app: 'n1' } },
      ingress: [
        { from: [{ podSelector: { matchLabels: { app: 'n1' } } }], ports: [{ port: 7100, endPort: 7115 }] },
        { from: [{ namespaceSelector: { matchLabels: { team: 'clients' } } }], ports: [{ port: 'imap' }] },
        { from: [{ ipBlock: { cidr: '172.29.0.0/24', except: ['172.29.0.13/32'] } }] },
      ],
    }),
  ])
  assert.deepEqual(chainOf(rules, 'ingress_10_244_1_2'), [
    'ip saddr <10.244.1.2, 10.244.2.2> tcp dport 7100-7115 accept',
    'ip saddr <10.244.1.9> tcp dport 2143 accept',
    'ip saddr 172.29.0.0/24 ip saddr != <172.29.0.13/32> accept',
    'drop',
  ])
  assert.match(rules, /ip daddr 10\.244\.2\.2 jump ingress_10_244_2_2/)
  assert.doesNotMatch(rules, /10_244_1_9/)
})

test('rulesOf() with an empty policy drops everything, with an empty rule accepts everything', () => {
  const closed = rulesOf(PODS, NAMESPACES, [policy({ podSelector: {}, policyTypes: ['Egress'] })])
  assert.deepEqual(chainOf(closed, 'egress_10_244_1_2'), ['drop'])
  const open = rulesOf(PODS, NAMESPACES, [policy({ podSelector: {}, ingress: [{}] })])
  assert.deepEqual(chainOf(open, 'ingress_10_244_1_2'), ['accept', 'drop'])
})
