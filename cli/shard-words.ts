/** What is going on with a shard and why, in the words of one line. Pure. */
import type { ShardStatus } from './array-status.ts'
import type { Say } from './messages/mod.ts'
import { bytesText } from './table.ts'

/** The parts that every shard has come first; then, only if there is something to say, what is out of the ordinary. */
export function shardWords(shard: ShardStatus, say: Say): string {
  const parts: string[] = []
  if (shard.primary === null) {
    parts.push(say('noPrimary'))
    for (const { member, phase } of shard.replicas) parts.push(`${member}: ${phase}`)
  } else {
    parts.push(shard.inSync.length > 1 ? say('twoCopies') : say('oneCopy', { why: shard.phase ?? say('none') }))
    parts.push(...mirrorWords(shard, shard.primary.member, say))
  }
  if (shard.ledger === 'away') parts.push(say('ledgerAway'))
  if (shard.ledger === 'lost') parts.push(say('ledgerLost'))
  if (shard.fenced.length > 0) parts.push(say('fencedMembers', { members: shard.fenced.join(', ') }))
  return parts.join(say('between'))
}

function mirrorWords(shard: ShardStatus, primary: string, say: Say): string[] {
  const other = shard.replicas.find(({ member }) => member !== primary)
  if (!other) return []
  const { member } = other
  if (shard.mirrorPhase !== null) {
    const values = { member, phase: shard.mirrorPhase, lag: bytesText(shard.mirrorLagBytes ?? 0) }
    return [say('mirrorLag', values)]
  }
  return [other.answers ? `${member}: ${other.phase}` : say('memberSilent', { member })]
}
