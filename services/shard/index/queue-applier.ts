/** Folds the records of the queue into its two tables. As everywhere in the index: only copies what was decided. */
import type { DatabaseSync } from 'node:sqlite'
import type { Lsn } from '#lib/mail/types.ts'
import type { QueueAdd, QueueAttempt, QueueDefer, QueueDone } from '../records/types.ts'
import { asArrays, bodyColumn, int } from './columns.ts'
import { IndexError } from './errors.ts'
import { QUEUE_KINDS, QUEUE_STATES, type QueueState } from './queue-rows.ts'

function prepareWrites(db: DatabaseSync) {
  const prepare = (sql: string) => asArrays(db.prepare(sql))
  return {
    add: prepare(
      'INSERT INTO queue (entry, account, kind, reverse_path, trace, added_ms, expires_ms, delivery_id, eight_bit, utf8, ret, envid, header, ' +
        'body, body_size, recipients, open) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ),
    recipient: prepare("INSERT INTO queue_recipients VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, '', '')"),
    attempt: prepare('UPDATE queue_recipients SET state = ?, attempt = ? WHERE entry = ? AND place = ?'),
    defer: prepare(
      'UPDATE queue_recipients SET state = ?, due_ms = ?, attempts = ?, attempt = 0, warned = ?, reply = ?, remote = ? WHERE entry = ? AND place = ?',
    ),
    done: prepare('DELETE FROM queue_recipients WHERE entry = ? AND place = ?'),
    close: prepare('UPDATE queue SET open = open - ? WHERE entry = ? RETURNING open'),
    release: prepare("UPDATE queue SET done_lsn = ?, done_ms = ?, header = x'' WHERE entry = ?"),
  }
}

export class QueueApplier {
  readonly #writes: ReturnType<typeof prepareWrites>

  constructor(db: DatabaseSync) {
    this.#writes = prepareWrites(db)
  }

  add(lsn: Lsn, record: QueueAdd): void {
    const { recipients, body } = record
    this.#writes.add.run(
      lsn,
      record.account,
      QUEUE_KINDS.indexOf(record.kind),
      record.reversePath,
      record.traceId,
      record.addedMs,
      record.expiresMs,
      record.deliveryId,
      Number(record.eightBit),
      Number(record.smtpUtf8),
      record.ret,
      record.envid,
      record.headerBlock,
      bodyColumn(body.lsns),
      body.sizeBytes,
      recipients.length,
      recipients.length,
    )
    recipients.forEach(({ address, destination, notify, orcpt }, place) => {
      const occasions = notify === null ? null : notify.join(' ')
      this.#writes.recipient.run(
        lsn,
        place,
        address,
        destination,
        occasions,
        orcpt,
        stateNumber('waiting'),
        record.dueMs,
      )
    })
  }

  attempt(lsn: Lsn, { entry, places }: QueueAttempt): void {
    for (const place of places) {
      must(this.#writes.attempt.run(stateNumber('attempting'), lsn, entry, place).changes, entry, place)
    }
  }

  defer({ entry, recipients }: QueueDefer): void {
    for (const { place, attempts, dueMs, held, warned, reply, remote } of recipients) {
      const state = stateNumber(held ? 'held' : 'waiting')
      const { changes } = this.#writes.defer.run(state, dueMs, attempts, Number(warned), reply, remote, entry, place)
      must(changes, entry, place)
    }
  }

  done(lsn: Lsn, { entry, atMs, recipients }: QueueDone): void {
    for (const { place } of recipients) must(this.#writes.done.run(entry, place).changes, entry, place)
    const row = this.#writes.close.get(recipients.length, entry)
    if (row !== undefined && int(row, 0) === 0) this.#writes.release.run(lsn, atMs, entry)
  }
}

function stateNumber(state: QueueState): number {
  return QUEUE_STATES.indexOf(state)
}

function must(changes: number | bigint, entry: Lsn, place: number): void {
  if (changes === 1) return
  throw new IndexError(
    'INDEX_RECORD',
    `Cannot apply a change of recipient ${place} of queue entry ${entry}: it is not open`,
  )
}
