import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testBatch } from '../testkit/bytes-batch.ts'
import { openLaneDatabase, type LaneDatabase } from './lane-database.ts'
import { tablePart } from './table-part.ts'

const ROWS = 300_000

async function openRows(): Promise<LaneDatabase> {
  const database = await openLaneDatabase({ memoryLimitBytes: 64 * 1024 * 1024 })
  await database.run(`CREATE TEMP TABLE "all" AS SELECT range AS id, ${ROWS} - range AS back FROM range(${ROWS})`)
  return database
}

async function idsOf(database: LaneDatabase, relation: string): Promise<number[]> {
  return (await database.run(`SELECT id FROM "${relation}"`)).map(([id]) => Number(id))
}

test('a part of a table holds the wanted rows in their order, over row groups too', async () => {
  await using database = await openRows()
  for (const [from, to] of [
    [0, 1],
    [122_870, 122_890],
    [ROWS - 3, ROWS],
  ] as const) {
    const whole = testBatch(ROWS, { kind: 'table', relation: 'all', schema: [] })
    const part = await tablePart(database, whole, from, to)
    assert.equal(whole.releases, 1)
    assert.ok(part.body.kind === 'table')
    assert.equal(part.rows, to - from)
    const expected = Array.from({ length: to - from }, (_, index) => from + index)
    assert.deepEqual(await idsOf(database, part.body.relation), expected)
    part.release()
    await assert.rejects(idsOf(database, part.body.relation), /does not exist/)
  }
})
