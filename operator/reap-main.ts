/**
 * Ends what a killed operator left behind: itself, if it still hangs, and the processes it wrote down. For the command line,
 * when nobody answers on the control socket. Prints one name per line.
 */
import { rmSync } from 'node:fs'
import { z } from 'zod'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { configure } from '#lib/platform/process.ts'
import { localLayout, OperatorRecord } from '#operator/api/local-layout.ts'
import { endLeftovers } from './cluster/local/process-table.ts'
import { readJson, writeJson } from './cluster/local/state-files.ts'

const ReapConfig = z.object({
  stateDir: z.string().describe('Folder of everything that the array has (.twinpost).'),
  tmpDir: z.string().default('/tmp').describe('As for the operator.'),
  graceMs: z.int().min(0).default(15_000).describe('Time between SIGTERM and SIGKILL.'),
})
const config = configure('reap', ReapConfig)
const layout = localLayout(config.stateDir, config.tmpDir)

// The operator first: it would start again what is ended under its hands.
const operator = readJson(layout.operatorFile, OperatorRecord.nullable(), null)
const operatorList = `${layout.operatorFile}.reap`
if (operator) writeJson(operatorList, [{ name: 'operator', ...operator }])
const ended = operator ? await endLeftovers(operatorList, nodeClock, config.graceMs) : []
ended.push(...(await endLeftovers(layout.processesFile, nodeClock, config.graceMs)))
for (const path of [operatorList, layout.operatorFile, layout.controlSocket, layout.endpointsFile, layout.runDir]) {
  rmSync(path, { recursive: true, force: true })
}
for (const name of ended) process.stdout.write(`${name}\n`)
