/** Limits of provisioning, each with its reason. */

/** Counting reads every account, so it is done seldom; in between the counts follow what this process creates. */
export const COUNT_AGE_MS = 60_000
/** Tries to change an entry that others change at the same time, before the command goes back to the queue. */
export const CHANGE_TRIES_MAX = 5
/** A failure that no waiting can heal is given up after this many deliveries (about five minutes) and told to the sender. */
export const UNEXPECTED_DELIVERIES_MAX = 15
/** How often the directory is asked whether it answers, for readiness. */
export const PROBE_EVERY_MS = 5_000
