/** A letter from inside a node, for one that nobody outside can reach: nothing but bash, which every node has. */
import type { Driver } from './driver.ts'

/** @returns all that the server said, line by line; a server that does not answer within 20 s said less. */
export function deliverFromNode(
  driver: Driver,
  node: string,
  address: string,
  to: string,
  body: Uint8Array,
): Promise<string> {
  const text = Buffer.from(body).toString('base64')
  const script = `
    exec 3<>/dev/tcp/${address}/2525 || exit 0
    say() { printf '%s\\r\\n' "$1" >&3; timeout 20 head -n 1 <&3; }
    timeout 20 head -n 1 <&3
    say 'HELO inside.example.net'
    say 'MAIL FROM:<s@example.net>'
    say 'RCPT TO:<${to}>'
    say 'DATA'
    echo ${text} | base64 -d >&3
    echo "end of data:"
    say '.' | sed 's/^/answer /'`
  return driver.inNode(node, ['timeout', '100', 'bash', '-c', script])
}
