/** What a letter may make the signer hold. */

/** A header that is longer is sent without a signature: nobody writes one, and it would have to be held whole. */
export const HEADER_BYTES_MAX = 256 * 1024
