import assert from 'node:assert/strict'
import { test } from 'node:test'
import { askedWaitMs, errorOf, KUBE_ERRORS, kubeErrorCode } from './api-error.ts'
import { microTime, parseMicroTime } from './micro-time.ts'

const status = (code: number, reason: string, more: Record<string, unknown> = {}) =>
  JSON.stringify({
    kind: 'Status',
    apiVersion: 'v1',
    status: 'Failure',
    message: `said ${reason}`,
    reason,
    code,
    ...more,
  })

test('errorOf() knows what each answer means', () => {
  const rows: [status: number, body: string, code: string, retriable: boolean][] = [
    [400, status(400, 'BadRequest'), 'KUBE_INVALID', false],
    [401, status(401, 'Unauthorized'), 'KUBE_UNAUTHORIZED', true],
    [403, status(403, 'Forbidden'), 'KUBE_FORBIDDEN', false],
    [404, status(404, 'NotFound'), 'KUBE_NOT_FOUND', false],
    [404, '404 page not found\n', 'KUBE_NOT_FOUND', false],
    [409, status(409, 'Conflict'), 'KUBE_CONFLICT', true],
    [409, status(409, 'AlreadyExists'), 'KUBE_EXISTS', false],
    [410, status(410, 'Expired'), 'KUBE_EXPIRED', true],
    [410, status(410, 'Gone'), 'KUBE_EXPIRED', true],
    [415, '', 'KUBE_INVALID', false],
    [422, status(422, 'Invalid'), 'KUBE_INVALID', false],
    [429, status(429, 'TooManyRequests'), 'KUBE_BUSY', true],
    [500, status(500, 'InternalError'), 'KUBE_SERVER', true],
    [
      500,
      '{"kind":"Status","message":"failed to create typed patch object (a/b; /v1, Kind=ConfigMap): .date: field not declared in schema","code":500}',
      'KUBE_INVALID',
      false,
    ],
    [502, '<html>bad gateway</html>', 'KUBE_SERVER', true],
    [503, 'null', 'KUBE_SERVER', true],
    [504, status(504, 'Timeout'), 'KUBE_TIMEOUT', true],
    [504, status(504, 'ServerTimeout'), 'KUBE_SERVER', true],
    [418, '', 'KUBE_INVALID', false],
  ]
  for (const [code, body, wanted, retriable] of rows) {
    const error = errorOf('get Lease mail/n1-0', { status: code, body, retryAfter: null })
    assert.equal(error.code, wanted, `${code} ${body}`)
    assert.equal(error.retriable, retriable, wanted)
    assert.match(error.message, /^Cannot get Lease mail\/n1-0: ./)
    assert.ok(Object.hasOwn(KUBE_ERRORS, kubeErrorCode(error) ?? ''))
  }
})

test('errorOf() takes the wait from the header, or from the body, and bounds it', () => {
  const wait = (retryAfter: string | null, seconds?: number) =>
    askedWaitMs(
      errorOf('x', {
        status: 429,
        retryAfter,
        body: status(429, 'TooManyRequests', { details: { retryAfterSeconds: seconds } }),
      }),
    )
  assert.equal(wait('3'), 3_000)
  assert.equal(wait(null, 2), 2_000)
  assert.equal(wait('1', 9), 1_000)
  assert.equal(wait('86400'), 120_000)
  assert.equal(wait('Wed, 21 Oct 2026 07:28:00 GMT'), null)
  assert.equal(wait(null), null)
  assert.equal(askedWaitMs(new Error('no')), null)
})

test('errorOf() names the fields of a conflict between managers', () => {
  const body = status(409, 'Conflict', {
    details: {
      causes: [{ reason: 'FieldManagerConflict', message: 'conflict with "kubectl"', field: '.spec.replicas' }],
    },
  })
  const error = errorOf('apply StatefulSet mail/n1', { status: 409, body, retryAfter: null })
  assert.deepEqual(error.details['causes'], ['.spec.replicas conflict with "kubectl"'])
})

test('microTime() writes exactly six digits', () => {
  for (const atMs of [0, 1, 999, 1_767_225_600_000, 1_767_225_600_120]) {
    assert.match(microTime(atMs), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
    assert.equal(parseMicroTime(microTime(atMs)), atMs)
  }
  assert.equal(parseMicroTime(undefined), null)
  assert.equal(parseMicroTime('yesterday'), null)
})
