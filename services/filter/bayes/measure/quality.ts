/**
 * `node services/filter/bayes/measure/quality.ts [FILE]`: precision and recall on a third that was held back, for letters that are made
 * up, for families of them that were never learned, and for FILE, lines as `spam<TAB>text` and `ham<TAB>text`.
 */
import { BayesMemory } from '../memory.ts'
import { tokensOf } from '../tokens.ts'
import { JUNK_FROM } from '../weight.ts'
import { generated, lines, pages, type Sample, seeded } from './corpus.ts'

interface Quality {
  readonly junk: number
  readonly other: number
  readonly caught: number
  readonly wrong: number
}

function measure(learned: readonly Sample[], held: readonly Sample[]): Quality {
  const memory = new BayesMemory(20)
  for (const [i, sample] of learned.entries()) memory.learn(tokensOf(sample.view), sample.kind, String(i), '')
  let [caught, wrong] = [0, 0]
  for (const { view, kind } of held) {
    const verdict = memory.judge(tokensOf(view), [])
    if (verdict === null || verdict.probability < JUNK_FROM) continue
    if (kind === 'junk') caught++
    else wrong++
  }
  const junk = held.filter(({ kind }) => kind === 'junk').length
  return { junk, other: held.length - junk, caught, wrong }
}

function report(name: string, { junk, other, caught, wrong }: Quality): void {
  const precision = caught + wrong === 0 ? 0 : caught / (caught + wrong)
  const percent = (share: number) => `${(share * 100).toFixed(2)} %`
  process.stdout.write(
    `${name}: held back ${junk} junk, ${other} others; precision ${percent(precision)}, recall ${percent(caught / Math.max(1, junk))}, ` +
      `taken for junk by mistake ${wrong} (${percent(wrong / Math.max(1, other))})\n`,
  )
}

function shuffled<T>(list: readonly T[], random: () => number): T[] {
  const out = [...list]
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const [a, b] = [out[i], out[j]]
    if (a !== undefined && b !== undefined) [out[i], out[j]] = [b, a]
  }
  return out
}

const random = seeded(1)
const made = shuffled(
  [...generated(6_000, random), ...pages('node_modules/**/{README,readme,CHANGELOG}.md', 2_000)],
  random,
)
const third = Math.floor(made.length / 3)
report('made up, a third held back', measure(made.slice(third), made.slice(0, third)))
for (const family of ['casino-de', 'work-from-home', 'advance-fee', 'newsletter', 'receipt']) {
  const of = (sample: Sample) => sample.family === family
  report(
    `made up, ${family} never learned`,
    measure(
      made.filter((sample) => !of(sample)),
      made.filter(of),
    ),
  )
}
const [file] = process.argv.slice(2)
if (file !== undefined) {
  const read = shuffled(lines(file), random)
  const cut = Math.floor(read.length / 3)
  report(`${read.length} lines of ${file}, a third held back`, measure(read.slice(cut), read.slice(0, cut)))
}
