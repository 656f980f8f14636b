import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { TestArray } from './support/array.ts'
test('x', async () => {
  const array = await TestArray.start()
  try {
    const P = 'a long enough password'
    await array.must('account', 'add', 's1@example.test', '--password', P)
    const letter = (i: number) => `From x Thu Jan  1 00:00:00 2026\nSubject: ${i}\n\n${'text '.repeat(800)}\n\n`
    writeFileSync('/tmp/m2.mbox', Array.from({ length: 5000 }, (_, i) => letter(i)).join(''))
    let t = Date.now()
    console.log((await array.must('mail', 'import', 's1@example.test', '--from', 'mbox:/tmp/m2.mbox').catch(String)).trim(), Date.now() - t, 'ms')
    t = Date.now()
    console.log((await array.must('mail', 'export', 's1@example.test', '--format', 'zip', '--to', '/tmp/m2.zip')).trim(), Date.now() - t, 'ms')
  } finally { await array.remove() }
})
