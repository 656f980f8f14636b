import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createManyResolver, createResolver, parseHosts } from './resolver.ts'

const folder = mkdtempSync(join(tmpdir(), 'twinpost-hosts-'))
after(() => rmSync(folder, { recursive: true }))

let writes = 0
function write(path: string, text: string): void {
  writeFileSync(path, text)
  utimesSync(path, 0, ++writes) // two writes within a tick of the file system's clock are two states
}

test('parseHosts() reads hosts(5): several names a line, comments, empty lines', () =>
  assert.deepEqual(
    [...parseHosts('# all\n127.0.0.1 One two # three\n\n  ::1\tfour\n127.0.0.2\n')],
    [
      ['one', ['127.0.0.1']],
      ['two', ['127.0.0.1']],
      ['four', ['::1']],
    ],
  ))

test('createManyResolver() gives every address that the first file with the name has', async () => {
  const [own, shared] = [join(folder, 'hosts.many.own'), join(folder, 'hosts.many')]
  write(shared, '127.64.1.1 filter-0 filter\n127.64.1.2 filter-1 filter\n127.64.1.2 filter\n')
  const resolve = createManyResolver(`${own}:${shared}`)
  assert.deepEqual(await resolve('filter'), ['127.64.1.1', '127.64.1.2'])
  assert.deepEqual(await createResolver(`${own}:${shared}`)('filter'), '127.64.1.1')
  write(own, '127.64.9.9 filter\n')
  assert.deepEqual(await resolve('filter'), ['127.64.9.9'])
})

test('createResolver() asks the files in turn, and sees one that is made, changed and removed', async () => {
  const own = join(folder, 'hosts.n1-0')
  const shared = join(folder, 'hosts')
  write(shared, '127.64.1.1 n1-0.n1\n127.64.1.2 n1-1.n1\n')
  const resolve = createResolver(`${own}:${shared}`)
  assert.equal(await resolve('N1-1.n1'), '127.64.1.2')
  write(own, '127.64.240.2 n1-1.n1\n')
  assert.deepEqual([await resolve('n1-0.n1'), await resolve('n1-1.n1')], ['127.64.1.1', '127.64.240.2'])
  write(own, '127.64.240.3 n1-1.n1\n')
  assert.equal(await resolve('n1-1.n1'), '127.64.240.3')
  rmSync(own)
  assert.equal(await resolve('n1-1.n1'), '127.64.1.2')
})

test('createResolver() gives addresses back, and says which name has none', async () => {
  assert.equal(await createResolver(null)('127.0.0.9'), '127.0.0.9')
  await assert.rejects(createResolver(null)('no.such.name.invalid'), { code: 'RESOLVE_FAILED' })
})
