/**
 * What breaks a pair on a real cluster, one thing after another on one array under load (E2E=all). Each case ends with the same verdict,
 * read from the mail (testing/fault-run.ts), and a row of the table that is printed at the end.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { onlyInAll } from '../support/extent.ts'
import { letter } from '../support/pour.ts'
import { ClusterArray, SYSTEM } from './testing/cluster-array.ts'
import { findDriver } from './testing/driver.ts'
import { type FaultRow, FaultRun, tableOf } from './testing/fault-run.ts'
import { deliverFromNode } from './testing/from-node.ts'
import { isReady, until } from './testing/kubectl.ts'

const driver = onlyInAll === false ? await findDriver() : onlyInAll
const skip = typeof driver === 'string' ? driver : false
const skipBreaking =
  skip || (typeof driver !== 'string' && !driver.breaks && 'the machines of this cluster are not ours')
/** Far above what a quiet machine needs (docs/kubernetes.md): a machine that does other things as well is slow, not wrong. */
const FAILOVER_MS = 45_000
const FREEZE_MS = 60_000
const API_AWAY_MS = 60_000

let array: ClusterArray
const rows: FaultRow[] = []

before(async () => {
  if (typeof driver === 'string') return
  array = await ClusterArray.install(driver)
  await array.mailNode('n1')
  await array.accounts({ alice: 'n1/0', bob: 'n1/1' })
})
after(async () => {
  console.log(`\n${tableOf(rows)}`)
  await array?.remove()
})

const kubectl = (...args: string[]) => array.kubectl.run(args)
const inArray = (...args: string[]) => kubectl('-n', array.namespace, ...args)
const nodeOf = async (pod: string) => (await array.member(pod)).spec.nodeName ?? ''

/** One case: the row of the table, and an assertion about it. */
function note(row: FaultRow, withinMs = FAILOVER_MS): FaultRow {
  rows.push(row)
  console.log(row.text)
  assert.ok(row.servedMs < withinMs, row.text)
  return row
}

