/** IDLE (RFC 2177). How long it may last is for the host to say: it ends the session by `close()`. */
import type { Command } from '../command.ts'
import { bad, ok } from '../outcome.ts'

/** DONE and nothing else. */
const LINE_BYTES_MAX = 64

export const idle: Command = {
  state: 'any',
  expunges: true,
  prepare(args) {
    args.end()
    return async (session) => {
      const { conversation, out } = session
      out.write('+ idling\r\n')
      while (!conversation.ending) {
        await session.tellNews(true, false)
        const line = conversation.nextLine(LINE_BYTES_MAX)
        if (line === null) await conversation.wait()
        else if (line.kind === 'line' && line.text.toUpperCase() === 'DONE') return ok()
        else {
          if (line.kind === 'too-long') conversation.bye('Line is too long')
          return bad('Expected DONE')
        }
      }
      return ok('Ended')
    }
  },
}
