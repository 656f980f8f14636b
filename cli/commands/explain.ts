/**
 * `twinpost explain NAME`: what was decided about a letter and why. What was stored tells it itself, in the fields that came with it; what
 * was refused only the logs of the edges know.
 */
import { createReadStream, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { errorMessage } from '#lib/errors/coded-error.ts'
import { decodeEvidence, EVIDENCE_HEADER } from '#lib/filter/evidence.ts'
import { decodeOutcome, RESULT_HEADER } from '#lib/filter/result.ts'
import { ExplainReport } from '#lib/frames/explain.ts'
import { FrameType } from '#lib/frames/shard-protocol.ts'
import { withDirectory } from '../administration.ts'
import { primaryOf } from '../array-status.ts'
import { type CommandContext, CommandFailure, Exit } from '../context.ts'
import { type EdgeNote, noteOf } from '../edge-notes.ts'
import { replicasOf } from '../members.ts'
import { arrayShards, oneWord } from '../replica-orders.ts'
import { safeLine } from '../safe-letter.ts'
import { withShards } from '../shard-link.ts'
import { askReplicas } from '../shard-reports.ts'

const ANSWER_MS = 60_000
/** Of each log, its newest part. */
const LOG_BYTES = 32 * 1024 * 1024

type Stored = ExplainReport['letters'][number] & { readonly account: string | null; readonly shard: string }

export async function explain(context: CommandContext): Promise<Exit> {
  const { say, print, options } = context
  const name = oneWord(context, 'explain', 'MESSAGE-ID').replace(/^<|>$/g, '')
  const shards = await arrayShards(context)
  const notes = await edgeNotes(context, name)
  const addresses = options.to === null ? [...new Set(notes.flatMap(({ to }) => to))] : [options.to]
  const stored = await storedLetters(context, name, shards, addresses)
  if (options.output === 'json') {
    print(JSON.stringify({ stored, notes }, null, 2))
    return stored.length + notes.length > 0 ? Exit.done : Exit.failed
  }
  for (const letter of stored) printStored(context, letter)
  for (const note of notes) {
    const { trace, result, action, recipient, reasons } = note
    const to = (recipient === '' ? note.to : [recipient]).map(safeLine).join(', ')
    if (result !== '') print(say('explainLogged', { trace, from: safeLine(note.from) || '<>', to, result }))
    else print(say('explainLoggedReasons', { trace, to, action, reasons: reasons.map(safeLine).join('; ') }))
  }
  if (stored.length + notes.length === 0) throw new CommandFailure(say('explainUnknown', { name: safeLine(name) }))
  return Exit.done
}

function printStored({ say, print }: CommandContext, { account, shard, mailbox, fields }: Stored): void {
  const value = (wanted: string) => fields.find(({ name }) => name.toLowerCase() === wanted.toLowerCase())?.value ?? ''
  const to = account ?? value('Delivered-To')
  print(
    say('explainStored', { to: safeLine(to), mailbox: safeLine(mailbox), shard, from: safeLine(value('Return-Path')) }),
  )
  const outcome = decodeOutcome(value(RESULT_HEADER))
  if (outcome === null) print(`  ${say('explainUnfiltered')}`)
  else {
    const { action, level, spam, reasons } = outcome
    print(`  ${say('explainAction', { action, level, spam: spam === null ? '?' : spam.toFixed(2) })}`)
    for (const reason of reasons) print(`  ${say('explainReason', { reason: safeLine(reason) })}`)
  }
  const results = value('Authentication-Results')
  if (results !== '') print(`  ${say('explainAuthentication', { results: safeLine(results) })}`)
  for (const { name, value: text } of fields) {
    if (name.toLowerCase() !== EVIDENCE_HEADER.toLowerCase()) continue
    const evidence = decodeEvidence(text)
    if (evidence === null) continue
    const found = evidence.findings.map(({ kind, name: what, weight }) => `${kind} ${what} ${weight}`)
    const findings = found.length === 0 ? evidence.state : found.join(', ')
    print(`  ${say('explainEngine', { engine: safeLine(evidence.engine), findings: safeLine(findings) })}`)
  }
}

/** In the mailboxes of `addresses`, and in quarantine. */
async function storedLetters(
  context: CommandContext,
  name: string,
  shards: readonly string[],
  addresses: readonly string[],
): Promise<Stored[]> {
  const { layout, say, complain } = context
  const accounts = await withDirectory(layout, (directory) =>
    Promise.all(addresses.map((address) => directory.account(address.toLowerCase()))),
  )
  const homes = new Map(accounts.flatMap((account) => (account === null ? [] : [[account.id, account]])))
  const places = [
    ...[...homes.values()].map(({ id, address, home }) => ({ shard: String(home), account: id, address })),
    ...shards.map((shard) => ({ shard, account: null, address: null })),
  ]
  return await withShards(layout, async (link) => {
    const found = await Promise.all(
      places.map(async ({ shard, account, address }): Promise<Stored[]> => {
        const { reports } = await askReplicas(link, replicasOf([shard]))
        const primary = primaryOf(reports)
        if (!primary) {
          complain(`${shard}: ${say('noPrimary')}`)
          return []
        }
        const payload = Buffer.from(JSON.stringify({ account, name }))
        try {
          const answer = await link.ask({ shard, member: primary.member }, FrameType.explainQuery, [payload], ANSWER_MS)
          const { letters, lookedAt, all } = ExplainReport.parse(JSON.parse(answer.toString('utf8')))
          if (!all && letters.length === 0) complain(say('explainNotAll', { to: address ?? shard, count: lookedAt }))
          return letters.map((letter) => ({ ...letter, account: address, shard }))
        } catch (error) {
          complain(say('quarantineRefused', { shard, problem: errorMessage(error) }))
          return []
        }
      }),
    )
    return found.flat()
  })
}

/** What edges of this machine have logged of it. */
async function edgeNotes({ layout }: CommandContext, name: string): Promise<EdgeNote[]> {
  const files = readdirSync(layout.logsDir).filter((file) => file.endsWith('-edge.log'))
  const notes: EdgeNote[] = []
  for (const file of files) {
    const path = join(layout.logsDir, file)
    const start = Math.max(0, statSync(path).size - LOG_BYTES)
    for await (const line of createInterface({ input: createReadStream(path, { start }), crlfDelay: Infinity })) {
      const note = noteOf(line)
      if (note !== null) notes.push(note)
    }
  }
  const traces = new Set(
    notes.filter(({ messageId, trace }) => messageId === name || trace === name).map(({ trace }) => trace),
  )
  return notes.filter(({ trace }) => traces.has(trace))
}
