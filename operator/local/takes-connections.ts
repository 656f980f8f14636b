/** Whether somebody takes TCP connections at an address of this machine or its neighbours. */
import { connect } from 'node:net'

/** On one machine a connection is made or refused at once; an address elsewhere has this long. */
const PATIENCE_MS = 1_000

export function takesConnections(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: PATIENCE_MS })
    const say = (found: boolean) => {
      socket.destroy()
      resolve(found)
    }
    socket.once('connect', () => say(true))
    socket.once('timeout', () => say(false))
    socket.once('error', () => say(false))
  })
}
