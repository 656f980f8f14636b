import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { type TestContext, test } from 'node:test'
import { clusterDns, createClusterLookup } from './cluster-names.ts'

const POD = 'search mail.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n'

test('clusterDns() reads what the kubelet writes into a pod, and takes nothing else for a pod', () => {
  assert.deepEqual(clusterDns(POD), { domain: 'cluster.local', servers: ['10.96.0.10'] })
  assert.deepEqual(clusterDns('nameserver fd00::a\nsearch x.svc.k8s.example svc.k8s.example\n'), {
    domain: 'k8s.example',
    servers: ['fd00::a'],
  })
  assert.equal(clusterDns('search example.com\nnameserver 1.1.1.1\n'), null)
  assert.equal(clusterDns(''), null)
})

/** A DNS server that answers with `address()`: null says that there is no such name, undefined nothing at all. */
async function dnsServer(t: TestContext, address: (name: string) => string | null | undefined) {
  const socket = createSocket('udp4')
  const asked: string[] = []
  const ports = new Set<number>()
  socket.on('message', (query, { port, address: from }) => {
    const labels: string[] = []
    let at = 12
    for (let length = query[at] ?? 0; length > 0; at += length + 1, length = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length))
    }
    const question = query.subarray(12, at + 5)
    const name = labels.join('.')
    asked.push(name)
    ports.add(port)
    const found = address(name)
    if (found === undefined) return
    const header = Buffer.from(query.subarray(0, 12))
    header.writeUInt16BE(found === null ? 0x8183 : 0x8180, 2) // RFC 1035 section 4.1.1: name error, or none
    header.writeUInt16BE(found === null ? 0 : 1, 6)
    header.writeUInt16BE(0, 10) // without the additional record that the query had
    const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, ...(found ?? '').split('.').map(Number)])
    socket.send(Buffer.concat([header, question, ...(found === null ? [] : [record])]), port, from)
  })
  await new Promise<void>((done) => socket.bind(0, '127.0.0.1', done))
  t.after(() => socket.close())
  const lookup = createClusterLookup({ domain: 'cluster.local', servers: [`127.0.0.1:${socket.address().port}`] })
  return { lookup, asked, ports }
}

test('A name is asked for once, in full, and only names of the cluster are', async (t) => {
  const { lookup, asked } = await dnsServer(t, () => '10.244.1.7')
  assert.deepEqual(await lookup('n1-0.n1.mail.svc'), ['10.244.1.7'])
  assert.equal(await lookup('mx.example.com'), undefined)
  assert.deepEqual(asked, ['n1-0.n1.mail.svc.cluster.local'])
})

test('A question that is lost is asked again from another port, and costs a fraction of a second', async (t) => {
  let lost = 2
  const { lookup, asked, ports } = await dnsServer(t, () => (lost-- > 0 ? undefined : '10.244.1.7'))
  assert.deepEqual(await lookup('n1-0.n1.mail.svc'), ['10.244.1.7'])
  assert.equal(asked.length, 3)
  assert.equal(ports.size, 3, 'a proxy chooses another server only for another port')
})

test('Without any answer the last one holds; a name that is gone is forgotten', async (t) => {
  let answer: string | null | undefined = '10.244.1.7'
  const { lookup } = await dnsServer(t, () => answer)
  assert.deepEqual(await lookup('n1-0.n1.mail.svc'), ['10.244.1.7'])
  answer = undefined
  assert.deepEqual(await lookup('n1-0.n1.mail.svc'), ['10.244.1.7'])
  assert.deepEqual(await lookup('n1-1.n1.mail.svc'), [])
  answer = null
  assert.deepEqual(await lookup('n1-0.n1.mail.svc'), [])
  answer = undefined
  assert.deepEqual(await lookup('n1-0.n1.mail.svc'), [])
})
