/*
 * Value in = value out, for every type and every path through DuckDB. Each generated text goes in as JSON and as CSV and
 * comes out as JSON, as CSV and as Parquet that is read again; all are compared as text.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { openLaneDatabase, type LaneDatabase } from './lane-database.ts'
import type { QueryOutput } from './output.ts'
import { openQuery, type Query } from './query.ts'
import type { CsvDialect, InputRelation } from './relation.ts'
import { INTEGER_RANGES, parseColumnType, type ColumnType, type IntegerName } from './types.ts'

let database: LaneDatabase
before(async () => {
  database = await openLaneDatabase({ memoryLimitBytes: 256 * 2 ** 20 })
})
after(() => database.close())

const RUNS = { numRuns: 6 }
const ROWS = { minLength: 1, maxLength: 150, size: 'max' } as const
const DIALECT: CsvDialect = { separator: ',', nullText: '\\N', quote: '"', lineEnd: '\n' }
const JSON_OUT: QueryOutput = { format: 'ndjson' }
const CSV_OUT: QueryOutput = { format: 'csv', separator: ',', nullText: '\\N', special: 'quote' }
const PARQUET_OUT: QueryOutput = { format: 'parquet', compression: 'snappy' }
const TEXT_OUTPUTS: readonly QueryOutput[] = [JSON_OUT, CSV_OUT]
const OUTPUTS: readonly QueryOutput[] = [JSON_OUT, CSV_OUT, PARQUET_OUT]

type Values = readonly (string | null)[]

/** Planned once and run for every piece, as lanes do. */
const queries = new Map<string, Query>()

/** What came out, as text, one per row. */
async function pass(
  type: ColumnType,
  form: 'ndjson' | 'csv',
  output: QueryOutput,
  body: string,
  rows: number,
): Promise<Values> {
  const columns = [{ name: 'v', type, nullable: true }]
  const input: InputRelation =
    form === 'ndjson' ? { format: form, name: 't', columns } : { format: form, name: 't', columns, csv: DIALECT }
  const key = JSON.stringify([type, form, output])
  const query = queries.get(key) ?? (await openQuery(database, { input, sql: 'SELECT v FROM t', output }))
  queries.set(key, query)
  const buffer = Buffer.from(body)
  const result = await query.run({ buffer, length: buffer.length, rows })
  assert.ok(result.ok, JSON.stringify(result))
  assert.equal(result.rows, rows)
  if (output.format === 'parquet') return await readParquet(type, result.buffer, result.length)
  const lines = result.buffer.toString('utf8', 0, result.length).split('\n').slice(0, -1)
  return lines.map((line) => (output.format === 'csv' ? fromCsv(line) : fromJson(line)))
}

async function readParquet(type: ColumnType, buffer: Buffer, length: number): Promise<Values> {
  database.input.write(buffer, length)
  const isText = type.kind === 'varchar'
  const column = type.kind === 'blob' ? 'to_base64(v)' : isText ? 'to_base64(encode(v))' : 'v::VARCHAR'
  const rows = await database.run(`SELECT ${column} FROM read_parquet('${database.input.path}')`)
  return rows.map(([value]) => {
    const text = value as string | null
    // DuckDB prints 0.5 as .5 when the type has no digit in front of the point.
    if (type.kind === 'decimal') return text?.replace(/^(-?)\./, '$10.') ?? null
    return isText && text !== null ? Buffer.from(text, 'base64').toString('utf8') : text
  })
}

function fromCsv(line: string): string | null {
  if (line === '\\N') return null
  return line.startsWith('"') ? line.slice(1, -1).replaceAll('""', '"') : line
}

function fromJson(line: string): string | null {
  const token = /^\{"v":(.*)\}$/s.exec(line)?.[1] ?? assert.fail(line)
  if (token === 'null') return null
  return token.startsWith('"') ? (JSON.parse(token) as string) : token
}

function toCsv(text: string | null): string {
  return text === null ? '\\N' : `"${text.replaceAll('"', '""')}"`
}

/** Sends the values through every path; `token` writes one as JSON, `same` is the form in which texts are compared. */
async function check(
  typeText: string,
  values: Values,
  token: (text: string) => string,
  same: (text: string) => string = (text) => text,
): Promise<void> {
  const type = parseColumnType(typeText)
  const json = values.map((text) => `{"v":${text === null ? 'null' : token(text)}}\n`).join('')
  const csv = values.map((text) => `${toCsv(text)}\n`).join('')
  const wanted = values.map((text) => (text === null ? null : same(text)))
  for (const output of OUTPUTS) {
    for (const [form, body] of [
      ['ndjson', json],
      ['csv', csv],
    ] as const) {
      // A text with a line end is two lines of CSV: it can only come out quoted, not be read from a cut piece.
      if (form === 'csv' && values.some((text) => text?.includes('\n') || text?.includes('\r'))) continue
      if (output.format === 'csv' && values.some((text) => text?.includes('\n'))) continue
      const out = await pass(type, form, output, body, values.length)
      assert.deepEqual(
        out.map((text) => (text === null ? null : same(text))),
        wanted,
        `${typeText} ${form} -> ${output.format}`,
      )
    }
  }
}

