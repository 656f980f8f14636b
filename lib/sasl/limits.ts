/** Limits of what comes from clients and from stored strings, each with its reason. */

/** Longest password or name, in bytes of UTF-8: far above what people type, and a hash of it costs nothing extra. */
export const SECRET_BYTES_MAX = 1024
/** Longest SASL message that is looked at: RFC 4954 section 4 allows 12288 octets of base64. */
export const SASL_MESSAGE_BYTES_MAX = 9 * 1024
/** A stored Argon2id string may not make a login process use more memory than this, in KiB. */
export const ARGON2_MEMORY_KIB_MAX = 256 * 1024
export const ARGON2_PASSES_MAX = 16
export const ARGON2_LANES_MAX = 16
/** Bounds of stored SCRAM iterations: RFC 7677 section 4 asks for at least 4096; above the upper one logins would stall. */
export const SCRAM_ITERATIONS_MIN = 4096
export const SCRAM_ITERATIONS_MAX = 10_000_000
