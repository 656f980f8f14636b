/** `node services/filter/bayes/measure/speed.ts`: letters of 4 KB that are cut into signs, judged, learned in a second of CPU. */
import { BayesMemory, type LetterKind } from '../memory.ts'
import { tokensOf } from '../tokens.ts'
import { pages } from './corpus.ts'

const BYTES = 4_000
/** Real text: what is made of a few sentences has few signs. */
const samples = pages('node_modules/**/{README,readme,CHANGELOG}.md', 3_000).flatMap(({ view }, i, all) => {
  const text = [0, 1, 2, 3].map((next) => all[(i + next) % all.length]?.view.texts[0]?.text ?? '').join('\n\n')
  const kind: LetterKind = i % 2 === 0 ? 'junk' : 'other'
  return { kind, view: { ...view, texts: [{ subtype: 'plain', text: text.slice(0, BYTES) }] } }
})
const memory = new BayesMemory(20)

function rate(name: string, work: (sample: (typeof samples)[number], i: number) => void): void {
  for (const [i, sample] of samples.slice(0, 500).entries()) work(sample, i)
  const began = process.cpuUsage()
  for (const [i, sample] of samples.entries()) work(sample, i)
  const { user, system } = process.cpuUsage(began)
  const seconds = (user + system) / 1e6
  process.stdout.write(`${name}: ${Math.round(samples.length / seconds)} letters/s\n`)
}

rate('cut into signs', ({ view }) => tokensOf(view))
rate('cut and learned in three scopes', ({ view, kind }, i) =>
  memory.learn(tokensOf(view), kind, `${performance.now()} ${i}`, `user${i % 50}@example.test`),
)
rate('cut and judged', ({ view }) => memory.judge(tokensOf(view), ['anna@example.test']))
