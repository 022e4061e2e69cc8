/** The WHERE of the SQL behind the source: files and row groups without a row of it are not read. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fixtureTable, OpenedIceberg } from '../../testkit/iceberg-tables.ts'

const CASES: readonly [name: string, prune: string, come: number, of: number][] = [
  ['v2_partitioned', `"region" = 'eu'`, 100, 300],
  ['v2_append', '"id" >= 350', 100, 400],
  ['v2_append', '("id" < 50) OR ("id" >= 350)', 200, 400],
  ['v2_schema_evolution', '"id" < 50', 100, 300],
  ['v2_position_deletes', '"id" < 50', 270, 320],
]
for (const [name, prune, come, of] of CASES) {
  test(`of ${name} come ${come} of ${of} rows where ${prune} is kept, and all of those`, async () => {
    const table = fixtureTable(name)
    await using pruned = await OpenedIceberg.open({ table }, { prune })
    await using whole = await OpenedIceberg.open({ table })
    await using filtered = await OpenedIceberg.open({ table, where: prune })
    const found = new Set(await pruned.readLines())
    assert.equal(found.size, come)
    assert.equal((await whole.readLines()).length, of)
    const kept = await filtered.readLines()
    assert.ok(kept.length > 0 && kept.every((line) => found.has(line)))
  })
}

test('what makes no sense of the table’s columns prunes nothing, and the rest still does', async () => {
  const rows = async (prune: string): Promise<number> => {
    await using table = await OpenedIceberg.open({ table: fixtureTable('v2_append') }, { prune })
    return (await table.readLines()).length
  }
  assert.equal(await rows('"nope" = 1'), 400)
  assert.equal(await rows('"ratio" > 1e300'), 400)
  assert.equal(await rows(`"id" = 'x' AND "id" >= 350`), 100)
  assert.equal(await rows(`"id" = 'x' OR "id" >= 350`), 400)
  assert.equal(await rows('"id" >= 1000000'), 0)
})

test('a position means the same with another condition: SQL may be changed in the middle of a snapshot', async () => {
  const table = fixtureTable('v2_append')
  await using before = await OpenedIceberg.open({ table }, { prune: '"id" >= 350' })
  await using after = await OpenedIceberg.open({ table }, { prune: '"id" < 50' })
  const splits = await before.discover()
  assert.deepEqual(await after.discover(), splits)
  await after.enumerator().verify(splits)
})
