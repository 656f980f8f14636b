/** The milter protocol without a socket: a mail server's end and a filter's end. */
export { type ClientEvent, type ClientOptions, MilterClient } from './client/client.ts'
export type { ClientAddress, Macros, Step } from './commands.ts'
export { type Field, joinField, splitField } from './field.ts'
export type { Agreement } from './negotiation.ts'
export { MILTER_ERRORS, MilterError } from './packets.ts'
export { ACTION, BODY_PIECE_BYTES_MAX, type MacroStage, STEP, type StepName } from './protocol.ts'
export type { Edit, FilterReply, Verdict } from './replies.ts'
export { MilterServer, type ServerEvent, type ServerOptions } from './server/server.ts'
