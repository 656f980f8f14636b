/** The thread behind `WorkerTextIndex`: one request after the other on one database. */
import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '#lib/errors/assert.ts'
import { errorMessage } from '#lib/errors/coded-error.ts'
import { TextDatabase } from './text-database.ts'
import type { WorkerReply, WorkerRequest } from './worker-messages.ts'

const given: unknown = workerData
assert(
  typeof given === 'object' && given !== null && 'path' in given && typeof given.path === 'string',
  'the worker is given the path of the text index',
)
const database = new TextDatabase(given.path)
reply({ kind: 'opened', appliedLsn: database.appliedLsn })

parentPort?.on('message', (request: WorkerRequest) => {
  try {
    reply(carryOut(request))
  } catch (error) {
    reply({ kind: 'failed', message: errorMessage(error) })
  }
  if (request.kind === 'close') parentPort?.close()
})

function carryOut(request: WorkerRequest): WorkerReply {
  switch (request.kind) {
    case 'missing':
      return { kind: 'missing', emailIds: database.missing(request.account, request.emailIds) }
    case 'add': {
      const { account, emailId, letter } = request
      const bytes = letter === null ? null : Buffer.from(letter.buffer, letter.byteOffset, letter.byteLength)
      database.add(account, emailId, bytes)
      return { kind: 'done' }
    }
    case 'commit':
      database.commit(request.lsn)
      return { kind: 'done' }
    case 'ask':
      return { kind: 'answer', answer: database.ask(request.account, request.questions) }
    case 'close':
      database.close()
      return { kind: 'done' }
    default:
      return request satisfies never
  }
}

function reply(message: WorkerReply): void {
  parentPort?.postMessage(message)
}
