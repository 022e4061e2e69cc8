/** Aggregates that are computed of some rows at a time and merged, against DuckDB computing them of all rows at once. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { compileAggregates } from './compile-aggregates.ts'
import { openLaneDatabase } from './lane-database.ts'
import { parseColumnType, type Column } from './types.ts'

const database = await openLaneDatabase({ memoryLimitBytes: 128 * 1024 * 1024 })
after(() => database.close())

const column = (name: string, type: string): Column => ({ name, type: parseColumnType(type), nullable: true })
const COLUMNS = [column('k', 'integer'), column('i', 'bigint'), column('m', 'decimal(12,2)'), column('v', 'varchar')]

/** Ours, and the same in plain SQL where it is called otherwise there. */
const EXACT: readonly (readonly [ours: string, plain?: string])[] = [
  ['count(*)'],
  ['count(v)'],
  ['count(DISTINCT v)'],
  ['count(DISTINCT m) FILTER (WHERE i > 0)'],
  ['approx_count_distinct(v)', 'count(DISTINCT v)'],
  ['sum(i)'],
  ['sum(m)'],
  ['sum(m) FILTER (WHERE v IS NOT NULL)'],
  ['min(v)'],
  ['max(m)'],
  ['bool_and(i > 0)'],
  ['bool_or(i > 0)'],
  ['bit_xor(i)'],
  ['median(i)'],
  ['quantile_disc(m, 0.9)'],
  ['approx_quantile(m, 0.9)', 'quantile_disc(m, 0.9)'],
  ['arg_min(v, o)', 'arg_min(v, o)'],
  ['last(v)', 'arg_max(v, o)'],
  ['first(v)', 'arg_min(v, o)'],
  ['coalesce(sum(i), 0) + count(*) * 2'],
  ['k + count(*)'],
]
const ROUGH = ['avg(i)', 'stddev_samp(m)', 'var_pop(i)', 'stddev_pop(m)', 'var_samp(m)']

const row = fc.record({
  k: fc.option(fc.integer({ min: 0, max: 2 })),
  i: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  m: fc.option(fc.integer({ min: -99_999, max: 99_999 })),
  v: fc.option(fc.constantFrom('', 'a', 'b', 'é', 'zz')),
  piece: fc.nat(3),
})

test('merged pieces give what all rows give together', async () => {
  const ask = { columns: [...COLUMNS, column('o', 'bigint')], groupBy: COLUMNS.slice(0, 1), time: '#us' }
  const ours = Object.fromEntries([...EXACT.map(([text]) => text), ...ROUGH].map((text, index) => [`r${index}`, text]))
  const made = await compileAggregates(database, { ...ask, aggregates: ours })
  assert.ok('parts' in made, JSON.stringify(made))
  const parts = made.parts.map(({ name, partial }) => `${partial} AS "${name}"`).join(', ')
  const merged = made.parts.map(({ name, merge }) => `${merge} AS "${name}"`).join(', ')
  const calls = made.calls.map(({ name, sql }) => `${sql} AS "${name}"`).join(', ')
  const results = made.results.map(({ sql, name }) => `${sql} AS ${name}`).join(', ')
  const plain = [...EXACT.map(([text, other = text]) => other), ...ROUGH].join(', ')
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 30 }), async (rows) => {
      const values = rows.map(({ k, i, m, v, piece }, at) => {
        const cents = m === null ? 'NULL' : (m / 100).toFixed(2)
        return `(${k}, ${i === null ? 'NULL' : `'${i}'::BIGINT`}, ${cents}, ${v === null ? 'NULL' : `'${v}'`}, ${piece}, ${at})`
      })
      await database.run(
        `CREATE OR REPLACE TEMP TABLE t AS SELECT k::INTEGER AS k, i::BIGINT AS i, m::DECIMAL(12,2) AS m, v::VARCHAR AS v, ` +
          `piece, o::BIGINT AS o, o::BIGINT AS "#us" FROM (VALUES ${values.join(', ')}) rows(k, i, m, v, piece, o)`,
      )
      const pieces = `SELECT k, ${parts} FROM t GROUP BY k, piece`
      const whole = `SELECT k, ${merged} FROM (${pieces}) GROUP BY k`
      const found = await database.run(`SELECT k, ${results} FROM (SELECT *, ${calls} FROM (${whole})) ORDER BY k`)
      const expected = await database.run(`SELECT k, ${plain} FROM t GROUP BY k ORDER BY k`)
      for (const [index, wanted] of expected.entries()) {
        const given = found[index] ?? []
        assert.deepEqual(given.slice(0, EXACT.length + 1).map(plainly), wanted.slice(0, EXACT.length + 1).map(plainly))
        for (const [at, value] of wanted.slice(EXACT.length + 1).entries()) nearly(given[EXACT.length + 1 + at], value)
      }
    }),
    { numRuns: 40, endOnFailure: true },
  )
})

