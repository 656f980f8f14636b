/**
 * Writes a container image as a docker archive, which containerd, docker and podman import: no daemon, no registry. Same input,
 * same bytes: no times and no owners of this machine get in.
 *
 *     node tools/kube/pack-image.ts OUT.tar NAME:TAG [--layer ROOTFS.tar ...] [--entrypoint a,b] [--cmd a,b] [--user U] [--env K=V] [FILE=/path ...]
 *
 * Layers: the archives of `--layer` in their order, then one with the files.
 */
import { createHash } from 'node:crypto'
import { closeSync, openSync, readFileSync, statSync, writeSync } from 'node:fs'
import { posix } from 'node:path'
import { parseArgs } from 'node:util'

const BLOCK = 512
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

interface Entry {
  readonly path: string
  readonly kind: 'file' | 'folder'
  readonly mode: number
  readonly bytes: Uint8Array
}

/** One member of a tar archive in the ustar format (POSIX.1-1988), padded to whole blocks. */
function tarEntry({ path, kind, mode, bytes }: Entry): Buffer[] {
  if (Buffer.byteLength(path) > 100) throw new Error(`Cannot pack ${path}: its path is longer than 100 bytes`)
  const header = Buffer.alloc(BLOCK)
  const octal = (value: number, at: number, length: number) =>
    header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1')
  header.write(path, 0, 'utf8')
  octal(mode, 100, 8)
  octal(0, 108, 8)
  octal(0, 116, 8)
  octal(bytes.length, 124, 12)
  octal(0, 136, 12)
  header.fill(' ', 148, 156)
  header.write(kind === 'file' ? '0' : '5', 156, 'latin1')
  header.write('ustar\u000000', 257, 'latin1')
  header.write('root', 265, 'latin1')
  header.write('root', 297, 'latin1')
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  )
  return [header, Buffer.from(bytes), Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)]
}

/** All folders above the files come first; /tmp is there for everybody. */
function filesLayer(files: readonly (readonly [source: string, path: string])[]): Buffer {
  const folders = new Set(['tmp/'])
  for (const [, path] of files) {
    for (let at = posix.dirname(path.slice(1)); at !== '.'; at = posix.dirname(at)) folders.add(`${at}/`)
  }
  const blocks = [...folders].sort().flatMap((path) => {
    const mode = path === 'tmp/' ? 0o1777 : 0o755
    return tarEntry({ path, kind: 'folder', mode, bytes: new Uint8Array() })
  })
  for (const [source, path] of files) {
    const mode = statSync(source).mode & 0o111 ? 0o755 : 0o644
    blocks.push(...tarEntry({ path: path.slice(1), kind: 'file', mode, bytes: readFileSync(source) }))
  }
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)])
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    layer: { type: 'string', multiple: true },
    entrypoint: { type: 'string' },
    cmd: { type: 'string' },
    user: { type: 'string' },
    env: { type: 'string', multiple: true },
  },
})
const [out, name, ...assignments] = positionals
if (out === undefined || name === undefined) {
  console.error('usage: node tools/kube/pack-image.ts OUT.tar NAME:TAG [options] [FILE=/path ...]')
  process.exit(64)
}
const files = assignments.map((text) => {
  const equals = text.lastIndexOf('=/')
  return [text.slice(0, equals), text.slice(equals + 1)] as const
})
const archives = values.layer ?? []
const layers = [
  ...archives.map((path) => readFileSync(path)),
  ...(files.length === 0 && archives.length > 0 ? [] : [filesLayer(files)]),
]
const config = Buffer.from(
  JSON.stringify({
    architecture: ARCHITECTURES[process.arch] ?? process.arch,
    os: 'linux',
    created: '1970-01-01T00:00:00Z',
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => `sha256:${sha256(layer)}`) },
    config: {
      Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...(values.env ?? [])],
      Entrypoint: values.entrypoint?.split(',') ?? null,
      Cmd: values.cmd?.split(',') ?? null,
      User: values.user ?? '',
      WorkingDir: '/',
    },
  }),
)
const layerPaths = layers.map((layer) => `${sha256(layer)}/layer.tar`)
const configPath = `${sha256(config)}.json`
const manifest = Buffer.from(JSON.stringify([{ Config: configPath, RepoTags: [name], Layers: layerPaths }]))
const archive = openSync(out, 'w')
for (const [path, bytes] of [
  ...layers.map((layer, i) => [layerPaths[i] ?? '', layer] as const),
  [configPath, config] as const,
  ['manifest.json', manifest] as const,
]) {
  for (const block of tarEntry({ path, kind: 'file', mode: 0o644, bytes })) writeSync(archive, block)
}
writeSync(archive, Buffer.alloc(2 * BLOCK))
closeSync(archive)