async function containersOf(pod: string): Promise<{ node: string; ids: ReadonlyMap<string, string> }> {
  const found = await array.member(pod)
  const ids = (found.status.containerStatuses ?? []).map(
    ({ name, containerID = '' }) => [name, containerID.replace(/^.*:\/\//, '')] as const,
  )
  return { node: found.spec.nodeName ?? '', ids: new Map(ids) }
}

test('kill -9 of the primary: the kubelet starts it again, the other member serves meanwhile', {
  skip: skipBreaking,
}, async () => {
  const run = await FaultRun.start(array, 'n1/0')
  const { node, ids } = await containersOf(run.primary)
  const row = await run.through('kill -9 of the primary process', async () => {
    await array.driver.kill(node, ids.get('shard-0') ?? '')
    return undefined
  })
  note(row)
})

test('Delete of the primary pod with grace 0', { skip }, async () => {
  const run = await FaultRun.start(array, 'n1/1')
  const row = await run.through('delete of the primary pod, grace 0', async () => {
    await inArray('delete', 'pod', run.primary, '--grace-period=0', '--force')
    return undefined
  })
  note(row)
})

test('A drain of both nodes in sequence with the operator down hands over and loses nothing', { skip }, async () => {
  await kubectl('-n', SYSTEM, 'scale', 'deployment/twinpost-operator', '--replicas=0')
  try {
    for (const shard of ['n1/0', 'n1/1']) {
      const run = await FaultRun.start(array, shard)
      const node = await nodeOf(run.primary)
      const row = await run.through(`drain of the primary's node (${run.primary}), operator down`, async () => {
        const only = ['--pod-selector=app.kubernetes.io/component=mailnode', '--delete-emptydir-data']
        await kubectl('drain', node, ...only, '--ignore-daemonsets', '--timeout=90s')
        return () => kubectl('uncordon', node)
      })
      note(row)
    }
  } finally {
    await kubectl('-n', SYSTEM, 'scale', 'deployment/twinpost-operator', '--replicas=2')
  }
})

test('A node that is cut off with its primary running: the other member serves, and the old primary acknowledges nothing', {
  skip: skipBreaking,
}, async (t) => {
  const run = await FaultRun.start(array, 'n1/0')
  const pod = await array.member(run.primary)
  const node = pod.spec.nodeName ?? ''
  const to = array.account('alice').address
  const answers: string[] = []
  const row = await run.through(`cut of the primary's node`, async () => {
    await array.driver.fault('cut', node)
    return async () => {
      for (let attempt = 0; attempt < 3; attempt++) {
        answers.push(
          await deliverFromNode(array.driver, node, pod.status.podIP ?? '', to, letter(`cut-off-${attempt}`)),
        )
      }
      await array.driver.fault('heal', node)
    }
  })
  assert.equal(answers.length, 3)
  t.diagnostic(
    `what the old primary said inside its node: ${answers.join(' | ').replaceAll('\r', '').replaceAll('\n', ' / ')}`,
  )
  for (const answer of answers) assert.doesNotMatch(answer, /^answer 250/m, 'the old primary acknowledged a letter')
  assert.ok(row.after.epoch > row.before.epoch, row.text)
  note(row)
})

test('A member that hangs for a minute and goes on', { skip: skipBreaking }, async () => {
  const run = await FaultRun.start(array, 'n1/0')
  const { node, ids } = await containersOf(run.primary)
  const all = async (frozen: boolean) => {
    for (const id of ids.values()) await array.driver.freeze(node, id, frozen).catch(() => {})
  }
  const row = await run.through(
    `freeze of all processes of the primary's pod for ${FREEZE_MS / 1_000} s`,
    async () => {
      await all(true)
      return () => all(false)
    },
    { holdMs: FREEZE_MS },
  )
  note(row)
})

test('The primary dies while no operator runs', { skip }, async () => {
  const run = await FaultRun.start(array, 'n1/0')
  await kubectl('-n', SYSTEM, 'scale', 'deployment/twinpost-operator', '--replicas=0')
  const row = await run.through('operator down, primary pod deleted with grace 0', async () => {
    await inArray('delete', 'pod', run.primary, '--grace-period=0', '--force')
    return () => kubectl('-n', SYSTEM, 'scale', 'deployment/twinpost-operator', '--replicas=2')
  })
  note(row)
})

test('The API server hangs under load: the pair goes on as it is', { skip: skipBreaking }, async () => {
  const run = await FaultRun.start(array, 'n1/0')
  const row = await run.through(
    `API server away for ${API_AWAY_MS / 1_000} s`,
    async () => {
      await array.driver.apiServer('away')
      return () => array.driver.apiServer('back')
    },
    { holdMs: API_AWAY_MS },
  )
  note(row)
  const [users, inbound] = [row.userShares, row.inboundShares].map((shares) => shares.filter((share) => share < 0.5))
  assert.ok((users?.length ?? 0) + (inbound?.length ?? 0) <= 6, row.text)
})

test('A Lease that is deleted is made again, and the pair serves all the while', { skip }, async () => {
  const run = await FaultRun.start(array, 'n1/0')
  const row = await run.through('delete of the Lease of the shard', async () => {
    await inArray('delete', 'lease', 'n1-0')
    return undefined
  })
  note(row)
  assert.ok(row.after.epoch >= row.before.epoch, row.text)
})

test('A Lease that is put back to an older copy is not believed', { skip }, async () => {
  const old = (await array.kubectl.get('lease', 'n1-0', '-n', array.namespace)).metadata.annotations?.[
    'twinpost.io/ledger'
  ]
  assert.ok(old)
  const first = await FaultRun.start(array, 'n1/0')
  const row0 = await first.through('planned hand-over: delete of the primary pod', async () => {
    await inArray('delete', 'pod', first.primary)
    return undefined
  })
  note(row0)
  const run = await FaultRun.start(array, 'n1/0')
  const row = await run.through('Lease put back to an older copy', async () => {
    await inArray('annotate', '--overwrite', 'lease', 'n1-0', `twinpost.io/ledger=${old}`)
    return undefined
  })
  note(row)
  assert.ok(row.after.epoch >= row.before.epoch, row.text)
})

test('A member that is fenced hands over and takes nothing over until it no longer is', { skip }, async () => {
  const run = await FaultRun.start(array, 'n1/0')
  const fence = (...members: string[]) =>
    inArray('patch', 'mailnode', 'n1', '--type=merge', '-p', JSON.stringify({ spec: { fenced: members } }))
  const primaryIs = (pod: string) =>
    until(`${pod} primary`, 90_000, async () => ((await array.ledger('n1/0'))?.primary === pod ? true : null))
  const row = await run.through('planned switchover: the primary is fenced', async () => {
    await fence(run.primary)
    await primaryIs(run.mirror)
    return () => fence()
  })
  note(row)
})

test('NATS away: mail goes on', { skip }, async () => {
  const run = await FaultRun.start(array, 'n1/0')
  const row = await run.through('NATS away', async () => {
    await inArray('scale', 'statefulset/nats', '--replicas=0')
    return () => inArray('scale', 'statefulset/nats', '--replicas=1')
  })
  note(row)
})

test('A broken image stops at the first member, and the fix rolls on by itself', { skip }, async () => {
  const run = await FaultRun.start(array, 'n1/0')
  const image = (value: string | null) =>
    inArray('patch', 'mailnode', 'n1', '--type=merge', '-p', JSON.stringify({ spec: { image: value } }))
  const row = await run.through('broken image, then the fix', async () => {
    await image('localhost/twinpost/none:0')
    await until('a member that cannot start', 60_000, async () => {
      const [broken] = (await array.members('n1')).filter((pod) => !isReady(pod))
      return broken ?? null
    })
    await pause(10_000)
    assert.equal((await array.members('n1')).filter(isReady).length, 1, 'the other member is left alone')
    return () => image(null)
  })
  note(row)
})

test('A volume that is deleted comes back as a full copy', { skip }, async () => {
  const run = await FaultRun.start(array, 'n1/0')
  const row = await run.through("the mirror's volume deleted", async () => {
    await inArray('delete', 'pvc', `data-${run.mirror}`, '--wait=false')
    await inArray('delete', 'pod', run.mirror, '--grace-period=0', '--force')
    return undefined
  })
  note(row)
})

test('A MailNode that is deleted and applied again finds its volumes and its ledger', { skip }, async () => {
  const run = await FaultRun.start(array, 'n1/0')
  const [before, letters] = [await array.ledger('n1/0'), await run.messages()]
  await inArray('delete', 'mailnode', 'n1', '--timeout=90s')
  await until('its pods are gone', 120_000, async () => ((await array.members('n1')).length === 0 ? true : null))
  await array.mailNode('n1')
  const after = await array.ledger('n1/0')
  assert.ok(before && after && after.epoch > before.epoch, `${before?.epoch} -> ${after?.epoch}`)
  assert.deepEqual(await run.messages(), letters, 'the same letters under the same UIDs')
})
