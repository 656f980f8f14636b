/** What a sender may ask to be told about a recipient (RFC 3461 section 4.1). */
export const NOTIFY_OCCASIONS = ['SUCCESS', 'FAILURE', 'DELAY'] as const
export type NotifyOccasion = (typeof NOTIFY_OCCASIONS)[number]
