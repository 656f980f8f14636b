/** DKIM signatures for letters that leave. */
export { type DkimKey, dkimKey, dkimSignatures, fieldValues, type LetterDigest, LetterDigester } from './signer.ts'
