/** Talks to the operator on its control socket. */
import { request } from 'node:http'
import { OperatorStatus } from '#operator/api/local-layout.ts'

const TIMEOUT_MS = 5_000
/** A pod has 60 s to end. */
const MEMBER_STOP_MS = 75_000

/** @returns null if no operator answers. */
export async function operatorStatus(socketPath: string): Promise<OperatorStatus | null> {
  const text = await ask(socketPath, 'GET', '/status')
  return text === null ? null : OperatorStatus.parse(JSON.parse(text))
}

/** Asks the operator to stop. @returns false if no operator answers. */
export async function stopOperator(socketPath: string): Promise<boolean> {
  return (await ask(socketPath, 'POST', '/stop')) !== null
}

/** Asks the operator to stop a member and keep it stopped, or to let it run. @returns false if it did not do it. */
export async function memberWish(socketPath: string, member: string, wish: 'stop' | 'start'): Promise<boolean> {
  return (await ask(socketPath, 'POST', `/members/${member}/${wish}`, MEMBER_STOP_MS)) !== null
}

function ask(socketPath: string, method: string, path: string, timeout = TIMEOUT_MS): Promise<string | null> {
  return new Promise((resolve) => {
    const asking = request({ socketPath, method, path, agent: false, timeout }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('error', () => resolve(null))
      response.on('end', () => resolve((response.statusCode ?? 500) < 300 ? text : null))
    })
    asking.on('timeout', () => asking.destroy())
    asking.on('error', () => resolve(null))
    asking.end()
  })
}
