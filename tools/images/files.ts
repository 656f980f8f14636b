/**
 * Lists what a container of an image sees: kind, size and path, sorted. Two builds are compared with diff.
 *
 *     node tools/images/files.ts ARCHIVE.tar
 */
import { ImageArchive } from './archive.ts'

const image = new ImageArchive(process.argv[2] ?? '')
const lines = [...image.files.values()].map(({ kind, size, path }) => `${kind} ${kind === 'file' ? size : '-'} ${path}`)
process.stdout.write(`${lines.sort().join('\n')}\n`)
image.close()
