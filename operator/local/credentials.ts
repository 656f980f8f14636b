/** Passwords that services use among themselves: made once, kept in one file that only its owner reads. */
import { z } from 'zod'
import type { Random } from '#lib/ports/random.ts'
import { readJson, writeJson } from '#operator/cluster/local/state-files.ts'

const PASSWORD_BYTES = 24

/** Passwords by service: for `cn=<service>,ou=services`, and for the NATS user. */
export interface Credentials<DirectoryService extends string = string, NatsUser extends string = string> {
  readonly directory: Readonly<Record<DirectoryService, string>>
  readonly nats: Readonly<Record<NatsUser, string>>
  /** Seals what senders need of Domains: one or several words, the newest first. */
  readonly senderSeal: string
}

const Kept = z.object({
  directory: z.record(z.string(), z.string()),
  nats: z.record(z.string(), z.string()),
  senderSeal: z.string().optional(),
})

/** Reads the file, adds what is missing, writes it if it changed. */
export function openCredentials<DirectoryService extends string, NatsUser extends string>(
  file: string,
  services: { readonly directory: readonly DirectoryService[]; readonly nats: readonly NatsUser[] },
  random: Random,
): Credentials<DirectoryService, NatsUser> {
  const found = readJson(file, Kept, { directory: {}, nats: {} })
  const all = {
    directory: complete(services.directory, found.directory, random),
    nats: complete(services.nats, found.nats, random),
    senderSeal: found.senderSeal ?? password(random),
  }
  if (JSON.stringify(all) !== JSON.stringify(found)) writeJson(file, all)
  return all
}

function complete<Name extends string>(
  names: readonly Name[],
  present: Readonly<Record<string, string>>,
  random: Random,
): Record<Name, string> {
  const made: Partial<Record<Name, string>> = {}
  for (const name of names) made[name] = present[name] ?? password(random)
  return made as Record<Name, string> // every name was just given a value
}

function password(random: Random): string {
  return Buffer.from(random.bytes(PASSWORD_BYTES)).toString('base64url')
}
