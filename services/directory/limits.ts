/** Limits of the embedded directory, each with its reason. */

/** An entry of ours is a few KB; whoever sends more in one message is none of our services. */
export const MESSAGE_BYTES_MAX = 1024 * 1024
/** Two per process of the array, with room: edges, shards, provision, operator, command lines. */
export const CONNECTIONS_MAX = 4096
/** A SASL or LDAP client of ours speaks at once; a connection that never binds is cut. */
export const BIND_WITHIN_MS = 10_000
/** Without paging no answer is longer: a list of everything comes in pages. */
export const SEARCH_ENTRIES_MAX = 1000
export const VALUE_BYTES_MAX = 16 * 1024
/** Addresses of one account and the like: far above `ALIASES_MAX` of the client side. */
export const VALUES_PER_ATTRIBUTE_MAX = 1000
/** Filters of ours have four terms; each costs one look into an index. */
export const FILTER_TERMS_MAX = 200
/** Prepared statements that are kept; filters of our own have about twenty shapes. */
export const STATEMENTS_MAX = 200
