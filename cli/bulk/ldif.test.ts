import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type LdifEntry, parseLdif } from './ldif.ts'

async function parse(text: string): Promise<LdifEntry[]> {
  const found: LdifEntry[] = []
  for await (const entry of parseLdif(lines(text))) found.push(entry)
  return found
}

async function* lines(text: string): AsyncGenerator<string> {
  yield* text.split('\n')
}

test('parseLdif() reads entries with folded lines, comments, base64 and options', async () => {
  const entries = await parse(`version: 1
# people
dn: mail=anna@a.example,ou=people,
 o=twinpost
# a comment that
  goes on
objectClass: inetOrgPerson
mail: anna@a.example
mailLocalAddress: anna@a.example
mailLocalAddress: a@a.example
displayName;lang-de:: QW5uYSDDhW5nc3Ryw7Zt
description:

dn: ou=people,o=twinpost
changetype: add
ou: people
`)
  assert.deepEqual(
    entries.map(({ line, dn }) => [line, dn]),
    [
      [3, 'mail=anna@a.example,ou=people,o=twinpost'],
      [14, 'ou=people,o=twinpost'],
    ],
  )
  const [anna] = entries
  assert.deepEqual(anna?.attributes.get('maillocaladdress'), ['anna@a.example', 'a@a.example'])
  assert.deepEqual(anna?.attributes.get('displayname'), ['Anna Ångström'])
  assert.deepEqual(anna?.attributes.get('description'), [''])
  assert.equal(entries[1]?.attributes.has('changetype'), false)
})

for (const [name, text, line] of [
  ['an entry without a name', 'mail: a@b.c\n', 1],
  ['a change', 'dn: o=x\nchangetype: delete\n', 2],
  ['a line without a colon', 'dn: o=x\n\ndn: o=y\nnonsense\n', 4],
  ['a value from a file', 'dn: o=x\njpegPhoto:< file:///etc/passwd\n', 2],
] as const)
  test(`parseLdif() refuses ${name} and says where`, async () => {
    await assert.rejects(parse(text), { name: 'LdifError', line })
  })
