/**
 * Wrong words and wrong papers at the TLS port of a shard: each is refused, the connection closed, the matter logged and
 * counted, and the pair goes on as if nothing had been.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { encodeFrame, FrameDecoder } from '#lib/frames/codec.ts'
import { encodeHello, encodeReplicaOpen, FrameType, type Purpose } from '#lib/frames/shard-protocol.ts'
import { toEpoch, toShardName } from '#lib/mail/types.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { identityUri, type Role } from '#lib/tls/roles.ts'
import { createAuthority, issueLeaf } from '#operator/pki/certificates.ts'
import { decodeMessage, encodeMessage } from '#shard/replication/messages.ts'
import { type Endpoint, type ShardLine, TestArray } from './support/array.ts'
import { metric, type Papers, papersOf, sayOnLink, sayPlain, sayTls } from './support/links.ts'
import { pairInSync, pour, waitFor } from './support/pour.ts'

const SHARD = toShardName('n1/0')
const LINK_PORT = 7100
const METRICS_PORT = 9110
const COUNTER = 'twinpost_shard_links_broken_total'
const GARBAGE = Buffer.from('GET / HTTP/1.1\r\nHost: shard\r\n\r\n')
const FOUR_GIB = Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 1, 0, 0, 0, 1])

let array: TestArray
let before_: ShardLine
/** The mirror: it listens for replication in every role. */
let place: Endpoint
let counters: Endpoint
before(async () => {
  array = await TestArray.start({ small: true })
  await pairInSync(array, SHARD)
  await array.must('switchover', SHARD) // so that there is an epoch that is over
  before_ = await pairInSync(array, SHARD)
  assert.equal(before_.mirror?.member, 'n1-0')
  place = { host: array.podAddress('n1-0'), port: LINK_PORT }
  counters = { host: place.host, port: METRICS_PORT }
})
after(() => array?.remove())

async function foreign(role: Role): Promise<Papers> {
  const authority = await createAuthority('somebody else', Date.now(), nodeRandom)
  const request = { commonName: role, dns: [], ips: [], uris: [identityUri({ role, owner: 'n1-1' })] }
  return { ...(await issueLeaf(authority, request, Date.now(), nodeRandom)), ca: authority.cert }
}

const hello = (purpose: Purpose, shard = SHARD) =>
  encodeFrame(FrameType.hello, 0, encodeHello({ shard, caller: 'hostile', purpose }))
const replicaOpen = () => encodeFrame(FrameType.replicaOpen, 0, encodeReplicaOpen('data'))

/** As channels of replication carry them: | length u32 | frame |. */
function onChannel(pieces: readonly Uint8Array[]): Buffer {
  const frame = Buffer.concat(pieces)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(frame.length)
  return Buffer.concat([length, frame])
}

function attach(epoch: number, shard = SHARD): Buffer {
  const replica = { id: `${SHARD}@1#hostile`, member: 1, podUid: 'u', incarnation: 'hostile', bootId: 'hostile' }
  const message = { kind: 'attach', shard, link: 1, ledgerVersion: 1, inSync: true, replica } as const
  return onChannel(encodeMessage(toEpoch(epoch), message))
}

const member = () => papersOf(array, 'n1-1', 'member')
const edge = () => papersOf(array, 'n1-1', 'edge')
const replica = (bytes: Buffer) => Buffer.concat([hello('replica'), replicaOpen(), bytes])

