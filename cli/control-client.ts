/** Talks to the operator on its control socket. */
import { request } from 'node:http'
import { OperatorStatus } from '#operator/api/local-layout.ts'

const TIMEOUT_MS = 5_000

/** @returns null if no operator answers. */
export async function operatorStatus(socketPath: string): Promise<OperatorStatus | null> {
  const text = await ask(socketPath, 'GET', '/status')
  return text === null ? null : OperatorStatus.parse(JSON.parse(text))
}

/** Asks the operator to stop. @returns false if no operator answers. */
export async function stopOperator(socketPath: string): Promise<boolean> {
  return (await ask(socketPath, 'POST', '/stop')) !== null
}

function ask(socketPath: string, method: string, path: string): Promise<string | null> {
  return new Promise((resolve) => {
    const asking = request({ socketPath, method, path, agent: false, timeout: TIMEOUT_MS }, (response) => {
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
