/**
 * Every login in the audit trail (rules.md, "Who may say what"): offered, so that nobody waits for NATS; what cannot be said for
 * long is dropped from the oldest on, and counted.
 */
import type { EventPublisher } from '#lib/events/publisher.ts'
import { MAIN_SECRET } from '#lib/ldap/login.ts'
import type { LoginListener } from './password-gate.ts'

/** Longer names are no addresses; what a client typed is not the place for more. */
const LOGIN_CHARS_MAX = 320

export function loginAudit(events: Pick<EventPublisher, 'offer'>): LoginListener {
  return (attempt, verdict) => {
    const { login, scope, mechanism, clientAddress, session } = attempt
    events.offer('audit.login', {
      account: verdict.kind === 'ok' ? verdict.account.id : null,
      login: login.slice(0, LOGIN_CHARS_MAX),
      protocol: scope,
      mechanism,
      secret: verdict.kind === 'ok' ? (verdict.appPassword ?? MAIN_SECRET) : null,
      outcome: verdict.kind,
      clientAddress,
      session,
    })
  }
}
