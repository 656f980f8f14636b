/**
 * What the Kubernetes API answers when it does not do what was asked, as codes that callers branch on. Pure: status, body and
 * headers in, one error out. A body may be a Status object, text of a proxy, or nothing.
 */
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'

export const KUBE_ERRORS = {
  KUBE_UNREACHABLE: {
    retry: true,
    meaning: 'No answer came from the Kubernetes API server; a change that was asked for may have been made.',
  },
  KUBE_TIMEOUT: {
    retry: true,
    meaning: 'The Kubernetes API server did not answer in time; a change that was asked for may have been made.',
  },
  KUBE_SERVER: { retry: true, meaning: 'The Kubernetes API server failed at a request (5xx).' },
  KUBE_BUSY: { retry: true, meaning: 'The Kubernetes API server turned a request away for now (429).' },
  KUBE_CONFLICT: {
    retry: true,
    meaning: 'The object was changed in between, or another field manager owns a field (409): read it again.',
  },
  KUBE_EXISTS: { retry: false, meaning: 'An object of that name exists already (409 AlreadyExists).' },
  KUBE_NOT_FOUND: { retry: false, meaning: 'The object or its kind is not known to the Kubernetes API server (404).' },
  KUBE_UNAUTHORIZED: {
    retry: true,
    meaning: 'The Kubernetes API server does not accept our credentials (401), also after they were read again.',
  },
  KUBE_FORBIDDEN: {
    retry: false,
    meaning: 'The Kubernetes API server does not allow this to us (403): a Role lacks it, or a quota is used up.',
  },
  KUBE_INVALID: { retry: false, meaning: 'The Kubernetes API server refuses the object as it is (400, 415, 422).' },
  KUBE_EXPIRED: { retry: true, meaning: 'The version asked for is no longer kept (410): list again.' },
  KUBE_NOT_LEADER: {
    retry: true,
    meaning: 'A change was held back because this operator does not lead now: another one may.',
  },
  KUBE_CONFIG: {
    retry: false,
    meaning: 'The way to the Kubernetes API server cannot be read (kubeconfig, token, CA).',
  },
} as const satisfies Record<string, ErrorSpec>
export type KubeErrorCode = keyof typeof KUBE_ERRORS

export class KubeError extends CodedError<KubeErrorCode> {
  override readonly name = 'KubeError'

  /** Whether the same may work later without anybody changing what is asked. */
  get retriable(): boolean {
    return KUBE_ERRORS[this.code].retry
  }

  /** How long the server asked us to wait, or null. */
  get retryAfterMs(): number | null {
    const value = this.details['retryAfterMs']
    return typeof value === 'number' ? value : null
  }
}

export interface FailedAnswer {
  readonly status: number
  readonly body: string
  /** Value of the header Retry-After, if any. */
  readonly retryAfter: string | null
}

const BODY_CHARACTERS_MAX = 300
/** An apply with a field that the schema does not have gets a plain 500, as of Kubernetes 1.37. */
const UNKNOWN_FIELD = 'failed to create typed patch object'
const RETRY_AFTER_MS_MAX = 120_000

/** @param doing What was asked, as it stands in the message: `apply Service mail/n1`. */
export function errorOf(doing: string, answer: FailedAnswer): KubeError {
  const said = readStatus(answer.body)
  const code = said.message.startsWith(UNKNOWN_FIELD) ? 'KUBE_INVALID' : codeOf(answer.status, said.reason)
  const retryAfterMs = waitOf(answer.retryAfter, said.retryAfterSeconds)
  return new KubeError(code, `Cannot ${doing}: ${said.message || `the API server says ${answer.status}`}`, {
    details: {
      status: answer.status,
      ...(said.reason === null ? {} : { reason: said.reason }),
      ...(said.causes.length === 0 ? {} : { causes: said.causes }),
      ...(retryAfterMs === null ? {} : { retryAfterMs }),
    },
  })
}

/** The code that `error` has if it is one of these, or null. */
export function kubeErrorCode(error: unknown): KubeErrorCode | null {
  return error instanceof KubeError ? error.code : null
}

/** The wait that an error asks for, or null; for queues. */
export function askedWaitMs(error: unknown): number | null {
  return error instanceof KubeError ? error.retryAfterMs : null
}

function codeOf(status: number, reason: string | null): KubeErrorCode {
  switch (status) {
    case 400:
    case 415:
    case 422:
      return 'KUBE_INVALID'
    case 401:
      return 'KUBE_UNAUTHORIZED'
    case 403:
      return 'KUBE_FORBIDDEN'
    case 404:
      return 'KUBE_NOT_FOUND'
    case 409:
      return reason === 'AlreadyExists' ? 'KUBE_EXISTS' : 'KUBE_CONFLICT'
    case 410:
      return 'KUBE_EXPIRED'
    case 429:
      return 'KUBE_BUSY'
    case 504:
      return reason === 'Timeout' || reason === null ? 'KUBE_TIMEOUT' : 'KUBE_SERVER'
    default:
      return status >= 500 ? 'KUBE_SERVER' : 'KUBE_INVALID'
  }
}

interface SaidStatus {
  readonly reason: string | null
  readonly message: string
  readonly retryAfterSeconds: number | null
  readonly causes: readonly string[]
}

function readStatus(body: string): SaidStatus {
  const none = { reason: null, retryAfterSeconds: null, causes: [] }
  try {
    const parsed: unknown = JSON.parse(body)
    if (!isRecord(parsed)) return { ...none, message: body.slice(0, BODY_CHARACTERS_MAX) }
    const details = isRecord(parsed['details']) ? parsed['details'] : {}
    const causes = Array.isArray(details['causes']) ? details['causes'].filter(isRecord) : []
    const seconds = details['retryAfterSeconds']
    return {
      reason: typeof parsed['reason'] === 'string' && parsed['reason'] !== '' ? parsed['reason'] : null,
      message: typeof parsed['message'] === 'string' ? parsed['message'] : '',
      retryAfterSeconds: typeof seconds === 'number' ? seconds : null,
      causes: causes.map((cause) => `${String(cause['field'] ?? '')} ${String(cause['message'] ?? '')}`.trim()),
    }
  } catch {
    return { ...none, message: body.slice(0, BODY_CHARACTERS_MAX).trim() }
  }
}

/** Seconds or an HTTP date (RFC 9110 section 10.2.3); dates are not used by API servers and give null. */
function waitOf(header: string | null, fromBody: number | null): number | null {
  const fromHeader = header === null || !/^\d+$/.test(header.trim()) ? null : Number(header)
  const seconds = fromHeader ?? fromBody
  return seconds === null ? null : Math.min(seconds * 1_000, RETRY_AFTER_MS_MAX)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
