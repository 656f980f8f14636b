import { z } from 'zod'
import { logLevel } from '#lib/config/settings.ts'

/** Settings of the operator in local mode; `node operator/main.ts --help` prints them. */
export const OperatorConfig = z.object({
  stateDir: z.string().describe('Folder of everything that this array has (.twinpost).'),
  sourceDir: z.string().describe('Folder of the checkout: where services/ is.'),
  deployDir: z.string().describe('Folder of the YAML files with the resources to run.'),
  tmpDir: z
    .string()
    .default('/tmp')
    .describe('Where short names for sockets are made if the path of stateDir is too long.'),
  natsServer: z.string().describe('Program nats-server, 2.12 or newer.'),
  namespace: z.string().default('default').describe('Namespace of all objects.'),
  mailHostname: z
    .string()
    .default('mail.example.test')
    .describe('Name that clients see in greetings and Received fields.'),
  baseDn: z.string().default('o=twinpost').describe('Suffix of the directory tree.'),
  logLevel: logLevel(),
  stopSeconds: z.int().min(1).default(90).describe('Bound of a clean stop: then the process exits anyway.'),
})
export type OperatorConfig = z.infer<typeof OperatorConfig>
