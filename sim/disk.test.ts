import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Disk, File } from '#lib/ports/disk.ts'
import { type Life, type Machine, World } from './world.ts'

interface Booted {
  readonly world: World
  readonly machine: Machine
  readonly life: Life
}

function boot(seed: number): Booted {
  const world = new World(seed)
  const machine = world.machine('a')
  return { world, machine, life: machine.boot() }
}

/** Runs `work` against the disk of `life` in virtual time and gives its result. */
async function inWorld<T>(world: World, life: Life, work: (disk: Disk) => Promise<T>): Promise<T> {
  const settled = await world.settle(life, work(life.disk))
  if (settled.kind === 'value') return settled.value
  throw settled.kind === 'error' ? settled.error : new Error('the life ended')
}

async function written(disk: Disk, path: string, bytes: Buffer): Promise<File> {
  const file = await disk.create(path)
  await file.write(0, [bytes])
  return file
}

const SEEDS = Array.from({ length: 120 }, (_, i) => i + 1)

async function readBack(booted: Booted, path: string): Promise<Buffer | null> {
  const life = booted.machine.boot()
  return inWorld(booted.world, life, async (disk) => {
    if (!(await disk.list('.')).includes(path)) return null
    const file = await disk.open(path)
    return Buffer.from(await file.read(0, 1_000_000))
  })
}

test('SimDisk keeps what was synced, name and bytes, across any crash', async () => {
  for (const seed of SEEDS) {
    const booted = boot(seed)
    const bytes = booted.world.random.bytes(10_000)
    await inWorld(booted.world, booted.life, async (disk) => {
      await (await written(disk, 'f', bytes)).sync()
      await disk.syncDirectory('.')
    })
    booted.machine.crash()
    assert.deepEqual(await readBack(booted, 'f'), bytes)
  }
})

test('SimDisk loses unsynced pages and names in some crashes and keeps them in others', async () => {
  const ends = new Set<string>()
  for (const seed of SEEDS) {
    const booted = boot(seed)
    const bytes = booted.world.random.bytes(30_000)
    await inWorld(booted.world, booted.life, async (disk) => {
      await written(disk, 'f', bytes)
      await written(disk, 'g', bytes)
      await disk.rename('g', 'h')
    })
    booted.machine.crash()
    const back = await readBack(booted, 'f')
    ends.add(back === null ? 'no name' : back.equals(bytes) ? 'whole' : back.length === 0 ? 'empty' : 'torn')
  }
  assert.deepEqual([...ends].sort(), ['empty', 'no name', 'torn', 'whole'])
})

test('SimDisk shows after a failed sync what it does not have, and no later sync writes it', async () => {
  let lost = 0
  for (const seed of SEEDS) {
    const booted = boot(seed)
    const bytes = booted.world.random.bytes(20_000)
    const file = await inWorld(booted.world, booted.life, async (disk) => {
      const created = await written(disk, 'f', bytes)
      await disk.syncDirectory('.')
      return created
    })
    booted.machine.disk.arm('sync-error')
    await assert.rejects(
      inWorld(booted.world, booted.life, () => file.sync()),
      { code: 'EIO' },
    )
    await inWorld(booted.world, booted.life, () => file.sync())
    assert.deepEqual(Buffer.from(await inWorld(booted.world, booted.life, () => file.read(0, 20_000))), bytes)
    booted.machine.crash()
    if (!(await readBack(booted, 'f'))?.equals(bytes)) lost++
  }
  assert.ok(lost > SEEDS.length / 2)
})

test('SimDisk puts what it misplaces over another page, and zeros in its place, for good', async () => {
  const booted = boot(1)
  const bytes = booted.world.random.bytes(30_000)
  await inWorld(booted.world, booted.life, async (disk) => {
    await (await written(disk, 'f', bytes)).sync()
    await disk.syncDirectory('.')
  })
  assert.ok(booted.machine.disk.misplace('f', 29_000, 500))
  assert.ok(!booted.machine.disk.misplace('f', 600, 500), 'there is no page before it')
  booted.machine.crash()
  const back = await readBack(booted, 'f')
  const wrong = back?.indexOf(bytes.subarray(29_000, 29_500)) ?? -1
  assert.ok(wrong > 0 && wrong < 29_000)
  const expected = Buffer.from(bytes)
  expected.copy(expected, wrong, 29_000, 29_500)
  assert.deepEqual(back, expected.fill(0, 29_000, 29_500))
})

test('A killed process loses nothing that it wrote, and what it awaits never comes', async () => {
  const booted = boot(1)
  const bytes = booted.world.random.bytes(5_000)
  await inWorld(booted.world, booted.life, (disk) => written(disk, 'f', bytes))
  booted.machine.dieAfter(0, 'kill')
  const dead = await booted.world.settle(booted.life, booted.life.disk.list('.'))
  assert.deepEqual(dead, { kind: 'died' })
  assert.deepEqual(await readBack(booted, 'f'), bytes)
})

test('The same seed gives the same history', async () => {
  const traces = await Promise.all(
    [7, 7, 8].map(async (seed) => {
      const booted = boot(seed)
      await inWorld(booted.world, booted.life, (disk) => written(disk, 'f', booted.world.random.bytes(9_000)))
      booted.machine.crash()
      return `${booted.world.clock.nowMs} ${(await readBack(booted, 'f'))?.toString('hex')}`
    }),
  )
  assert.equal(traces[0], traces[1])
  assert.notEqual(traces[0], traces[2])
})
