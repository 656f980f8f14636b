import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { NodeDisk } from './node-disk.ts'

async function folderOf(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'disk-'))
  context.after(() => rm(folder, { recursive: true }))
  return folder
}

test('a file gives back what was written, by write() and by writeDurable()', async (context) => {
  const folder = await folderOf(context)
  const file = await new NodeDisk(folder).create('a')
  await file.write(0, [Buffer.from('one '), Buffer.from('two ')])
  await file.writeDurable(8, [Buffer.from('three '), Buffer.alloc(0), Buffer.from('four')])
  await file.sync()
  assert.equal(Buffer.from(await file.read(4, 9)).toString(), 'two three')
  assert.equal((await file.read(14, 100)).byteLength, 4)
  assert.equal((await file.read(100, 5)).byteLength, 0)
  assert.equal(await file.size(), 18)
  await file.truncate(3)
  await file.close()
  assert.equal(await readFile(join(folder, 'a'), 'utf8'), 'one')
})

test('writeDurable() reaches the file under whatever name it has by then', async (context) => {
  const folder = await folderOf(context)
  const disk = new NodeDisk(folder)
  const file = await disk.create('a.new')
  await disk.rename('a.new', 'a')
  await file.writeDurable(0, [Buffer.from('here')])
  await file.close()
  assert.equal(await readFile(join(folder, 'a'), 'utf8'), 'here')
})

test('open() and create() say what is wrong with a name', async (context) => {
  const disk = new NodeDisk(await folderOf(context))
  await assert.rejects(disk.open('missing'), { code: 'DISK_NOT_FOUND' })
  await (await disk.create('there')).close()
  await assert.rejects(disk.create('there'), { code: 'DISK_EXISTS' })
  await assert.rejects(disk.open('../outside'), { code: 'DISK_PATH' })
})

test('a full disk is an error of the write', { skip: process.platform !== 'linux' }, async () => {
  const file = await new NodeDisk('/dev').open('full')
  await assert.rejects(file.writeDurable(0, [Buffer.from('x')]), { code: 'ENOSPC' })
  await file.close()
})