function holds(
  typeText: string,
  value: fc.Arbitrary<string>,
  token: (text: string) => string,
  same?: (text: string) => string,
): Promise<void> {
  const values = fc.array(fc.option(value, { freq: 8 }), ROWS)
  return fc.assert(
    fc.asyncProperty(values, (rows) => check(typeText, rows, token, same)),
    RUNS,
  )
}

const bare = (text: string): string => text
const quoted = (text: string): string => JSON.stringify(text)
const withoutZeros = (text: string): string =>
  (text.includes('.') ? text.replace(/\.?0+$/, '') : text).replace(/^-0$/, '0')

for (const [name, [min, max]] of Object.entries(INTEGER_RANGES) as [IntegerName, readonly [bigint, bigint]][]) {
  const edges = fc.constantFrom(min, max, min + 1n, max - 1n, 0n, 1n)
  // 128 bits are more than the 38 digits of Parquet's decimals.
  const limit = 10n ** 38n - 1n
  const fits = (value: bigint): boolean => value <= limit && value >= -limit
  const value = fc
    .oneof(fc.bigInt({ min, max }), edges, fc.bigInt({ min: max - 10n, max }))
    .filter(fits)
    .map(String)
  test(`${name} keeps every value`, () => holds(name, fc.oneof(value, fc.constant('0')), bare))
  test(`${name} keeps every value that was written as a string`, () =>
    holds(name, fc.oneof(value, fc.constant('0')), quoted))
}

test('128-bit integers keep the ends of their ranges as JSON and CSV', async () => {
  for (const name of ['hugeint', 'uhugeint'] as const) {
    const values = INTEGER_RANGES[name].map(String)
    const body = values.map((value) => `{"v":${value}}\n`).join('')
    for (const output of TEXT_OUTPUTS) {
      assert.deepEqual(await pass(parseColumnType(name), 'ndjson', output, body, values.length), values)
    }
  }
})

for (const [precision, scale] of [
  [4, 2],
  [9, 0],
  [12, 2],
  [15, 15],
  [18, 2],
  [18, 6],
  [19, 4],
  [38, 0],
  [38, 10],
  [38, 38],
] as const) {
  const limit = 10n ** BigInt(precision) - 1n
  const value = fc
    .oneof(fc.bigInt({ min: -limit, max: limit }), fc.constantFrom(limit, -limit, 0n, 1n, -1n))
    .map((unscaled) => {
      const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0')
      const whole = digits.slice(0, digits.length - scale)
      const text = scale === 0 ? whole : `${whole}.${digits.slice(digits.length - scale)}`
      return unscaled < 0n ? `-${text}` : text
    })
  test(`decimal(${precision},${scale}) keeps every digit`, () =>
    holds(`decimal(${precision},${scale})`, value, bare, withoutZeros))
  test(`decimal(${precision},${scale}) keeps numbers without needless zeros`, () =>
    holds(`decimal(${precision},${scale})`, value.map(withoutZeros), bare, withoutZeros))
}

const finite = { noNaN: true, noDefaultInfinity: true }
const shortest = (text: string): string => (Object.is(Number(text), -0) ? '-0' : String(Number(text)))
test('double keeps every finite number', () =>
  holds(
    'double',
    fc.double(finite).map((value) => shortest(Object.is(value, -0) ? '-0' : String(value))),
    bare,
    shortest,
  ))
test('float keeps every finite number', () => {
  const single = (text: string): string => shortest(String(Math.fround(Number(text))))
  return holds(
    'float',
    fc.float(finite).map((value) => shortest(String(value))),
    bare,
    single,
  )
})

test('boolean keeps its values', () => holds('boolean', fc.constantFrom('true', 'false'), bare))

