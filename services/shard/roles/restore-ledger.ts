/**
 * Rule 13: who may make a lost ledger anew when nobody serves, because an administrator asks for it. Both replicas must stand by and
 * tell what they noted; the one that holds everything that was acknowledged becomes primary, or nobody does. Pure.
 *
 * Why it is safe: every acknowledged record is on all members that were in sync at that time, so on one of the two. Who has promised
 * a later epoch was given the office, or followed it, after the other; within one epoch both logs are beginnings of the same one,
 * so the longer one has what the shorter one has. What contradicts that is an older copy of a volume: then a person must decide.
 */

/** What one replica says of itself. */
export interface ReplicaEvidence {
  /** Pod of the member, for words. */
  readonly pod: string
  readonly promisedEpoch: number
  /** The highest that it has seen; 0: the directory is new. */
  readonly ledgerVersion: number
  /** By its own note. */
  readonly inSync: boolean
  /** Of its last record. */
  readonly logEpoch: number
  readonly lastLsn: number
}

export interface RestoreFacts {
  readonly role: 'standby' | 'primary' | 'ended'
  readonly ledger: 'good' | 'away' | 'lost'
  readonly fenced: boolean
  readonly self: ReplicaEvidence
  /** Null: it does not answer. */
  readonly other: ReplicaEvidence | null
  readonly otherPod: string
}

export type RestoreDecision =
  | { readonly kind: 'refuse'; readonly reason: string }
  /** `words`: why this one. */
  | { readonly kind: 'restore'; readonly words: string }

export function decideRestore(facts: RestoreFacts): RestoreDecision {
  const { role, ledger, self, other, otherPod, fenced } = facts
  if (role === 'primary')
    return refuse(
      'this replica serves: with both members in sync it makes a lost ledger anew by itself, otherwise stop and start both first',
    )
  if (role === 'ended') return refuse('this replica has stopped; its phase in status says why')
  if (ledger === 'away') return refuse('the ledger cannot be read or written now')
  if (ledger === 'good') return refuse('the ledger is there and nothing contradicts it')
  if (other === null) {
    return refuse(
      `${otherPod} does not answer, and what it noted is needed: start it. If it is lost for good, promote by force`,
    )
  }
  for (const one of [self, other]) {
    if (one.ledgerVersion > 0) continue
    return refuse(
      `the directory of ${one.pod} is new, and the one before may hold mail that nobody else has: put the old volume back, or promote the other member by force`,
    )
  }
  const chosen = choose(self, other)
  if (chosen === null) return refuse('neither note says in sync: nobody is known to hold everything')
  const rest = chosen === self ? other : self
  const contradiction = whyOlderCopy(chosen, rest)
  if (contradiction !== null) return refuse(contradiction)
  if (chosen !== self) return refuse(`${chosen.pod} holds everything, this one may not: it must be primary`)
  if (fenced) return refuse('this replica is fenced: unfence it first')
  return {
    kind: 'restore',
    words: `${self.pod} has promised epoch ${self.promisedEpoch}, seen version ${self.ledgerVersion} and ends with record ${self.lastLsn}`,
  }
}

function choose(self: ReplicaEvidence, other: ReplicaEvidence): ReplicaEvidence | null {
  const candidates = [self, other].filter((one) => one.inSync)
  const [first, second] = candidates
  if (first === undefined || second === undefined) return first ?? null
  return order(first) > order(second) || (order(first) === order(second) && first.pod < second.pod) ? first : second
}

/** Who comes later is the successor; compared as text of fixed width. */
function order({ promisedEpoch, logEpoch, lastLsn, ledgerVersion }: ReplicaEvidence): string {
  return [promisedEpoch, logEpoch, lastLsn, ledgerVersion].map((number) => String(number).padStart(16, '0')).join()
}

/** A note is written a moment after the change that it is of, so one version may be missing, and no epoch. */
function whyOlderCopy(chosen: ReplicaEvidence, rest: ReplicaEvidence): string | null {
  if (rest.promisedEpoch > chosen.promisedEpoch) {
    return `${rest.pod} followed or led epoch ${rest.promisedEpoch}, ${chosen.pod} knows ${chosen.promisedEpoch} only and calls itself in sync: its volume was put back to an older state`
  }
  if (rest.ledgerVersion > chosen.ledgerVersion + 1) {
    return `${rest.pod} has seen ledger version ${rest.ledgerVersion}, ${chosen.pod} only ${chosen.ledgerVersion} and calls itself in sync: its volume was put back to an older state`
  }
  return null
}

function refuse(reason: string): RestoreDecision {
  return { kind: 'refuse', reason }
}
