/** What goes wrong between two replicas; `PeerError` closes the channel on which it happened. */
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'

export const PEER_ERRORS = {
  PEER_MALFORMED: { retry: false, meaning: 'The peer sent bytes that are no frame of this protocol.' },
  PEER_VERSION: { retry: false, meaning: 'The peer speaks a version of the protocol that this one does not know.' },
  PEER_UNEXPECTED: {
    retry: true,
    meaning: 'The peer sent a frame that has no place in the conversation at this point.',
  },
  PEER_TOO_MUCH: { retry: true, meaning: 'The peer sent more than it was allowed to before an acknowledgement.' },
  PEER_STALE: { retry: true, meaning: 'The peer speaks for an epoch that is not the one promised.' },
  PEER_REFUSED: { retry: true, meaning: 'The peer refuses the conversation and says why.' },
} as const satisfies Record<string, ErrorSpec>

export class PeerError extends CodedError<keyof typeof PEER_ERRORS> {
  override readonly name = 'PeerError'
}

export const COMMAND_ERRORS = {
  REPLICA_NOT_PRIMARY: { retry: false, meaning: 'The command is for the primary, and this replica is none.' },
  REPLICA_NOT_IN_SYNC: { retry: true, meaning: 'The other member is not in sync: handing over would lose mail.' },
  REPLICA_PEER_STANDS_BACK: {
    retry: true,
    meaning: 'The other member is fenced or about to stop: handing over would leave nobody to serve.',
  },
  REPLICA_CALLED_OFF: { retry: true, meaning: 'The handover was called off; the phase in status says why.' },
  REPLICA_RESTORE_REFUSED: {
    retry: false,
    meaning: 'The ledger is not made anew from this replica; details say why, and which one to ask or what is missing.',
  },
  REPLICA_FORCE_REFUSED: { retry: false, meaning: 'What forced recovery demands is not given; details say what.' },
} as const satisfies Record<string, ErrorSpec>

export class CommandError extends CodedError<keyof typeof COMMAND_ERRORS> {
  override readonly name = 'CommandError'
}
