/**
 * Folders behind the volumes of local pods. Claims are kept for ever (as with whenDeleted: Retain), an emptyDir lives as
 * long as its pod, Secrets and ConfigMaps are written out as files and again whenever they change.
 */
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { errorCode } from '#lib/errors/coded-error.ts'
import { REWRITE_ANNOTATION } from '../annotations.ts'
import type { ConfigMap, Container, PodSpec, Secret, StatefulSet, Volume } from '../objects.ts'
import { LocalClusterError, type MountedFolder, rewritePathsInText, SOCKET_PATH_BYTES_MAX } from './container-plan.ts'
import { writeWhole } from './state-files.ts'

/** Names of sockets below an emptyDir: `shard-15.sock`. */
const SOCKET_NAME_BYTES = 16

export interface VolumeFolders {
  /** `<claims>/<claim>-<pod>` */
  readonly claims: string
  /** `<run>/<pod>/<volume>`, short: sockets live here. */
  readonly run: string
  /** `<mounts>/<pod>/<volume>` */
  readonly mounts: string
}

export interface ObjectSource {
  secret(namespace: string, name: string): Secret | null
  configMap(namespace: string, name: string): ConfigMap | null
}

/** Folder of each volume by its name; makes those that must exist. */
export function prepareVolumes(
  pod: { readonly name: string; readonly namespace: string },
  spec: PodSpec,
  claims: NonNullable<StatefulSet['spec']['volumeClaimTemplates']>,
  folders: VolumeFolders,
): Map<string, string> {
  const found = new Map<string, string>()
  for (const claim of claims) {
    const folder = join(folders.claims, `${claim.metadata.name}-${pod.name}`)
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    found.set(claim.metadata.name, folder)
  }
  for (const volume of spec.volumes ?? []) {
    if (volume.emptyDir) {
      const folder = join(folders.run, pod.name, volume.name)
      if (Buffer.byteLength(folder) + SOCKET_NAME_BYTES > SOCKET_PATH_BYTES_MAX) {
        throw new LocalClusterError('LOCAL_PATH_TOO_LONG', `Cannot make sockets in ${folder}: the path is too long`)
      }
      rmSync(folder, { recursive: true, force: true })
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      found.set(volume.name, folder)
    } else if (volume.hostPath) {
      mkdirSync(volume.hostPath.path, { recursive: true, mode: 0o700 })
      found.set(volume.name, volume.hostPath.path)
    } else if (volume.persistentVolumeClaim) {
      const folder = join(folders.claims, volume.persistentVolumeClaim.claimName)
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      found.set(volume.name, folder)
    } else if (volume.secret || volume.configMap) {
      const folder = join(folders.mounts, pod.name, volume.name)
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      found.set(volume.name, folder)
    } else throw new LocalClusterError('LOCAL_UNSUPPORTED', `Cannot make volume ${volume.name} of ${pod.name} locally`)
  }
  return found
}

/** @throws {LocalClusterError} LOCAL_MISSING if a mount names no volume of the pod */
export function mountsOf(container: Container, volumes: ReadonlyMap<string, string>): MountedFolder[] {
  return (container.volumeMounts ?? []).map(({ name, mountPath }) => {
    const folder = volumes.get(name)
    if (folder === undefined) throw new LocalClusterError('LOCAL_MISSING', `Cannot mount ${name}: no such volume`)
    return { mountPath, folder }
  })
}

/**
 * Writes the files of the pod's Secrets and ConfigMaps; what did not change is not touched.
 * @throws {LocalClusterError} LOCAL_MISSING if an object or a key is not there
 */
export function writeObjectFiles(
  namespace: string,
  spec: PodSpec,
  volumes: ReadonlyMap<string, string>,
  objects: ObjectSource,
): void {
  const mounts = spec.containers.flatMap((container) => mountsOf(container, volumes))
  for (const volume of spec.volumes ?? []) {
    const folder = volumes.get(volume.name)
    const source = sourceOf(namespace, volume, objects)
    if (folder === undefined || source === null) continue
    const wanted = new Map<string, string>()
    for (const { key, path } of source.items ?? Object.keys(source.data).map((name) => ({ key: name, path: name }))) {
      const text = source.data[key]
      if (text === undefined) throw new LocalClusterError('LOCAL_MISSING', `Cannot mount ${volume.name}: no key ${key}`)
      wanted.set(path, source.rewrite ? rewritePathsInText(text, mounts) : text)
    }
    for (const [path, text] of wanted) {
      const file = join(folder, path)
      if (contentOf(file) === text) continue
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
      writeWhole(file, text)
    }
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      if (!wanted.has(name) && lstatSync(join(folder, name)).isFile()) rmSync(join(folder, name))
    }
  }
}

function sourceOf(namespace: string, volume: Volume, objects: ObjectSource) {
  const name = volume.secret?.secretName ?? volume.configMap?.name
  if (name === undefined) return null
  const secret = volume.secret ? objects.secret(namespace, name) : null
  const configMap = volume.configMap ? objects.configMap(namespace, name) : null
  const found = secret ?? configMap
  if (!found) throw new LocalClusterError('LOCAL_MISSING', `Cannot mount ${volume.name}: ${name} is not there`)
  return {
    data: secret?.stringData ?? configMap?.data ?? {},
    items: volume.secret?.items ?? volume.configMap?.items,
    rewrite: found.metadata.annotations?.[REWRITE_ANNOTATION] === 'rewrite',
  }
}

function contentOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw error
  }
}
