/** Asks the peer who it is and what it has seen, without leading or following it: before a shard's first ledger entry. */
import type { Epoch, ShardName } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { PeerNetwork } from '#lib/ports/network.ts'
import { HANDSHAKE_MS } from './limits.ts'
import { decodeMessage, encodeMessage, type PeerMessage } from './messages.ts'

export type Probed = Extract<PeerMessage, { kind: 'probed' }>

/** Null: it does not answer, or not with what was asked. Never rejects. */
export async function probePeer(
  network: PeerNetwork,
  clock: Clock,
  shard: ShardName,
  epoch: Epoch,
): Promise<Probed | null> {
  try {
    const channel = await network.dial('data')
    return await new Promise<Probed | null>((resolve) => {
      const cancel = clock.after(HANDSHAKE_MS, () => end(null))
      const end = (probed: Probed | null) => {
        cancel()
        channel.close('probed')
        resolve(probed)
      }
      channel.open({
        frame: (bytes) => end(readProbed(bytes)),
        closed: () => end(null),
      })
      channel.send(encodeMessage(epoch, { kind: 'probe', shard }))
    })
  } catch {
    return null // nobody there: the same as no answer
  }
}

function readProbed(bytes: Buffer): Probed | null {
  try {
    const message = decodeMessage(bytes)
    return message.kind === 'probed' ? message : null
  } catch {
    return null
  }
}
