/**
 * The text index in SQLite: one FTS5 row for the bytes of each letter of an account (copies share it), without the text itself. The row ids of an
 * account are neighbours, so that a question reads the lists of its letters only. Runs in a worker; synchronous throughout.
 *
 * Invariants: what was added becomes visible with `commit`, together with the LSN up to which everything is there; a letter whose
 * tokens are not all here is in every answer. Nothing here is worth repairing: the log has everything.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { asArrays, int, text } from '../index/columns.ts'
import { letterTokens } from './letter-tokens.ts'
import { INDEXED_LETTER_BYTES_MAX, TERMS_PER_QUERY, WORDS_ASKED_MAX, WORDS_REMEMBERED_MAX } from './limits.ts'
import { conditionsOf, type TextConditions } from './tokens.ts'

export const TEXT_SCHEMA_VERSION = 1

const SCHEMA = `
CREATE TABLE state (only INTEGER PRIMARY KEY CHECK (only = 1), applied_lsn INTEGER NOT NULL) STRICT;
INSERT INTO state VALUES (1, 0);
CREATE TABLE accounts (key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, letters INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE letters (letter INTEGER PRIMARY KEY, email_id TEXT NOT NULL) STRICT;
CREATE TABLE known (account INTEGER NOT NULL, email_id TEXT NOT NULL, PRIMARY KEY (account, email_id)) STRICT, WITHOUT ROWID;
CREATE TABLE incomplete (letter INTEGER PRIMARY KEY) STRICT;
CREATE TABLE words (word TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE VIRTUAL TABLE tokens USING fts5 (header, body, content = '', detail = column, columnsize = 0, tokenize = 'ascii');
PRAGMA user_version = ${TEXT_SCHEMA_VERSION};
`

/** Row ids of one account; there are 2^21 such ranges below 2^53. */
const LETTERS_PER_ACCOUNT = 2 ** 32

export type TextPart = 'header' | 'body'

export interface TextQuestion {
  readonly part: TextPart
  /** Folded. */
  readonly text: string
}

export interface TextAnswer {
  /** Every letter up to here was asked. */
  readonly appliedLsn: number
  /** For each question the EMAILIDs of the letters to be looked at; null: all of them. */
  readonly candidates: readonly (readonly string[] | null)[]
}

interface Waiting {
  readonly letter: number
  readonly emailId: string
  readonly header: string
  readonly body: string
  readonly complete: boolean
  readonly words: readonly string[]
}

export class TextDatabase {
  readonly #db: DatabaseSync
  readonly #statements: ReturnType<typeof prepareAll>
  readonly #accounts = new Map<string, { readonly key: number; letters: number }>()
  readonly #wordsKnown = new Set<string>()
  /** Added and not committed. */
  #waiting: Waiting[] = []
  readonly #waitingIds = new Set<string>()
  #appliedLsn: number

  /** @param path A file, made if it does not exist, or `:memory:`. @throws {Error} It is damaged, or of another schema. */
  constructor(path: string) {
    this.#db = new DatabaseSync(path)
    try {
      // NORMAL: a crash takes back the last commits, whole ones; the feeder goes on from there.
      this.#db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -32768')
      const version = this.#db.prepare('PRAGMA user_version').get()?.['user_version']
      if (version === 0) this.#db.exec(`BEGIN; ${SCHEMA}; COMMIT`)
      else if (version !== TEXT_SCHEMA_VERSION) throw new Error(`Cannot use ${path}: schema ${String(version)}`)
      this.#statements = prepareAll(this.#db)
      const state = this.#statements.state.get()
      if (state === undefined) throw new Error(`Cannot use ${path}: it has no applied LSN`)
      this.#appliedLsn = int(state, 0)
    } catch (error) {
      this.#db.close()
      throw error
    }
  }

  get appliedLsn(): number {
    return this.#appliedLsn
  }

  /** Those of `emailIds` that are not here yet. */
  missing(account: string, emailIds: readonly string[]): string[] {
    const { key } = this.#account(account)
    return emailIds.filter(
      (id) => !this.#waitingIds.has(`${key} ${id}`) && this.#statements.known.get(key, id) === undefined,
    )
  }

