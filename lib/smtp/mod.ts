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
