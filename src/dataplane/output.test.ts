import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { openLaneDatabase } from './lane-database.ts'
import { jsonRowSql } from './output.ts'
import { quoteName, quoteText } from './sql-text.ts'
import { parseColumnType } from './types.ts'

const TYPES = ['hugeint', 'decimal(38,12)', 'varchar', 'double', 'float', 'timestamp(6)', 'date', 'boolean']
const columns = TYPES.map((type, at) => ({ name: `a "${at}" ü`, type: parseColumnType(type), nullable: true }))

const digits = (bits: number): fc.Arbitrary<string> => fc.bigInt().map((value) => String(BigInt.asIntN(bits, value)))
const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map(String)
const row = fc.tuple(
  fc.option(digits(127)),
  fc.option(fc.tuple(digits(60), fc.nat(999)).map(([whole, part]) => `${whole}.${part}`)),
  fc.option(fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\0', ''))),
  fc.option(number),
  fc.option(fc.float({ noNaN: true, noDefaultInfinity: true }).map(String)),
  fc.option(fc.integer({ min: 0 }).map((ms) => new Date(ms * 1000).toISOString().replace('Z', ''))),
  fc.option(fc.constantFrom('2024-02-29', '0001-01-01', '9999-12-31')),
  fc.option(fc.constantFrom('true', 'false')),
)

test('a row that is one document has each value as a document of its own', async () => {
  await using database = await openLaneDatabase({ memoryLimitBytes: 1 << 27 })
  const typed = columns.map(({ name }, at) => `${quoteName(name)} ${(TYPES[at] ?? '').replace('(6)', '')}`)
  await database.run(`CREATE TEMP TABLE given (${typed.join(', ')})`)
  const alone = columns.map(({ name, type }) => {
    const value = type.kind === 'float' ? `CAST(CAST(${quoteName(name)} AS VARCHAR) AS DOUBLE)` : quoteName(name)
    return `${quoteText(`${JSON.stringify(name)}:`)} || coalesce(CAST(to_json(${value}) AS VARCHAR), 'null')`
  })
  const pair = `SELECT ${jsonRowSql(columns)}, concat('{', concat_ws(',', ${alone.join(', ')}), '}') FROM given`
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 30 }), async (rows) => {
      const values = rows.map(
        (cells) => `(${cells.map((cell) => (cell === null ? 'NULL' : quoteText(cell))).join(', ')})`,
      )
      await database.run(`DELETE FROM given; INSERT INTO given VALUES ${values.join(', ')}`)
      const pairs = await database.run(pair)
      assert.equal(pairs.length, rows.length)
      for (const [together, expected] of pairs) assert.equal(together, expected)
    }),
    { numRuns: 30 },
  )
})
