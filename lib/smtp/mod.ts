/** SMTP without a socket: the receiving side. */
export { PIPELINED_BYTES_MAX } from './limits.ts'
export type {
  Action,
  CloseReason,
  Credentials,
  MailCommand,
  RcptCommand,
  ReceiverOptions,
} from './receiving/actions.ts'
export { SmtpReceiver } from './receiving/receiver.ts'
export { CLOSING_CODE, type Reply, reply } from './reply.ts'
export type {
  SenderAction,
  SenderOptions,
  SendingRecipient,
  SendingResult,
  SendingTransaction,
} from './sending/actions.ts'
export { type Awaited, TIMES_MS } from './sending/limits.ts'
export { oneLine } from './sending/reply-reader.ts'
export { SmtpSender } from './sending/sender.ts'
export type { MailParameters, RecipientDsn } from './syntax/parameters.ts'
