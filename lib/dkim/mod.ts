/** DKIM signatures for letters that leave. */
export { type DkimKey, dkimKey, dkimSignatures, type LetterDigest, LetterDigester } from './signer.ts'
