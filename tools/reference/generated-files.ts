/** Writes generated files below the root of the repository, or only compares them: what all generators end with. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * @param files Paths from the root and their whole text.
 * @param source What the files are made from, for the message.
 * @param check Only compare; a difference makes the process exit with 1.
 */
export function settleGeneratedFiles(
  root: string,
  files: ReadonlyMap<string, string>,
  source: string,
  check: boolean,
): void {
  for (const [path, text] of files) {
    if (readOrEmpty(join(root, path)) === text) continue
    console.error(check ? `${path}: differs from ${source}: run make generate` : `wrote ${path}`)
    if (check) {
      process.exitCode = 1
      continue
    }
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
