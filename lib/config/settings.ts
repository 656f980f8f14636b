/** Settings that several services have, described once: each spreads those it needs into its schema. */
import { z } from 'zod'
import { LOG_LEVELS } from '../log/logger.ts'

/** @param user Of the directory: `edge` is `cn=edge,ou=services` */
export const directorySettings = (user: string) => ({
  directoryUrl: z.string().describe('As ldaps://directory.default.svc:3636.'),
  directoryPasswordFile: z.string().describe(`File with the password of cn=${user},ou=services.`),
  directoryCaFile: fileOrNone("File with the authority of the directory's certificate; null: ca.crt of tlsDir."),
  baseDn: baseDn(),
})

export const baseDn = () => z.string().default('o=twinpost').describe('Suffix of the directory tree.')

export const natsCaFile = () => fileOrNone("File with the authority of NATS' certificate; null: ca.crt of tlsDir.")

/** Folder of sockets of the pod that the service is in. */
export const socketDir = () => fileOrNone('Folder of the unix sockets of shards in this pod; null: none.')

export const shardHostPattern = () =>
  z.string().describe('Name of a member, as {mailNode}-{member}.{mailNode}.default.svc.')

/** Where names are looked up: what `openResolver` of lib/dns takes. */
export const dnsSettings = () => ({
  dnsServers: fileOrNone(
    'Name servers as address, address:port or tls://name with commas between; null: those of the system.',
  ),
  zoneFile: fileOrNone('File of names in master format, in place of DNS: for one machine and tests.'),
})

export const logLevel = () => z.enum(LOG_LEVELS).default('info').describe('Least severe level that is logged.')

function fileOrNone(what: string) {
  return z.string().nullable().default(null).describe(what)
}
