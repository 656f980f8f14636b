/** What can go wrong with events and provisioning commands, as callers branch on it. */
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'

export const EVENT_ERRORS = {
  EVENTS_UNAVAILABLE: { retry: true, meaning: 'NATS cannot be reached, or did not acknowledge an event in time.' },
  EVENTS_INVALID: { retry: false, meaning: 'An event or command does not have the form of its schema.' },
  PROVISION_TIMEOUT: {
    retry: true,
    meaning: 'No result of a provisioning command was read in time: it may still be carried out.',
  },
} as const satisfies Record<string, ErrorSpec>

export class EventError extends CodedError<keyof typeof EVENT_ERRORS> {
  override readonly name = 'EventError'
}