const TROUBLE = [
  '',
  ' ',
  '\\N',
  'NULL',
  'null',
  '"',
  '""',
  ',',
  'a,b',
  '\\',
  '\\"',
  "'",
  '#',
  '\t',
  '\0',
  '\x01',
  '\x02',
  '\x7f',
  '\r',
  '\n',
  '\u2028',
  '\ufeff',
  '\u{10ffff}',
  'ä',
  '日本',
  '😀',
  '=1+1',
  '17',
  'true',
  '__proto__',
]
test('varchar keeps every text', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: 'grapheme' }),
    fc.constantFrom(...TROUBLE),
    fc.tuple(fc.constantFrom(...TROUBLE), fc.constantFrom(...TROUBLE)).map((pair) => pair.join('')),
  )
  return holds('varchar', text, quoted)
})

const pad = (value: number, width: number): string => String(value).padStart(width, '0')
const date = fc.oneof(
  fc
    .date({ min: new Date('0001-01-02T00:00:00Z'), max: new Date('9999-12-30T00:00:00Z'), noInvalidDate: true })
    .map((day) => day.toISOString().slice(-24, -14)),
  fc.constantFrom('0001-01-01', '9999-12-31', '1970-01-01', '1969-12-31', '2000-02-29', '1582-10-10'),
)
const clock = fc
  .tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }), fc.integer({ min: 0, max: 59 }))
  .map((parts) => parts.map((part) => pad(part, 2)).join(':'))
const fraction = (digits: number): fc.Arbitrary<string> =>
  fc.oneof(
    fc.constant(''),
    fc.integer({ min: 0, max: 10 ** digits - 1 }).map((value) => `.${pad(value, digits)}`),
  )
const moment = (text: string): string => withoutFraction(text.replace('T', ' '))
const withoutFraction = (text: string): string => text.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '')

test('date keeps every day of the years 1 to 9999', () => holds('date', date, quoted))
test('time keeps its microseconds', () =>
  holds(
    'time',
    fc.tuple(clock, fraction(6)).map((parts) => parts.join('')),
    quoted,
    withoutFraction,
  ))
for (const precision of [0, 2, 3, 6, 9]) {
  const years =
    precision === 9
      ? date.map((day) => day.replace(/^..../, (year) => pad(1700 + (Number(year) % 500), 4)).replace('02-29', '02-28'))
      : date
  const value = fc
    .tuple(years, fc.constantFrom(' ', 'T'), clock, precision === 0 ? fc.constant('') : fraction(precision))
    .map((parts) => parts.join(''))
  test(`timestamp(${precision}) keeps every moment`, () => holds(`timestamp(${precision})`, value, quoted, moment))
}
test('timestamptz keeps every moment', () => {
  const value = fc
    .tuple(date, fc.constantFrom(' ', 'T'), clock, fraction(6), fc.constantFrom('Z', '+00', '+00:00'))
    .map((parts) => parts.join(''))
  return holds('timestamptz', value, quoted, (text) => moment(text.replace(/(Z|\+00|\+00:00)$/, '')))
})
test('timestamptz takes offsets into account', () =>
  check(
    'timestamptz',
    ['2024-05-06 07:08:09+08:00', '2024-05-05 23:08:09Z', '2024-05-05T20:08:09-03'],
    quoted,
    (text) => text.replace(/^.*(\+08:00|Z|-03)$/, '2024-05-05 23:08:09+00'),
  ))

test('uuid keeps its digits', () => holds('uuid', fc.uuid(), quoted))
test('blob keeps its bytes', () =>
  holds(
    'blob',
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('base64')),
    quoted,
  ))
test('json keeps documents as they are written', async () => {
  const documents = [
    '{"a": 1.10, "b":12345678901234567890.123456789,"a":3}',
    '[]',
    '"x"',
    '1.50',
    'true',
    '{"q":"\\"\\\\ü"}',
    '-0.0',
  ]
  const body = documents.map((text) => `{"v":${text}}\n`).join('')
  const type = parseColumnType('json')
  const lines = await pass(type, 'ndjson', { format: 'ndjson' }, body, documents.length)
  assert.deepEqual(
    lines,
    documents.map((text) => (text === '"x"' ? 'x' : text)),
  )
  assert.deepEqual(await pass(type, 'ndjson', CSV_OUT, body, documents.length), documents)
  assert.deepEqual(await pass(type, 'ndjson', PARQUET_OUT, body, documents.length), documents)
})

test('a missing key, null and the empty string stay apart', async () => {
  const body = '{}\n{"v":null}\n{"v":""}\n'
  for (const output of OUTPUTS) {
    assert.deepEqual(await pass({ kind: 'varchar' }, 'ndjson', output, body, 3), [null, null, ''])
  }
})

test('an escaped key is the key', async () => {
  assert.deepEqual(await pass({ kind: 'varchar' }, 'ndjson', JSON_OUT, '{"\\u0076":"x"}\n', 1), ['x'])
})