test('a quantile of a sample is near that of all values, however unlike and unequal the pieces are, and stays small', async () => {
  const aggregates = {
    low: 'approx_quantile(i, 0.1)',
    middle: 'approx_quantile(i, 0.5)',
    high: 'approx_quantile(i, 0.9)',
  }
  const made = await compileAggregates(database, { columns: COLUMNS, groupBy: [], time: undefined, aggregates })
  assert.ok('parts' in made)
  const parts = made.parts.map(({ name, partial }) => `${partial} AS "${name}"`).join(', ')
  const merged = made.parts.map(({ name, merge }) => `${merge} AS "${name}"`).join(', ')
  const calls = made.calls.map(({ name, sql }) => `${sql} AS "${name}"`).join(', ')
  // The first piece has half of the rows and the least values, the next one half of the rest, and so on.
  const rows = 'SELECT i, floor(log2(40000 / (40000 - i)))::INTEGER AS piece FROM range(40000) t(i)'
  await database.run(
    `CREATE OR REPLACE TEMP TABLE sampled AS SELECT ${merged} FROM (SELECT ${parts} FROM (${rows}) GROUP BY piece)`,
  )
  const results = made.results.map(({ sql }) => sql).join(', ')
  const [found = []] = await database.run(`SELECT ${results} FROM (SELECT ${calls} FROM sampled)`)
  // Further off than a tenth of all rows: once in a billion.
  for (const [at, q] of [0.1, 0.5, 0.9].entries())
    assert.ok(Math.abs(Number(found[at]) / 40_000 - q) < 0.1, `${String(found[at])} is not near ${q * 40_000}`)
  const [[size] = []] = await database.run(`SELECT len("${made.parts[0]?.name ?? ''}") FROM sampled`)
  assert.equal(size, 1024n)
})

test('a sum that does not fit is an error, never another number', async () => {
  const aggregates = { total: 'sum(d)' }
  const columns = [column('d', 'decimal(38,0)')]
  const made = await compileAggregates(database, { columns, groupBy: [], time: undefined, aggregates })
  assert.ok('parts' in made)
  const most = '99999999999999999999999999999999999999::DECIMAL(38,0)'
  const [{ partial, merge } = assert.fail()] = made.parts
  await assert.rejects(
    database.run(`SELECT ${partial} FROM (VALUES (${most}), (${most})) t(d)`),
    /Out of Range|overflow/i,
  )
  await assert.rejects(
    database.run(`SELECT ${merge} FROM (VALUES (${most}), (${most})) t("#0")`),
    /Out of Range|overflow/i,
  )
})

test('a constant of 64 bits stays what it is', async () => {
  const aggregates = { n: 'count(*) FILTER (WHERE i = 9007199254740993)' }
  const made = await compileAggregates(database, { columns: COLUMNS, groupBy: [], time: undefined, aggregates })
  assert.ok('parts' in made)
  assert.match(made.parts[0]?.partial ?? '', /9007199254740993/)
})

function plainly(value: unknown): unknown {
  return value !== null && typeof value === 'object' ? String(value) : value
}

function nearly(given: unknown, wanted: unknown): void {
  if (wanted === null) return assert.equal(given, null)
  const tolerance = 1e-6 * Math.max(1, Math.abs(Number(wanted)))
  assert.ok(Math.abs(Number(given) - Number(wanted)) <= tolerance, `${String(given)} is not ${String(wanted)}`)
}
