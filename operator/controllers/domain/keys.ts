/**
 * DKIM keys of one Domain: which sets there are, which is to be made, which takes over, which may go. Pure. A set is one RSA key
 * (RFC 6376) and one Ed25519 key (RFC 8463), each under a selector of its own that is never used again.
 *
 * A set is made once `spec.dkim.keySet` asks for it; it is active once all its records were seen in the DNS, never before, since
 * nobody could check what it signs; the one before it then stays published for letters that are still under way.
 */
import { createPublicKey } from 'node:crypto'
import { z } from 'zod'
import type { Domain } from '#operator/api/mod.ts'
import type { Secret } from '#operator/cluster/objects.ts'
import { labelsOf } from '../array-context.ts'

export const DKIM_COMPONENT = 'dkim'
/** Receivers may look at a letter days after it was signed (RFC 6376 section 3.1). */
export const RETIRED_FOR_MS = 7 * 86_400_000
const INDEX = 'keys.json'

const KeySetFacts = z.object({
  keySet: z.int().min(1),
  /** When its records were first seen in the DNS. */
  seenAt: z.iso.datetime().nullable(),
  /** When another set took over. */
  retiredAt: z.iso.datetime().nullable(),
})
const KeyIndex = z.object({ version: z.literal(1), sets: z.array(KeySetFacts) })

export interface DkimKeyPair {
  /** PEM, PKCS #8. */
  readonly rsa: string
  readonly ed25519: string
}

export interface KeySet extends z.infer<typeof KeySetFacts> {
  readonly keys: DkimKeyPair
}

export interface DkimRecord {
  readonly selector: string
  /** Text of the record below `_domainkey`. */
  readonly text: string
}

export function selectorsOf(keySet: number): { readonly rsa: string; readonly ed25519: string } {
  return { rsa: `tp${keySet}-rsa`, ed25519: `tp${keySet}-ed25519` }
}

/** What the DNS must say for receivers to check what the set signs. */
export function dkimRecords({ keySet, keys }: KeySet): DkimRecord[] {
  const { rsa, ed25519 } = selectorsOf(keySet)
  const publicOf = (pem: string) => createPublicKey(pem).export({ type: 'spki', format: 'der' })
  return [
    { selector: rsa, text: `v=DKIM1; k=rsa; p=${publicOf(keys.rsa).toString('base64')}` },
    // Not the whole SubjectPublicKeyInfo but the bare key, its last 32 bytes (RFC 8463 section 4).
    { selector: ed25519, text: `v=DKIM1; k=ed25519; p=${publicOf(keys.ed25519).subarray(-32).toString('base64')}` },
  ]
}

export type KeyState = 'waiting' | 'active' | 'retired'

export function stateOf({ seenAt, retiredAt }: Pick<KeySet, 'seenAt' | 'retiredAt'>): KeyState {
  if (retiredAt !== null) return 'retired'
  return seenAt === null ? 'waiting' : 'active'
}

/** What senders sign with: the active set, of which the DNS has all records. None: nothing is signed yet. */
export function signingKeys(sets: readonly KeySet[]): { readonly selector: string; readonly pem: string }[] {
  const active = sets.find((set) => stateOf(set) === 'active')
  if (active === undefined) return []
  const { rsa, ed25519 } = selectorsOf(active.keySet)
  return [
    { selector: rsa, pem: active.keys.rsa },
    { selector: ed25519, pem: active.keys.ed25519 },
  ]
}

export interface KeyDecision {
  /** Newest first, without those that may go. */
  readonly sets: readonly KeySet[]
  /** Whether `sets` says something else than before. */
  readonly changed: boolean
  /** Number of a set to make, or null. */
  readonly make: number | null
  /** When the next retired set may go, in ms from now, or null. */
  readonly againMs: number | null
}

/** @param isPublished Whether the DNS has all records of the set. @param wanted `spec.dkim.keySet`. */
export function decideKeys(
  sets: readonly KeySet[],
  wanted: number,
  isPublished: (set: KeySet) => boolean,
  nowMs: number,
): KeyDecision {
  const now = new Date(nowMs).toISOString()
  const newestFirst = [...sets].sort((a, b) => b.keySet - a.keySet)
  const seen = newestFirst.map((set) =>
    stateOf(set) === 'waiting' && isPublished(set) ? { ...set, seenAt: now } : set,
  )
  const active = seen.find((set) => stateOf(set) === 'active')
  const replaced = seen.map((set) =>
    active !== undefined && set.keySet < active.keySet && set.retiredAt === null ? { ...set, retiredAt: now } : set,
  )
  const leftMs = (set: KeySet) =>
    set.retiredAt === null ? Infinity : Date.parse(set.retiredAt) + RETIRED_FOR_MS - nowMs
  const kept = replaced.filter((set) => leftMs(set) > 0)
  const newest = kept[0]?.keySet ?? 0
  const againMs = Math.min(...kept.map(leftMs))
  return {
    sets: kept,
    changed: kept.length !== sets.length || kept.some((set) => !sets.includes(set)),
    make: newest < wanted ? wanted : null,
    againMs: againMs === Infinity ? null : againMs,
  }
}

export function dkimSecretName(domain: string): string {
  return `${domain}-dkim`
}

/**
 * The Secret that is the source of the keys. Nothing owns it: a Domain that is deleted and applied again finds its keys.
 * @param present The Secret as it was read: what others added to it stays, but for the keys.
 */
export function dkimSecret(domain: Domain, sets: readonly KeySet[], present: Secret | null): Secret {
  const { name, namespace } = domain.metadata
  const index = sets.map(({ keySet, seenAt, retiredAt }) => ({ keySet, seenAt, retiredAt }))
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      ...present?.metadata,
      name: dkimSecretName(name),
      namespace,
      labels: { ...present?.metadata.labels, ...labelsOf(DKIM_COMPONENT, name) },
    },
    type: 'Opaque',
    stringData: {
      [INDEX]: `${JSON.stringify({ version: 1, sets: index })}\n`,
      ...Object.fromEntries(
        sets.flatMap(({ keySet, keys }) => {
          const selectors = selectorsOf(keySet)
          return [
            [`${selectors.rsa}.pem`, keys.rsa],
            [`${selectors.ed25519}.pem`, keys.ed25519],
          ]
        }),
      ),
    },
  }
}

/** Sets of keys in the Secret, or in words why they cannot be read: then it is left as it is. */
export function readKeySets(secret: Secret): { readonly sets: KeySet[] } | { readonly problem: string } {
  const problem = (why: string) => ({
    problem: `Secret ${secret.metadata.namespace}/${secret.metadata.name} ${why}: mend it, or delete it to get new keys`,
  })
  let index: z.infer<typeof KeyIndex>
  try {
    index = KeyIndex.parse(JSON.parse(secret.stringData[INDEX] ?? 'null'))
  } catch {
    return problem(`holds no ${INDEX} that can be read`)
  }
  const sets: KeySet[] = []
  for (const facts of index.sets) {
    const selectors = selectorsOf(facts.keySet)
    const [rsa, ed25519] = [secret.stringData[`${selectors.rsa}.pem`], secret.stringData[`${selectors.ed25519}.pem`]]
    if (!isPrivateKey(rsa) || !isPrivateKey(ed25519)) return problem(`lacks a private key of set ${facts.keySet}`)
    sets.push({ ...facts, keys: { rsa, ed25519 } })
  }
  return { sets }
}

function isPrivateKey(pem: string | undefined): pem is string {
  try {
    createPublicKey(pem ?? '')
    return true
  } catch {
    return false
  }
}
