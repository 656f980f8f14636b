import { z } from 'zod'
import { baseDn, logLevel } from '#lib/config/settings.ts'

/** Settings of the embedded directory; `node services/directory/main.ts --help` prints them. */
export const DirectoryConfig = z.object({
  listenHost: z.string().describe('Address to listen on: the pod address.'),
  port: z.int().min(1).max(65_535).default(3636).describe('Port of LDAP over TLS.'),
  metricsPort: z.int().min(1).max(65_535).default(9120).describe('Port of /metrics, /livez, /readyz.'),
  dataDir: z.string().describe('Folder of the database directory.sqlite.'),
  tlsDir: z.string().describe('Folder with tls.crt, tls.key, ca.crt of the role directory.'),
  credentialsFile: z
    .string()
    .describe(
      'JSON file of passwords by service: {"edge": "...", "provision": "...", "operator": "...", "cli": "..."}.',
    ),
  baseDn: baseDn(),
  stopSeconds: z.int().min(1).default(10).describe('Bound of a clean stop: then the process exits anyway.'),
  logLevel: logLevel(),
})
export type DirectoryConfig = z.infer<typeof DirectoryConfig>
