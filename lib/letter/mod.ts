/** Pure functions on the bytes of a letter as it comes in: transparency, line ends, trace fields, submission's additions. */
export { type Author, authorsOf } from './authors.ts'
export { DataDecoder } from './data-decoder.ts'
export { base64Lines, encodedWords } from './encoded-text.ts'
export { withoutForged } from './forged.ts'
export {
  addressLiteral,
  deliveredToField,
  headerBlocks,
  receivedField,
  returnPathField,
  type TransmissionType,
  type TransportFacts,
} from './header-block.ts'
export { countHops, headerSection } from './header-section.ts'
export { HOPS_MAX } from './limits.ts'
export { LineEndChecker, type LineEndFault, LineEndNormaliser } from './line-ends.ts'
export { type SplitLetter, splitLetter } from './split.ts'
export { type SubmissionEdit, submissionEdit } from './submission.ts'
