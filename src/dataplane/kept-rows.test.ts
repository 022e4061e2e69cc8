/** What can be told of the rows that a SELECT keeps, without running it. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { openLaneDatabase, type LaneDatabase } from './lane-database.ts'
import { checkSql } from './sql-check.ts'
import { parseColumnType, type Column } from './types.ts'

const COLUMNS: Column[] = Object.entries({
  id: 'bigint',
  amount: 'decimal(9,2)',
  region: 'varchar',
  ratio: 'double',
  day: 'date',
  ts: 'timestamp(6)',
  zoned: 'timestamptz',
  flag: 'boolean',
}).map(([name, type]) => ({ name, type: parseColumnType(type), nullable: true }))

let database: LaneDatabase
before(async () => {
  database = await openLaneDatabase({ memoryLimitBytes: 128 * 2 ** 20 })
})
after(() => database.close())

async function keptOf(sql: string): Promise<readonly string[]> {
  const result = await checkSql(database, { name: 'rows', columns: COLUMNS }, sql)
  assert.ok(result.ok, `${sql}: ${JSON.stringify(result)}`)
  return result.keeps
}

const KEPT: readonly [where: string, kept: readonly string[]][] = [
  ["id >= 100 AND region = 'it''s'", ['"id" >= 100', `"region" = 'it''s'`]],
  ['100 > ID AND (amount <= 2.50 AND id = -7)', ['"id" < 100', '"amount" <= 2.50', '"id" = -7']],
  [
    'id BETWEEN 1 AND 9 AND region IS NOT NULL AND day IS NULL',
    ['"id" >= 1 AND "id" <= 9', '"region" IS NOT NULL', '"day" IS NULL'],
  ],
  ["region IN ('eu', 'us') AND id IN (1, ratio)", [`"region" IN ('eu', 'us')`]],
  [
    "day >= DATE '2026-01-02' AND ts < '2026-01-02 03:04:05'",
    [`"day" >= '2026-01-02'`, `"ts" < '2026-01-02 03:04:05'`],
  ],
  [
    "ts > DATE '2026-01-02' AND zoned > TIMESTAMPTZ '2026-01-02 00:00:00Z'",
    [`"ts" > '2026-01-02'`, `"zoned" > '2026-01-02 00:00:00Z'`],
  ],
  ['(flag = true AND id > 5) IS TRUE', ['"flag" = true', '"id" > 5']],
  ['NOT (id < 5)', ['"id" >= 5']],
]
for (const [where, kept] of KEPT) {
  test(`of WHERE ${where} is known ${kept.join(' and ')}`, async () => {
    assert.deepEqual(await keptOf(`SELECT id FROM rows WHERE ${where}`), kept)
  })
}

test('nothing is told of what is no comparison of a column with a value of its own kind', async () => {
  const unknown = [
    'id > 5 OR ratio > 1',
    'ratio > 0.1',
    'id + 1 > 5',
    "id > '5'",
    'region > 5::VARCHAR',
    'id > 9007199254740993',
    'id > 5e0',
    'id > NULL',
    "day > TIMESTAMP '2026-01-02 03:04:05'",
    "id = TRY_CAST('5' AS BIGINT)",
    'id <> 5',
    'id NOT IN (5)',
    "region LIKE 'e%'",
  ]
  for (const where of unknown) assert.deepEqual(await keptOf(`SELECT id FROM rows WHERE ${where}`), [], where)
  assert.deepEqual(await keptOf('WITH a AS (SELECT id FROM rows) SELECT id FROM a WHERE id > 5'), [])
  assert.deepEqual(await keptOf('SELECT id FROM (SELECT id + 1 AS id FROM rows) WHERE id > 5'), [])
  assert.deepEqual(await keptOf('SELECT id FROM rows'), [])
})

test('names are the columns of the input, also where the SELECT gives something else that name', async () => {
  assert.deepEqual(await keptOf("SELECT upper(region) AS region FROM rows AS r WHERE r.region = 'eu'"), [
    `"region" = 'eu'`,
  ])
  await database.run("CREATE OR REPLACE TEMP TABLE shadow AS SELECT 'eu' AS region")
  const [row] = await database.run(
    "SELECT count(*) FROM (SELECT upper(region) AS region FROM shadow WHERE region = 'eu')",
  )
  assert.deepEqual(row, [1n])
})

const VALUES: Readonly<Record<string, readonly string[]>> = {
  id: ['0', '1', '-1', '5', '9007199254740993', '2.5', "'3'", 'NULL'],
  amount: ['0', '1.5', '-1.25', '2', '2.345', 'NULL'],
  region: ["'eu'", "'é'", "'US'", "'a''b'", 'NULL'],
  ratio: ['0.1', '1', 'NULL'],
  day: ["'2026-01-02'", "DATE '2025-12-31'", "TIMESTAMP '2026-01-02 12:00:00'"],
  ts: ["'2026-01-02T00:00:00'", "DATE '2026-01-02'", "TIMESTAMP '2026-01-02 12:00:00.5'"],
  zoned: ["'2026-01-02T00:00:00Z'", "TIMESTAMPTZ '2026-01-02 00:00:00+02'"],
  flag: ['true', 'false', 'NULL'],
}
const comparison = fc.constantFrom(...Object.keys(VALUES)).chain((column) => {
  const value = fc.constantFrom(...(VALUES[column] ?? []))
  const signs = fc.constantFrom('=', '<', '<=', '>', '>=', '<>', 'IS NOT DISTINCT FROM')
  return fc.oneof(
    fc.tuple(signs, value).map(([sign, one]) => `${column} ${sign} ${one}`),
    fc.tuple(signs, value).map(([sign, one]) => `${one} ${sign} ${column}`),
    fc.array(value, { minLength: 1, maxLength: 3 }).map((all) => `${column} IN (${all.join(', ')})`),
    fc.tuple(value, value).map(([low, high]) => `${column} BETWEEN ${low} AND ${high}`),
    fc.constantFrom(`${column} IS NULL`, `${column} IS NOT NULL`),
  )
})
const { condition } = fc.letrec<{ condition: string }>((tie) => ({
  condition: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    comparison,
    fc.tuple(tie('condition'), tie('condition')).map(([a, b]) => `(${a} AND ${b})`),
    fc.tuple(tie('condition'), tie('condition')).map(([a, b]) => `(${a} OR ${b})`),
    tie('condition').map((one) => `(NOT ${one})`),
    tie('condition').map((one) => `((${one}) IS TRUE)`),
  ),
}))

test('whatever is told of the rows that a SELECT keeps holds for each of them', async () => {
  const rows = Object.entries(VALUES).map(([column, values]) => {
    const type = {
      id: 'BIGINT',
      amount: 'DECIMAL(9,2)',
      region: 'VARCHAR',
      ratio: 'DOUBLE',
      day: 'DATE',
      ts: 'TIMESTAMP',
      zoned: 'TIMESTAMPTZ',
      flag: 'BOOLEAN',
    }[column]
    return `(SELECT unnest([${[...values, 'NULL'].map((value) => `CAST(${value} AS ${type})`).join(', ')}]) AS ${column})`
  })
  await database.run(
    `CREATE OR REPLACE TEMP TABLE all_rows AS SELECT * FROM ${rows.join(', ')} USING SAMPLE 400 ROWS (reservoir, 7)`,
  )
  let told = 0
  await fc.assert(
    fc.asyncProperty(condition, async (where) => {
      const kept = await keptOf(`SELECT * FROM rows WHERE ${where}`)
      told += kept.length
      const isWrong = `NOT coalesce(${kept.map((one) => `(${one})`).join(' AND ') || 'true'}, false)`
      const [row] = await database.run(`SELECT count(*) FROM all_rows WHERE ${where} AND ${isWrong}`)
      assert.deepEqual(row, [0n], `${where} was said to keep ${kept.join(' AND ')}`)
    }),
    { numRuns: 100 },
  )
  assert.ok(told > 20, 'conditions were told at all')
})
