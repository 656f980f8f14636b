/**
 * Small files of the local cluster that must outlive the operator: which network it has, which number each workload has,
 * which processes it started. Written whole to a neighbour and renamed, so that a reader never sees half a file.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { z } from 'zod'
import { errorCode, errorMessage } from '#lib/errors/coded-error.ts'
import { LocalClusterError } from './container-plan.ts'

export const LocalState = z.object({
  version: z.literal(1),
  /** X of 127.X.*.*; null before the first start. */
  network: z.int().min(1).max(254).nullable(),
  workloads: z.record(z.string(), z.int()),
  /** Pods that an administrator stopped, as `<namespace>/<pod>`. */
  held: z.array(z.string()).default([]),
})
export type LocalState = z.infer<typeof LocalState>

export const EMPTY_STATE: LocalState = { version: 1, network: null, workloads: {}, held: [] }

/** @throws {LocalClusterError} LOCAL_STATE if the file is there but cannot be used: it is never silently replaced. */
export function readJson<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
  absent: z.infer<Schema>,
): z.infer<Schema> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return absent
    throw error
  }
  try {
    return schema.parse(JSON.parse(text))
  } catch (cause) {
    throw new LocalClusterError('LOCAL_STATE', `Cannot use ${path}: ${errorMessage(cause)}`, { cause })
  }
}

export function writeWhole(path: string, text: string, mode = 0o600): void {
  mkdirSync(dirname(path), { recursive: true })
  const next = `${path}.next`
  writeFileSync(next, text, { mode })
  renameSync(next, path)
}

export function writeJson(path: string, value: unknown): void {
  writeWhole(path, `${JSON.stringify(value, null, 2)}\n`)
}
