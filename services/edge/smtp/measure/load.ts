/**
 * The other side of cpu-per-letter.ts, a process of its own so that its CPU is not counted: pours letters over kept
 * connections, two writes for each (MAIL, RCPT and DATA; the letter), and ends when all are answered.
 */
import { connect } from 'node:net'

const [port, connections, letters, bytes] = process.argv.slice(2).map(Number)
if (!port || !connections || !letters || !bytes) throw new Error('Give port, connections, letters, bytes')

const ENVELOPE = 'MAIL FROM:<ben@example.net>\r\nRCPT TO:<anna@example.test>\r\nDATA\r\n'
const LINE = `${'0123456789'.repeat(7)}\r\n`
const HEADER =
  'From: ben@example.net\r\nTo: anna@example.test\r\nSubject: load\r\nMessage-ID: <load@example.net>\r\n\r\n'
const letter = Buffer.from(`${HEADER}${LINE.repeat(Math.ceil((bytes - HEADER.length) / LINE.length))}.\r\n`)

/** One connection. Each answer is awaited by counting its last lines. */
function pour(port: number, count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true })
    let next: 'hello' | 'envelope' | 'letter' = 'hello'
    let left = count
    let wanted = 1
    socket.on('error', reject)
    socket.on('data', (chunk: Buffer) => {
      for (const line of chunk.toString('latin1').split('\r\n')) {
        if (line === '' || line[3] === '-') continue
        if (line >= '4') reject(new Error(line))
        wanted--
      }
      if (wanted > 0) return
      if (next === 'hello') {
        socket.write('EHLO load.example.net\r\n')
        next = 'envelope'
        wanted = 1
      } else if (next === 'letter') {
        socket.write(letter)
        next = 'envelope'
        wanted = 1
      } else if (left-- > 0) {
        socket.write(ENVELOPE)
        next = 'letter'
        wanted = 3
      } else {
        socket.destroy()
        resolve()
      }
    })
  })
}

await Promise.all(Array.from({ length: connections }, () => pour(port, Math.ceil(letters / connections))))
