/**
 * The entries of the embedded directory in one SQLite file. Every write is one transaction that is on disk when it returns
 * (WAL, synchronous FULL); uniqueness of entries and of addresses is the database's own, so of two concurrent creates of one
 * address exactly one succeeds. Tables: `entries` (tree), `vals` (one row per attribute value, with its comparable form).
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { errorMessage } from '#lib/errors/coded-error.ts'
import { parseDn, type Rdn } from '#lib/ldap/names.ts'
import { ATTRIBUTES, attributeType } from '#lib/ldap/schema.ts'
import { type Attributes, checkEntry, conforms, knownType, normalized } from './entry-rules.ts'
import { Fault } from './fault.ts'
import { candidatesSql, type Filter, filterSql, type MayRead } from './filter.ts'
import { STATEMENTS_MAX } from './limits.ts'

export interface Modification {
  readonly operation: 'add' | 'delete' | 'replace'
  readonly attribute: string
  readonly values: readonly string[]
}

export type SearchScope = 'base' | 'one' | 'sub'

export interface FoundEntry {
  readonly id: number
  readonly dn: string
  /** By canonical name; only what may be read. */
  readonly attributes: Readonly<Record<string, string[]>>
}

export interface SearchQuery {
  readonly base: string
  readonly scope: SearchScope
  readonly filter: Filter
  readonly mayRead: MayRead
  /** Entries come in the order of their ids, from the first one after this. */
  readonly afterId: number
  readonly limit: number
}

const FORMAT = 1
/** Between the RDNs of a path: below every character that a value may hold after normalisation. */
const SEPARATOR = '\u0001'
const BEHIND_SEPARATOR = '\u0002'

export class DirectoryStore {
  readonly #db: DatabaseSync
  readonly #basePath: string
  /** Prepared statements by text: searches have few shapes, so most are compiled once. */
  readonly #statements = new Map<string, StatementSync>()

