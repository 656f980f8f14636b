/** Answers of the directory that are not success, with their LDAP result codes (RFC 4511 appendix A). */
export const ResultCode = {
  success: 0,
  operationsError: 1,
  protocolError: 2,
  sizeLimitExceeded: 4,
  adminLimitExceeded: 11,
  unavailableCriticalExtension: 12,
  noSuchAttribute: 16,
  undefinedAttributeType: 17,
  constraintViolation: 19,
  attributeOrValueExists: 20,
  invalidAttributeSyntax: 21,
  noSuchObject: 32,
  invalidDnSyntax: 34,
  invalidCredentials: 49,
  insufficientAccessRights: 50,
  unwillingToPerform: 53,
  namingViolation: 64,
  objectClassViolation: 65,
  notAllowedOnNonLeaf: 66,
  notAllowedOnRdn: 67,
  entryAlreadyExists: 68,
} as const
export type ResultName = keyof typeof ResultCode

/** Thrown inside the directory and turned into the answer at its border. */
export class Fault extends Error {
  override readonly name = 'Fault'
  readonly result: ResultName

  constructor(result: ResultName, message: string) {
    super(message)
    this.result = result
  }
}
