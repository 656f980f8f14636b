/** The IMAP engines for their hosts: login at the edge, sessions in the shard. Usage: README.md. */

export { STRUCTURE_PARTS_MAX } from './limits.ts'
export type { Credentials, LoginAction, LoginStep } from './login/actions.ts'
export { LoginEngine, type LoginOptions } from './login/engine.ts'
export { SESSION_CAPABILITIES, sessionCapabilities } from './session/capabilities.ts'
export type { SessionOptions } from './session/context.ts'
export type { SessionEnd, SessionHost } from './session/host.ts'
export { ImapSession } from './session/session.ts'
export { LruStructureCache, type StructureCache } from './session/structure-cache.ts'