  /** Opens or makes the file. @param baseDn Suffix of the tree; entries outside of it are refused. */
  constructor(file: string, baseDn: string) {
    this.#db = new DatabaseSync(file)
    this.#db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON')
    const version = this.#db.prepare('PRAGMA user_version').get()?.['user_version']
    if (version !== 0 && version !== FORMAT) {
      throw new Error(`Cannot open ${file}: format ${String(version)} is not ${FORMAT}`)
    }
    const unique = ATTRIBUTES.filter((type) => type.unique).map((type) => `'${type.name.toLowerCase()}'`)
    this.#db.exec(`
      CREATE TABLE IF NOT EXISTS entries (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        parent INTEGER REFERENCES entries (id),
        path TEXT NOT NULL UNIQUE,
        dn TEXT NOT NULL
      );
      CREATE INDEX IF NOT EXISTS entries_parent ON entries (parent, id);
      CREATE TABLE IF NOT EXISTS vals (
        entry INTEGER NOT NULL REFERENCES entries (id),
        type TEXT NOT NULL,
        norm TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (entry, type, norm)
      ) WITHOUT ROWID;
      CREATE INDEX IF NOT EXISTS vals_lookup ON vals (type, norm, entry);
      CREATE UNIQUE INDEX IF NOT EXISTS vals_unique ON vals (type, norm) WHERE type IN (${unique.join(', ')});
      PRAGMA user_version = ${FORMAT}`)
    const base = pathOf(baseDn)
    if (base === null) throw new Error(`Cannot use ${JSON.stringify(baseDn)} as the base: it is not a DN`)
    this.#basePath = base.path
  }

  close(): void {
    this.#statements.clear()
    this.#db.close()
  }

  get entryCount(): number {
    return Number(this.#prepared('SELECT count(*) AS n FROM entries').get()?.['n'])
  }

  /** @throws {Fault} */
  add(dn: string, attributes: Attributes): void {
    const { path, parentPath, rdn } = this.#within(dn)
    checkEntry(attributes)
    const named = attributes.get(rdn.type)?.some((value) => sameValue(rdn, value))
    if (!named) throw new Fault('namingViolation', `${rdn.type}: the naming attribute is not in the entry`)
    this.#transaction(() => {
      const parent = path === this.#basePath ? null : this.#id(parentPath)
      if (parent === undefined) throw new Fault('noSuchObject', 'the parent entry does not exist')
      if (this.#id(path) !== undefined) throw new Fault('entryAlreadyExists', 'the entry exists already')
      const insert = this.#prepared('INSERT INTO entries (parent, path, dn) VALUES (?, ?, ?)')
      const id = Number(insert.run(parent, path, dn).lastInsertRowid)
      this.#insertValues(id, attributes)
    })
  }

  /** All or nothing, in the order given (RFC 4511 section 4.6). @throws {Fault} */
  modify(dn: string, modifications: readonly Modification[]): void {
    const { path, rdn } = this.#within(dn)
    this.#transaction(() => {
      const id = this.#id(path)
      if (id === undefined) throw new Fault('noSuchObject', 'the entry does not exist')
      const attributes = new Map(this.#attributes(id))
      for (const modification of modifications) apply(attributes, modification)
      if (!attributes.get(rdn.type)?.some((value) => sameValue(rdn, value))) {
        throw new Fault('notAllowedOnRdn', `${rdn.type}: the naming value cannot be taken away`)
      }
      checkEntry(attributes)
      this.#prepared('DELETE FROM vals WHERE entry = ?').run(id)
      this.#insertValues(id, attributes)
    })
  }

  /** Another name below the same parent; the old naming value goes (RFC 4511 section 4.9). @throws {Fault} */
  rename(dn: string, newRdn: string): void {
    const { path, parentPath, rdn } = this.#within(dn)
    const target = parseDn(newRdn)
    const [named] = target ?? []
    const parentDn = dn.slice(dn.search(/(?<!\\),/) + 1)
    const renamed = pathOf(`${newRdn},${parentDn}`)
    if (!named || target?.length !== 1 || renamed === null || renamed.parentPath !== parentPath) {
      throw new Fault('invalidDnSyntax', 'the new name is not one RDN')
    }
    this.#transaction(() => {
      const id = this.#id(path)
      if (id === undefined) throw new Fault('noSuchObject', 'the entry does not exist')
      if (this.#prepared('SELECT 1 FROM entries WHERE parent = ? LIMIT 1').get(id)) {
        throw new Fault('notAllowedOnNonLeaf', 'the entry has entries below it')
      }
      const holder = this.#id(renamed.path)
      if (holder !== undefined && holder !== id) throw new Fault('entryAlreadyExists', 'the entry exists already')
      const attributes = new Map(this.#attributes(id))
      const without = (attributes.get(rdn.type) ?? []).filter((value) => !sameValue(rdn, value))
      attributes.set(rdn.type, without)
      const present = attributes.get(named.type) ?? []
      attributes.set(named.type, [...present.filter((value) => !sameValue(named, value)), named.value])
      if (attributes.get(rdn.type)?.length === 0) attributes.delete(rdn.type)
      checkEntry(attributes)
      this.#prepared('UPDATE entries SET path = ?, dn = ? WHERE id = ?').run(renamed.path, `${newRdn},${parentDn}`, id)
      this.#prepared('DELETE FROM vals WHERE entry = ?').run(id)
      this.#insertValues(id, attributes)
    })
  }

  /** @throws {Fault} */
  delete(dn: string): void {
    const { path } = this.#within(dn)
    this.#transaction(() => {
      const id = this.#id(path)
      if (id === undefined) throw new Fault('noSuchObject', 'the entry does not exist')
      if (this.#prepared('SELECT 1 FROM entries WHERE parent = ? LIMIT 1').get(id)) {
        throw new Fault('notAllowedOnNonLeaf', 'the entry has entries below it')
      }
      this.#prepared('DELETE FROM vals WHERE entry = ?').run(id)
      this.#prepared('DELETE FROM entries WHERE id = ?').run(id)
    })
  }

  /** @returns At most `limit` entries, and whether there are more. @throws {Fault} noSuchObject when the base is missing. */
  search(query: SearchQuery): { entries: FoundEntry[]; more: boolean } {
    const { path } = this.#within(query.base)
    const baseId = this.#id(path)
    if (baseId === undefined) throw new Fault('noSuchObject', 'the base of the search does not exist')
    const scope = scopeSql(query.scope, baseId, path)
    const filter = filterSql(query.filter, query.mayRead)
    const driver = candidatesSql(query.filter, query.mayRead)
    const conditions = [scope.text, 'e.id > ?', `(${filter.text})`]
    const params: SQLInputValue[] = [...scope.params, query.afterId, ...filter.params]
    if (driver) {
      conditions.unshift(`e.id IN (${driver.text})`)
      params.unshift(...driver.params)
    }
    const sql = `SELECT e.id, e.dn FROM entries e WHERE ${conditions.join(' AND ')} ORDER BY e.id LIMIT ?`
    const rows = this.#prepared(sql).all(...params, query.limit + 1)
    const entries = rows.slice(0, query.limit).map((row) => {
      const id = Number(row['id'])
      const attributes: Record<string, string[]> = {}
      for (const [name, values] of this.#attributes(id)) {
        const type = attributeType(name)
        if (type && query.mayRead(type)) attributes[type.name] = [...values]
      }
      return { id, dn: String(row['dn']), attributes }
    })
    return { entries, more: rows.length > query.limit }
  }

  #attributes(id: number): Map<string, string[]> {
    const attributes = new Map<string, string[]>()
    for (const row of this.#prepared('SELECT type, value FROM vals WHERE entry = ?').all(id)) {
      const type = String(row['type'])
      const values = attributes.get(type)
      if (values) values.push(String(row['value']))
      else attributes.set(type, [String(row['value'])])
    }
    return attributes
  }

  #insertValues(id: number, attributes: Attributes): void {
    const insert = this.#prepared('INSERT INTO vals (entry, type, norm, value) VALUES (?, ?, ?, ?)')
    for (const [name, values] of attributes) {
      const type = knownType(name)
      for (const value of values) {
        try {
          insert.run(id, name, normalized(type, value), value)
        } catch (error) {
          if (!errorMessage(error).includes('UNIQUE constraint failed')) throw error
          throw new Fault('constraintViolation', `${type.name}: another entry has this value`)
        }
      }
    }
  }

  #id(path: string): number | undefined {
    const row = this.#prepared('SELECT id FROM entries WHERE path = ?').get(path)
    return row ? Number(row['id']) : undefined
  }

  /** @throws {Fault} for what is no DN, or outside of the tree. */
  #within(dn: string): EntryPath {
    const found = pathOf(dn)
    if (found === null) throw new Fault('invalidDnSyntax', 'the name is not a DN')
    if (found.path !== this.#basePath && !found.path.startsWith(this.#basePath + SEPARATOR)) {
      throw new Fault('noSuchObject', 'the name is outside of this tree')
    }
    return found
  }

  #prepared(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known) return known
    if (this.#statements.size >= STATEMENTS_MAX) this.#statements.clear()
    const statement = this.#db.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }

  #transaction(work: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      work()
      this.#db.exec('COMMIT')
    } catch (error) {
      this.#db.exec('ROLLBACK')
      throw error
    }
  }
}

interface EntryPath {
  /** RDNs from the root down in comparable form. */
  readonly path: string
  readonly parentPath: string
  readonly rdn: Rdn
}

function pathOf(dn: string): EntryPath | null {
  const rdns = parseDn(dn)
  const rdn = rdns?.[0]
  if (!rdns || !rdn) return null
  const parts: string[] = []
  for (const { type, value } of rdns.toReversed()) {
    const known = attributeType(type)
    if (!known || !conforms(known, value) || /[\0-\x02]/.test(value)) return null
    parts.push(`${known.name.toLowerCase()}=${normalized(known, value)}`)
  }
  return { path: parts.join(SEPARATOR), parentPath: parts.slice(0, -1).join(SEPARATOR), rdn }
}

function sameValue(rdn: Rdn, value: string): boolean {
  const type = knownType(rdn.type)
  return normalized(type, rdn.value) === normalized(type, value)
}

function scopeSql(scope: SearchScope, baseId: number, path: string): { text: string; params: SQLInputValue[] } {
  switch (scope) {
    case 'base':
      return { text: 'e.id = ?', params: [baseId] }
    case 'one':
      return { text: 'e.parent = ?', params: [baseId] }
    case 'sub':
      return {
        text: '(e.id = ? OR (e.path > ? AND e.path < ?))',
        params: [baseId, path + SEPARATOR, path + BEHIND_SEPARATOR],
      }
    default:
      return scope satisfies never
  }
}

/** One change of RFC 4511 section 4.6 on an entry in memory. */
function apply(attributes: Map<string, string[]>, { operation, attribute, values }: Modification): void {
  const type = knownType(attribute)
  const name = type.name.toLowerCase()
  const present = attributes.get(name) ?? []
  const set = (list: string[]) => (list.length > 0 ? attributes.set(name, list) : attributes.delete(name))
  switch (operation) {
    case 'add':
      if (values.length === 0) throw new Fault('protocolError', `${type.name}: no value to add`)
      set([...present, ...values]) // checkEntry refuses a second equal value
      return
    case 'replace':
      set([...values])
      return
    case 'delete': {
      if (present.length === 0) throw new Fault('noSuchAttribute', `${type.name}: no such attribute`)
      const gone = new Set(values.map((value) => normalized(type, value)))
      const kept = values.length === 0 ? [] : present.filter((value) => !gone.has(normalized(type, value)))
      if (values.length > 0 && present.length - kept.length !== gone.size) {
        throw new Fault('noSuchAttribute', `${type.name}: no such value`)
      }
      set(kept)
      return
    }
    default:
      operation satisfies never
  }
}
