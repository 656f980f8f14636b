import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ImageArchive } from './archive.ts'
import { debianPackages, npmPackages, spdx } from './sbom.ts'

/** A docker archive of these layers, each a list of path and text; tar(1) writes them. */
function archive(t: TestContext, layers: readonly (readonly [path: string, text: string])[][]): ImageArchive {
  const root = mkdtempSync(join(tmpdir(), 'twinpost-image-'))
  t.after(() => rmSync(root, { recursive: true }))
  const outer = join(root, 'outer')
  mkdirSync(outer)
  const names = layers.map((files, index) => {
    const folder = join(root, `layer-${index}`)
    mkdirSync(folder)
    for (const [path, text] of files) {
      mkdirSync(join(folder, path, '..'), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
    execFileSync('tar', ['-cf', join(outer, `${index}.tar`), '-C', folder, '.'])
    return `${index}.tar`
  })
  writeFileSync(join(outer, 'config.json'), JSON.stringify({ architecture: 'amd64', config: { User: '10001' } }))
  const manifest = [{ Config: 'config.json', RepoTags: ['localhost/x:1'], Layers: names }]
  writeFileSync(join(outer, 'manifest.json'), JSON.stringify(manifest))
  const path = join(root, 'image.tar')
  execFileSync('tar', ['-cf', path, '-C', outer, '.'])
  const image = new ImageArchive(path)
  t.after(() => image.close())
  return image
}

const LONG = `opt/${'a-long-name/'.repeat(12)}file.txt`

test('ImageArchive shows what a container sees: later layers win, whiteouts take away, long names are whole', (t) => {
  const image = archive(t, [
    [
      ['etc/a', 'first'],
      ['etc/b', 'stays'],
      ['gone/x', '1'],
      ['opaque/old', '1'],
      [LONG, 'deep'],
    ],
    [
      ['etc/a', 'second'],
      ['.wh.gone', ''],
      ['opaque/.wh..wh..opq', ''],
      ['opaque/new', '2'],
    ],
  ])
  assert.equal(image.name, 'localhost/x:1')
  assert.equal(image.config.config.User, '10001')
  assert.equal(image.text('etc/a'), 'second')
  assert.equal(image.text('etc/b'), 'stays')
  assert.equal(image.text(LONG), 'deep')
  assert.equal(image.text('none'), null)
  for (const path of ['gone/x', 'opaque/old', '.wh.gone']) assert.equal(image.files.has(path), false, path)
  assert.ok(image.files.has('opaque/new'))
})

test('The bill of materials names the packages that are in the image, and no others', (t) => {
  const status = [
    'Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9+deb12u14\n',
    'Package: removed\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n',
  ].join('\n')
  assert.deepEqual(
    debianPackages(status, 'amd64').map(({ purl }) => purl),
    ['pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=amd64'],
  )
  const image = archive(t, [
    [
      ['var/lib/dpkg/status', status],
      ['opt/node_modules/zod/package.json', '{"name":"zod","version":"4.6.7","license":"MIT"}'],
      ['opt/node_modules/@a/b/package.json', '{"name":"@a/b","version":"1.0.0"}'],
      ['opt/node_modules/zod/v4/package.json', '{"type":"module"}'],
      ['opt/package.json', '{"name":"ours","version":"0"}'],
    ],
  ])
  assert.deepEqual(
    npmPackages(image).map(({ purl, license }) => [purl, license]),
    [
      ['pkg:npm/%40a/b@1.0.0', 'NOASSERTION'],
      ['pkg:npm/zod@4.6.7', 'MIT'],
    ],
  )
  const text = spdx(image, 'twinpost', '1.0.0', '2026-01-01T00:00:00Z')
  assert.equal(text, spdx(image, 'twinpost', '1.0.0', '2026-01-01T00:00:00Z'), 'same image, same bytes')
  const document = JSON.parse(text)
  assert.equal(document.spdxVersion, 'SPDX-2.3')
  assert.equal(document.packages.length, 4)
})
