/** Every bound of replication, with its reason. Times on which authority depends stand in `../roles/times.ts`. */
import { APPEND_BYTES_MAX } from '../log/limits.ts'

/** Sent and not acknowledged on the data channel: the memory that a mirror may cost, and 50 ms of a good link. */
export const WINDOW_BYTES = 16 * 1024 * 1024
/** One read from disk for a mirror that catches up: large enough for the disk, small enough to start early. */
export const CATCH_UP_READ_BYTES = 1024 * 1024
/** What lags more than this is copied over the bulk channel, which is slowed, so that beacons and new records come through. */
export const BULK_FROM_BYTES = 64 * 1024 * 1024
/** Under way on the bulk channel. */
export const BULK_WINDOW_BYTES = 4 * 1024 * 1024
/** Default bandwidth of a copy: leaves most of a 10 Gbit/s link and of a disk to the service. */
export const BULK_BYTES_PER_SECOND = 128 * 1024 * 1024
/** The largest batch that a primary's log makes is one append of bodies, with headers of its records; anything more is nonsense. */
export const BATCH_BYTES_MAX_RECEIVED = APPEND_BYTES_MAX + 4 * 1024 * 1024
/** Received and not yet durable: twice what an honest primary has under way, plus one batch that may exceed the window. */
export const RECEIVED_BYTES_MAX = 2 * WINDOW_BYTES + BATCH_BYTES_MAX_RECEIVED
/** Of the epoch vector, the newest: 48 bytes each in one frame. A pair that changed primary more often since they parted gets a full copy. */
export const EPOCHS_SENT_MAX = 4096
/** How many records below the common point are tried until both sides can read a header. */
export const POSITION_STEPS_MAX = 16
/** Between two attempts to reach the peer. */
export const REDIAL_MS = 200
/** A peer that does not bring the comparison a step further in so long is asked anew. */
export const HANDSHAKE_MS = 5_000
/** Records were sent and nothing was acknowledged for so long: the connection is begun anew, with a comparison. */
export const STALLED_MS = 10_000
/** Channels of the peer that are open at once: one connection has three, and those of former ones may linger. */
export const CHANNELS_MAX = 16
/** How often the machine looks at the time when nothing happens. */
export const TICK_MS = 50
/** Neighbours that are repaired together. */
export const REPAIR_RECORDS_MAX = 256
export const REPAIR_BYTES_MAX = 8 * 1024 * 1024
/** A record that rots is fetched again from the peer at this pace at most. */
export const REPAIR_EVERY_MS = 1_000
/** For how long a connection that cannot go on, as a record is rotten, still serves to repair others. */
export const UNREADABLE_LINGER_MS = 5_000
/** How long a connection that was refused stays open, so that the answer is read. */
export const REFUSED_LINGER_MS = 1_000
