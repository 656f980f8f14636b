import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { ATTRIBUTES, CLASSES } from '#lib/ldap/schema.ts'
import { schemaLdif } from '#lib/ldap/schema-ldif.ts'

const file = new URL('./schema.ldif', import.meta.url)
if (process.env['UPDATE'] === '1') writeFileSync(file, schemaLdif())

test('services/directory/schema.ldif is what the schema says', () => {
  assert.equal(readFileSync(file, 'utf8'), schemaLdif())
})

test('the schema uses no number twice and names only attributes it has', () => {
  for (const list of [ATTRIBUTES, CLASSES]) {
    const arcs = list.flatMap((type) => type.ours?.arc ?? [])
    assert.equal(new Set(arcs).size, arcs.length)
    const names = list.map((type) => type.name.toLowerCase())
    assert.equal(new Set(names).size, names.length)
  }
  const known = new Set(ATTRIBUTES.map((type) => type.name))
  for (const type of CLASSES) for (const name of [...type.must, ...type.may]) assert.ok(known.has(name), name)
})
