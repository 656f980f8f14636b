/**
 * Writes the sample log of the format that this version writes: `node services/shard/log/make-sample.ts`. Samples of released
 * formats are never made again; a new format gets a new folder. The same program always writes the same bytes.
 */

import { rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { NodeDisk } from '#lib/platform/node-disk.ts'
import { FORMAT_VERSION } from './format.ts'
import { writeSample } from './sample.fixture.ts'

const root = fileURLToPath(new URL(`./fixtures/v${FORMAT_VERSION}`, import.meta.url))
await rm(root, { recursive: true, force: true })
await writeSample(new NodeDisk(root))
