import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { openLaneDatabase } from './lane-database.ts'
import { openQuery } from './query.ts'
import { parseColumnType, type Column } from './types.ts'

const TYPES = {
  id: 'bigint',
  small: 'smallint',
  amount: 'decimal(12,2)',
  at: 'timestamp(3)',
  name: 'varchar',
  flag: 'boolean',
  extra: 'json',
}
const COLUMNS: readonly Column[] = Object.entries(TYPES).map(([name, type]) => ({
  name,
  type: parseColumnType(type),
  nullable: true,
}))

const row = fc.record(
  {
    id: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
    small: fc.integer({ min: -32768, max: 32767 }).map(String),
    amount: fc.integer({ min: 100, max: 999_999 }).map((cents) => `${Math.floor(cents / 100)}.${10 + (cents % 90)}`),
    at: fc
      .date({ min: new Date('0001-01-02T00:00:00Z'), max: new Date('9999-12-30T00:00:00Z'), noInvalidDate: true })
      .map((date) => JSON.stringify(date.toISOString().slice(0, -1).replace('T', ' '))),
    name: fc.oneof(fc.string({ unit: 'binary' }), fc.string({ maxLength: 2 })).map((text) => JSON.stringify(text)),
    flag: fc.boolean().map(String),
    extra: fc.constantFrom('[1.50,{"a":null}]', '{"b":12345678901234567890}'),
  },
  { requiredKeys: [] },
)

/** What is absent comes back as null; texts and fractions have several ways to be written. */
function normal(values: Readonly<Record<string, string>>): Record<string, unknown> {
  const token = (name: string): string => values[name] ?? 'null'
  const whole = Object.keys(TYPES).map((name) => [name, token(name)])
  return {
    ...Object.fromEntries(whole),
    name: JSON.parse(token('name')),
    amount: token('amount').replace(/\.?0+$/, ''),
    at: token('at').replace(/\.0+"$|(?<=\.\d+?)0+"$/, '"'),
  }
}

/** The tokens of a row as they are written; documents hold no comma in front of a key of ours. */
function tokensOf(line: string): Record<string, string> {
  const names = Object.keys(TYPES)
  const pattern = new RegExp(`^\\{${names.map((name) => `"${name}":(.*)`).join(',')}\\}$`, 's')
  const found = pattern.exec(line) ?? assert.fail('a row has all columns')
  return Object.fromEntries(names.map((name, index) => [name, found[index + 1] ?? '']))
}

test('rows of any mixture of columns, NULLs and lengths come back in order and whole', async () => {
  await using database = await openLaneDatabase({ memoryLimitBytes: 128 * 2 ** 20 })
  const input = { format: 'ndjson', name: 'rows', columns: COLUMNS } as const
  const query = await openQuery(database, { input, sql: 'SELECT * FROM rows', output: { format: 'ndjson' } })
  await fc.assert(
    fc.asyncProperty(
      fc.array(row, { minLength: 1, maxLength: 40 }),
      fc.constantFrom(1, 3, 200),
      async (rows, times) => {
        const lines = rows.map((values) => {
          const members = Object.entries(values).map(([name, token]) => `"${name}":${token}`)
          return `{${members.join(',')}}\n`
        })
        const buffer = Buffer.from(lines.join('').repeat(times))
        const result = await query.run({ buffer, length: buffer.length, rows: rows.length * times })
        assert.ok(result.ok, JSON.stringify(result))
        const out = result.buffer.toString('utf8', 0, result.length).split('\n').slice(0, -1)
        assert.equal(out.length, rows.length * times)
        for (const [index, line] of out.entries()) {
          assert.deepEqual(normal(tokensOf(line)), normal(rows[index % rows.length] ?? {}))
        }
      },
    ),
    { numRuns: 40 },
  )
  query.close()
})

test('a piece without rows, and rows without any value, are no special case', async () => {
  await using database = await openLaneDatabase({ memoryLimitBytes: 128 * 2 ** 20 })
  const input = { format: 'ndjson', name: 'rows', columns: COLUMNS } as const
  const query = await openQuery(database, { input, sql: 'SELECT id, name FROM rows', output: { format: 'ndjson' } })
  for (const rows of [0, 1, 8, 5000]) {
    const buffer = Buffer.from('{}\n'.repeat(rows))
    const result = await query.run({ buffer, length: buffer.length, rows })
    assert.ok(result.ok)
    assert.equal(result.buffer.toString('utf8', 0, result.length), '{"id":null,"name":null}\n'.repeat(rows))
  }
  query.close()
})

test('columns may be called anything, and two that SQL cannot tell apart are refused, not mixed up', async () => {
  await using database = await openLaneDatabase({ memoryLimitBytes: 128 * 2 ** 20 })
  const run = async (names: readonly string[]): Promise<string> => {
    const columns = names.map((name) => ({ name, type: parseColumnType('varchar'), nullable: true }))
    const input = { format: 'ndjson', name: 't', columns } as const
    const query = await openQuery(database, { input, sql: 'SELECT * FROM t', output: { format: 'ndjson' } })
    const row = `${JSON.stringify(Object.fromEntries(names.map((name, index) => [name, `v${index}`])))}\n`
    const result = await query.run({ buffer: Buffer.from(row), length: Buffer.byteLength(row), rows: 1 })
    query.close()
    assert.ok(result.ok)
    assert.equal(result.buffer.toString('utf8', 0, result.length), row)
    return row
  }
  await run(['c1', 'c0', 'filename', 'file_row_number', 'rowid', 'a.b', 'x"y', 'ü', "it's", ' '])
  await assert.rejects(run(['id', 'ID']), { code: 'CONFIG', message: /cannot tell two columns/ })
})
