/** COMPRESS (RFC 4978). What follows its answer is compressed, both ways. */
import { syntaxError } from '../../syntax/syntax-error.ts'
import type { Command } from '../command.ts'
import { bad, no, ok } from '../outcome.ts'

export const compress: Command = {
  state: 'any',
  expunges: true,
  prepare(args) {
    args.space()
    if (args.word() !== 'DEFLATE') throw syntaxError('The only compression is DEFLATE')
    args.end()
    return ({ conversation }) => {
      const begun = conversation.beginCompression()
      switch (begun) {
        case 'begun':
          return ok('Compression begins behind this line')
        case 'active':
          return no('COMPRESSIONACTIVE', 'Compression is active already')
        case 'full':
          return no('LIMIT', 'Too many compressed sessions, go on without')
        case 'pipelined':
          // Whether that is compressed could only be guessed (RFC 4978 section 3: a client waits for the answer).
          return bad('Nothing may be sent behind COMPRESS before its answer')
        default:
          return begun satisfies never
      }
    }
  },
}
