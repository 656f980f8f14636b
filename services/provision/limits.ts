/** Limits of provisioning, each with its reason. */

/** Counting reads every account, so it is done seldom; in between the counts follow what this process creates. */
export const COUNT_AGE_MS = 60_000
/** A count rests this many times as long as it took: of a million accounts it takes a minute and more. */
export const COUNT_REST_TIMES = 50
/** Tries to change an entry that others change at the same time, before the command goes back to the queue. */
export const CHANGE_TRIES_MAX = 5
/** A failure that no waiting can heal is given up after this many deliveries (about five minutes) and told to the sender. */
export const UNEXPECTED_DELIVERIES_MAX = 15
/** How often the directory is asked whether it answers, for readiness. */
export const PROBE_EVERY_MS = 5_000
/** How long a session that was admitted may be opened: a result is read within seconds. */
export const ADMISSION_S = 60
/** How often accounts whose grace is over are looked for. */
export const EXPIRY_EVERY_MS = 60_000
/** A wall clock that jumps farther than this against the monotonic one ends no grace any more (rules.md: until confirmed). */
export const CLOCK_JUMP_MS = 10 * 60_000
/** Accounts that one look takes in hand: each is a few writes; the rest come with the next look. */
export const EXPIRIES_AT_ONCE = 200
/** `moved` answers of shards that are followed: more than a few mean that two shards disagree. */
export const MOVES_FOLLOWED_MAX = 4
/** How long one delivery of a command waits for a move; then it goes back to the queue, so that other commands get their turn. */
export const MOVE_WAIT_MS = 5_000
export const MOVE_LOOK_MS = 100
