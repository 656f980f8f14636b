/**
 * From a container of a rendered pod to the process that stands for it: environment, arguments and paths. Pure.
 * A container sees its volumes at mount paths; a process of this machine sees the folders behind them, so every value that
 * begins with a mount path is rewritten to the folder. That is why services take every path as a setting.
 */
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'
import type { Container, EnvVar, FieldPath } from '../objects.ts'

export const LOCAL_CLUSTER_ERRORS = {
  LOCAL_UNSUPPORTED: { retry: false, meaning: 'A pod asks for something that the local cluster cannot do.' },
  LOCAL_PATH_TOO_LONG: {
    retry: false,
    meaning: "The folder's path leaves no room for the names of unix sockets: choose a shorter one.",
  },
  LOCAL_MISSING: { retry: true, meaning: 'A Secret, ConfigMap or volume that a pod names is not there yet.' },
  LOCAL_NO_NETWORK: { retry: false, meaning: 'No loopback network is free: a program listens on all addresses.' },
  LOCAL_EXISTS: { retry: true, meaning: 'Something was to be made that is there already: it is looked at again.' },
  LOCAL_STATE: { retry: false, meaning: 'A state file of the local cluster cannot be read.' },
} as const satisfies Record<string, ErrorSpec>

export class LocalClusterError extends CodedError<keyof typeof LOCAL_CLUSTER_ERRORS> {
  override readonly name = 'LocalClusterError'
}

/** A unix socket's name must fit into 108 bytes with its end mark (unix(7)). */
export const SOCKET_PATH_BYTES_MAX = 107

export interface MountedFolder {
  readonly mountPath: string
  /** Folder of this machine behind it. */
  readonly folder: string
}

export interface PodFacts {
  readonly name: string
  readonly namespace: string
  readonly uid: string
  readonly ip: string
}

export interface ContainerPlan {
  readonly program: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

/** Rewrites `text` if it is a mount path or lies below one; the longest mount path wins. */
export function rewritePath(text: string, mounts: readonly MountedFolder[]): string {
  let best: MountedFolder | null = null
  for (const mount of mounts) {
    const inside = text === mount.mountPath || text.startsWith(`${mount.mountPath}/`)
    if (inside && mount.mountPath.length > (best?.mountPath.length ?? -1)) best = mount
  }
  return best ? best.folder + text.slice(best.mountPath.length) : text
}

/**
 * Rewrites mount paths inside of a configuration file: where one begins a word, that is after a quote, `=`, `:`, a space or
 * a line break. Longest mount paths first, each place once.
 */
export function rewritePathsInText(text: string, mounts: readonly MountedFolder[]): string {
  if (mounts.length === 0) return text
  const sorted = [...mounts].sort((a, b) => b.mountPath.length - a.mountPath.length)
  const pattern = new RegExp(
    `(^|[\\s"'=:])(${sorted.map((mount) => escapeRegExp(mount.mountPath)).join('|')})(?=[/\\s"',;]|$)`,
    'g',
  )
  const folders = new Map(sorted.map((mount) => [mount.mountPath, mount.folder]))
  return text.replace(pattern, (_all, before: string, path: string) => before + (folders.get(path) ?? path))
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

/** `$(NAME)` becomes the value of an earlier variable, `$$(NAME)` stays `$(NAME)`, unknown names stay as they are. */
export function expandVariables(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(
    /\$(\$)?\(([A-Za-z_][A-Za-z0-9_]*)\)/g,
    (all: string, escaped: string | undefined, name: string) => (escaped ? `$(${name})` : (env[name] ?? all)),
  )
}

/**
 * @param secretValue Value of a key of a Secret. @param programs Local program for the first word of `command`, as `node`.
 * @throws {LocalClusterError} LOCAL_UNSUPPORTED for a program or reference that has no local counterpart
 */
export function planContainer(
  container: Container,
  pod: PodFacts,
  mounts: readonly MountedFolder[],
  programs: Readonly<Record<string, string>>,
  secretValue: (name: string, key: string) => string,
): ContainerPlan {
  const env: Record<string, string> = {}
  for (const variable of container.env ?? []) {
    env[variable.name] = rewritePath(expandVariables(valueText(variable, pod, secretValue), env), mounts)
  }
  const [program, ...words] = container.command
  const local = programs[program ?? '']
  if (local === undefined) {
    throw new LocalClusterError(
      'LOCAL_UNSUPPORTED',
      `Cannot run ${JSON.stringify(program)} of container ${container.name} locally`,
    )
  }
  const args = [...words, ...(container.args ?? [])].map((word) => {
    const expanded = expandVariables(word, env)
    const flag = /^(--?[A-Za-z][\w-]*=)(.*)$/s.exec(expanded)
    return flag ? `${flag[1]}${rewritePath(flag[2] ?? '', mounts)}` : rewritePath(expanded, mounts)
  })
  return { program: local, args, env }
}

function valueText(variable: EnvVar, pod: PodFacts, secretValue: (name: string, key: string) => string): string {
  if (variable.value !== undefined) return variable.value
  const { fieldRef, secretKeyRef } = variable.valueFrom ?? {}
  if (fieldRef) return fieldValue(fieldRef.fieldPath, pod)
  if (secretKeyRef) return secretValue(secretKeyRef.name, secretKeyRef.key)
  return ''
}

function fieldValue(path: FieldPath, pod: PodFacts): string {
  switch (path) {
    case 'metadata.name':
      return pod.name
    case 'metadata.namespace':
      return pod.namespace
    case 'metadata.uid':
      return pod.uid
    case 'status.podIP':
      return pod.ip
    case 'spec.nodeName':
      return 'localhost'
    default:
      return path satisfies never
  }
}
