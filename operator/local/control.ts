/** The operator's control interface: HTTP on a unix socket in the state folder, so that file permissions guard it. */
import { rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { OperatorStatus } from '#operator/api/local-layout.ts'

export interface ControlHandlers {
  status(): Promise<OperatorStatus>
  /** Begins to stop; returns at once. */
  stop(): void
  /** Stops a member until it is released; resolves when no process of it runs. @returns whether there is such a member. */
  holdMember(name: string): Promise<boolean>
  releaseMember(name: string): Promise<boolean>
  /** Stops a pod; it comes back from its present template. @returns whether there was one. */
  deletePod(name: string): Promise<boolean>
}

/** Serves `GET /status`, `POST /stop`, `POST /members/<name>/stop` and `start`, `DELETE /pods/<name>` on `socket`. */
export function serveControl(socket: string, handlers: ControlHandlers): Promise<Server> {
  rmSync(socket, { force: true }) // of a killed operator: the folder's lock says that none lives
  const server = createServer((request, response) => {
    const answer = (status: number, value: unknown) => {
      response.statusCode = status
      response.setHeader('Content-Type', 'application/json')
      response.end(`${JSON.stringify(value)}\n`)
    }
    const handle = async () => {
      const [, member, wish] = /^\/members\/([a-z0-9-]+)\/(stop|start)$/.exec(request.url ?? '') ?? []
      const pod = /^\/pods\/([a-z0-9.-]+)$/.exec(request.url ?? '')?.[1]
      if (request.method === 'GET' && request.url === '/status') answer(200, await handlers.status())
      else if (request.method === 'POST' && request.url === '/stop') {
        answer(202, { stopping: true })
        handlers.stop()
      } else if (request.method === 'POST' && member !== undefined) {
        const found = wish === 'stop' ? await handlers.holdMember(member) : await handlers.releaseMember(member)
        answer(found ? 200 : 404, { found })
      } else if (request.method === 'DELETE' && pod !== undefined) {
        const found = await handlers.deletePod(pod)
        answer(found ? 200 : 404, { deleted: found })
      } else answer(404, { error: 'GET /status, POST /stop, POST /members/<name>/stop or start, DELETE /pods/<name>' })
    }
    handle().catch((error) => answer(500, { error: errorMessage(error) }))
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(socket, () => resolve(server))
  })
}