  /** @param letter As it is served; null: it is larger than what is read for the index. */
  add(account: string, emailId: string, letter: Buffer | null): void {
    const owner = this.#account(account)
    const tokens = letter === null || letter.length > INDEXED_LETTER_BYTES_MAX ? null : letterTokens(letter)
    const words =
      tokens === null ? [] : [...tokens.header, ...tokens.body].filter((word) => !this.#wordsKnown.has(word))
    this.#waitingIds.add(`${owner.key} ${emailId}`)
    this.#waiting.push({
      letter: owner.key * LETTERS_PER_ACCOUNT + ++owner.letters,
      emailId,
      header: [...(tokens?.header ?? [])].join(' '),
      body: [...(tokens?.body ?? [])].join(' '),
      complete: tokens?.complete ?? false,
      words,
    })
  }

  /** Everything up to `lsn` was added. */
  commit(lsn: number): void {
    const { begin, commit, addTokens, addLetter, addKnown, addIncomplete, setLetters, setState } = this.#statements
    // FTS5 writes what it has whenever a row id is not the highest: in order, a whole batch is written once.
    const batch = this.#waiting.toSorted((a, b) => a.letter - b.letter)
    begin.run()
    try {
      for (const { letter, emailId, header, body, complete, words } of batch) {
        const key = Math.floor(letter / LETTERS_PER_ACCOUNT)
        addTokens.run(letter, header, body)
        addLetter.run(letter, emailId)
        addKnown.run(key, emailId)
        if (!complete) addIncomplete.run(letter)
        this.#addWords(words)
      }
      for (const { key, letters } of this.#accounts.values()) setLetters.run(letters, key)
      setState.run(lsn)
      commit.run()
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      this.#wordsKnown.clear()
      this.#forgetWaiting()
      throw error
    }
    this.#appliedLsn = lsn
    this.#forgetWaiting()
  }

  /** @param account Its letters are asked. */
  ask(account: string, questions: readonly TextQuestion[]): TextAnswer {
    const row = this.#statements.account.get(account)
    const candidates = questions.map((question) => (row === undefined ? [] : this.#candidates(int(row, 0), question)))
    return { appliedLsn: this.#appliedLsn, candidates }
  }

  close(): void {
    this.#db.close()
  }

  #candidates(account: number, { part, text: wanted }: TextQuestion): string[] | null {
    const conditions = conditionsOf(wanted)
    const expressions = conditions === null ? null : this.#expressions(conditions)
    if (expressions === null) return null
    const range = [account * LETTERS_PER_ACCOUNT, (account + 1) * LETTERS_PER_ACCOUNT - 1] as const
    const found = new Set<string>()
    for (const expression of expressions) {
      for (const row of this.#statements.match.all(`{${part}} : (${expression})`, ...range)) found.add(text(row, 0))
    }
    for (const row of this.#statements.incomplete.all(...range)) found.add(text(row, 0))
    return [...found]
  }

  /** Expressions of FTS5, any of which must hold; null: the index cannot decide. */
  #expressions({ exact, prefixes, parts }: TextConditions): string[] | null {
    const all = [...exact.map((token) => `"${token}"`), ...prefixes.map((prefix) => `"${prefix}" *`)]
    if (all.length > 0) return [all.join(' AND ')]
    const longest = parts.toSorted((a, b) => b.length - a.length)[0] ?? ''
    const words = this.#statements.wordsWith.all(longest, WORDS_ASKED_MAX + 1).map((row) => `"${text(row, 0)}"`)
    if (words.length > WORDS_ASKED_MAX) return null
    const expressions: string[] = []
    for (let at = 0; at < words.length; at += TERMS_PER_QUERY) {
      expressions.push(words.slice(at, at + TERMS_PER_QUERY).join(' OR '))
    }
    return expressions
  }

  #account(id: string): { readonly key: number; letters: number } {
    let account = this.#accounts.get(id)
    if (account !== undefined) return account
    this.#statements.addAccount.run(id)
    const row = this.#statements.account.get(id)
    if (row === undefined) throw new Error(`Cannot find account ${id}, which was just added`)
    account = { key: int(row, 0), letters: int(row, 1) }
    this.#accounts.set(id, account)
    return account
  }

  #addWords(words: readonly string[]): void {
    for (const word of words) {
      if (this.#wordsKnown.has(word)) continue
      this.#statements.addWord.run(word)
      if (this.#wordsKnown.size >= WORDS_REMEMBERED_MAX) this.#wordsKnown.clear()
      this.#wordsKnown.add(word)
    }
  }

  #forgetWaiting(): void {
    this.#waiting = []
    this.#waitingIds.clear()
    // Counts of letters that were taken back, and accounts not seen for long, are read again.
    this.#accounts.clear()
  }
}

function prepareAll(db: DatabaseSync): Record<StatementName, StatementSync> {
  const prepare = (sql: string) => asArrays(db.prepare(sql))
  return {
    begin: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    state: prepare('SELECT applied_lsn FROM state'),
    setState: db.prepare('UPDATE state SET applied_lsn = ?'),
    addAccount: db.prepare('INSERT OR IGNORE INTO accounts (id) VALUES (?)'),
    account: prepare('SELECT key, letters FROM accounts WHERE id = ?'),
    setLetters: db.prepare('UPDATE accounts SET letters = ? WHERE key = ?'),
    known: prepare('SELECT 1 FROM known WHERE account = ? AND email_id = ?'),
    addKnown: db.prepare('INSERT OR IGNORE INTO known VALUES (?, ?)'),
    addLetter: db.prepare('INSERT INTO letters VALUES (?, ?)'),
    addIncomplete: db.prepare('INSERT INTO incomplete VALUES (?)'),
    addTokens: db.prepare('INSERT INTO tokens (rowid, header, body) VALUES (?, ?, ?)'),
    addWord: db.prepare('INSERT OR IGNORE INTO words VALUES (?)'),
    wordsWith: prepare('SELECT word FROM words WHERE instr(word, ?) > 0 LIMIT ?'),
    match: prepare(
      'SELECT l.email_id FROM tokens t JOIN letters l ON l.letter = t.rowid WHERE t.tokens MATCH ? AND t.rowid BETWEEN ? AND ?',
    ),
    incomplete: prepare(
      'SELECT l.email_id FROM incomplete i JOIN letters l ON l.letter = i.letter WHERE i.letter BETWEEN ? AND ?',
    ),
  }
}

type StatementName =
  | 'begin'
  | 'commit'
  | 'state'
  | 'setState'
  | 'addAccount'
  | 'account'
  | 'setLetters'
  | 'known'
  | 'addKnown'
  | 'addLetter'
  | 'addIncomplete'
  | 'addTokens'
  | 'addWord'
  | 'wordsWith'
  | 'match'
  | 'incomplete'