const cases: [name: string, say: () => Promise<Buffer>, logged: RegExp, answered?: RegExp][] = [
  ['bytes that are not TLS', () => sayPlain(place, GARBAGE), /"msg":"connection turned away"/],
  ['no certificate', () => sayTls(place, {}, GARBAGE), /"msg":"connection turned away"/],
  ['a certificate of another authority', async () => sayTls(place, await foreign('member'), GARBAGE), /turned away/],
  ['TLS without HTTP/2', () => sayTls(place, member(), GARBAGE, 'http/1.1'), /connection turned away/],
  ['garbage where HTTP/2 is spoken', () => sayTls(place, member(), GARBAGE), /connection turned away/],
  ['garbage on a stream', () => sayOnLink(place, edge(), GARBAGE), /link turned away/],
  ['a frame of 4 GiB', () => sayOnLink(place, edge(), FOUR_GIB), /Cannot take a frame of 4294967295 bytes/],
  [
    'a frame of 4 GiB after hello',
    () => sayOnLink(place, edge(), Buffer.concat([hello('rpc'), FOUR_GIB])),
    /Cannot take a frame of 4294967295 bytes/,
  ],
  [
    'the name of another shard',
    () => sayOnLink(place, edge(), hello('rpc', toShardName('n1/1'))),
    /This is n1\/0, not n1\/1/,
    /This is n1\/0, not n1\/1/,
  ],
  [
    'replication with the certificate of an edge',
    () => sayOnLink(place, edge(), replica(attach(99))),
    /edge n1-1 is not the other member/,
    /is not the other member/,
  ],
  [
    'replication with the certificate of this very member',
    () => sayOnLink(place, papersOf(array, 'n1-0', 'member'), replica(attach(99))),
    /member n1-0 is not the other member/,
    /is not the other member/,
  ],
  [
    'garbage on a channel of replication',
    () => sayOnLink(place, member(), replica(onChannel([GARBAGE]))),
    /"kind":"bad-frame","code":"PEER_/,
  ],
  [
    'a frame of 4 GiB on a channel of replication',
    () => sayOnLink(place, member(), replica(FOUR_GIB)),
    /the peer announced a frame of 4294967295 bytes/,
  ],
  [
    'records on a channel of replication that was not attached',
    () => {
      const batch = encodeMessage(toEpoch(before_.epoch), { kind: 'more', piece: GARBAGE })
      return sayOnLink(place, member(), replica(onChannel(batch)))
    },
    /Cannot begin a channel with more/,
  ],
]
for (const [name, say, logged, answered] of cases) {
  test(`${name}: closed, logged, counted`, async () => {
    const counted = await metric(counters, COUNTER)
    const seen = array.log('n1-0', 'shard-0').length
    const answer = (await say()).toString('latin1')
    if (answered) assert.match(answer, answered)
    await waitFor(`${logged} in the log`, async () =>
      logged.test(array.log('n1-0', 'shard-0').slice(seen)) ? true : null,
    )
    assert.ok((await metric(counters, COUNTER)) > counted, `${COUNTER} went up`)
  })
}

test('an attach of an epoch that is over, or for another shard, is refused, logged and counted', async () => {
  for (const [bytes, reason] of [
    [attach(before_.epoch - 1), 'stale-epoch'],
    [attach(before_.epoch + 1, toShardName('n1/1')), 'wrong-shard'],
  ] as const) {
    const counted = await metric(counters, COUNTER)
    const seen = array.log('n1-0', 'shard-0').length
    const decoder = new FrameDecoder()
    decoder.push(await sayOnLink(place, member(), replica(bytes)))
    assert.equal(decoder.next()?.type, FrameType.done, 'the channel is opened: the peer may speak')
    const message = decodeMessage(decoder.rest().subarray(4))
    assert.ok(message.kind === 'refused' && message.reason === reason, JSON.stringify(message))
    assert.match(array.log('n1-0', 'shard-0').slice(seen), new RegExp(`"kind":"refused","reason":"${reason}"`))
    assert.ok((await metric(counters, COUNTER)) > counted)
  }
})

test('the pair goes on as before: same epoch, same members, both in sync, no process started again', async () => {
  const after_ = await pairInSync(array, SHARD)
  assert.deepEqual([after_.epoch, after_.primary, after_.mirror], [before_.epoch, before_.primary, before_.mirror])
  const { accepted } = await pour(array, 'after', array.account('alice').address, 20)
  assert.equal(accepted.length, 20)
})
