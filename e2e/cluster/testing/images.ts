/**
 * The images that a run uses. Built from this checkout by tools/images, unless TWINPOST_E2E_IMAGES names archives that are there already
 * (`twinpost.tar,nats.tar`), or TWINPOST_REGISTRY names a registry that the cluster pulls from.
 */
import { execFile } from 'node:child_process'
import { join, resolve } from 'node:path'
import { ImageArchive } from '../../../tools/images/archive.ts'

const TOOLS = resolve(import.meta.dirname, '../../../tools/images')
const BUILD_MS = 1_200_000

export interface Images {
  /** Docker archives to load into every node. */
  readonly archives: readonly string[]
  readonly twinpost: string
  readonly nats: string
}

export async function openImages(): Promise<Images> {
  const given = process.env['TWINPOST_E2E_IMAGES']
  const archives = given === undefined ? await buildImages(['twinpost', 'nats']) : given.split(',')
  const names = archives.map((path) => {
    const image = new ImageArchive(path)
    image.close()
    return image.name
  })
  const [twinpost, nats] = names
  if (twinpost === undefined || nats === undefined) throw new Error('The images twinpost and nats are both needed')
  return { archives, twinpost, nats }
}

/** Builds targets of the Dockerfile. @returns Paths of docker archives. */
export function buildImages(targets: readonly string[]): Promise<string[]> {
  return new Promise((done, failed) => {
    execFile(join(TOOLS, 'build.sh'), targets, { timeout: BUILD_MS }, (error, stdout, stderr) => {
      if (error) failed(new Error(`The images could not be built: ${stderr.trim()}`))
      else done(stdout.trim().split('\n'))
    })
  })
}
