import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { JsonColumns } from './json-columns.ts'
import { plainParquet } from './parquet-plain.ts'
import { TextColumns } from './text-columns.ts'
import { parseColumnType, type Column } from './types.ts'

const TYPES = [
  'varchar',
  'tinyint',
  'utinyint',
  'integer',
  'uinteger',
  'bigint',
  'ubigint',
  'hugeint',
  'decimal(4,2)',
  'decimal(12,2)',
  'decimal(18,0)',
  'decimal(18,18)',
  'decimal(38,10)',
  'double',
  'timestamp_s',
  'timestamp(3)',
  'timestamp',
  'timestamp_ns',
  'timestamptz',
  'date',
  'time',
  'uuid',
]

const digits = (maxLength: number): fc.Arbitrary<string> =>
  fc.array(fc.nat({ max: 9 }), { maxLength }).map((all) => all.join(''))
const number = fc
  .tuple(fc.constantFrom('', '', '-', '+'), digits(20), fc.constantFrom('', '.', 'e5'), digits(7))
  .map((parts) => parts.join(''))
const two = fc.integer({ min: 0, max: 62 }).map((value) => String(value).padStart(2, '0'))
const day = fc
  .tuple(fc.constantFrom('0001', '1970', '1969', '2024', '2026', '9999', '0000'), two, two)
  .map((parts) => parts.join('-'))
const clock = fc
  .tuple(two, two, two, fc.constantFrom('', '.', '.5', '.123', '.1230', '.123456', '.1234560', '.1234567'))
  .map(([hour, minute, second, fraction]) => `${hour}:${minute}:${second}${fraction}`)
const moment = fc
  .tuple(day, fc.constantFrom(' ', 'T', ''), fc.option(clock, { nil: '' }), fc.constantFrom('', '', 'Z', '+08:00'))
  .map((parts) => parts.join(''))
const good = fc
  .date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
  .map((date) => date.toISOString().slice(0, 23))
const text = fc.oneof(
  number,
  moment,
  good,
  day,
  clock,
  fc.uuid(),
  fc.string({ maxLength: 9 }),
  fc.constantFrom('', 'NaN', '1 ', ' 1'),
)

/** The same values as JSON rows, decoded the usual way: the file, or why a row was refused. */
function throughJson(columns: JsonColumns, values: readonly (string | undefined)[]): string {
  const lines = values.map((value) => `${JSON.stringify(value === undefined ? {} : { v: value })}\n`)
  const buffer = Buffer.from(lines.join(''))
  const decoded = columns.decode(buffer, buffer.length, values.length)
  if (decoded.ok) return Buffer.concat(decoded.parts).toString('latin1')
  const [first] = decoded.errors
  return `row ${first?.row}`
}

/** The values one behind the other, with `between` behind each. */
function asTexts(columns: TextColumns, values: readonly (string | undefined)[], between: string): string {
  columns.reset()
  const bytes = Buffer.alloc(16 * 1024, between)
  bytes.fill(0x0a, bytes.length - 16)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  for (const value of values) {
    const { cells } = columns
    if (value !== undefined) {
      cells.starts[cells.rows] = at
      at += bytes.write(value, at)
      cells.ends[cells.rows] = at
      at += bytes.write(between, at)
    }
    if (++cells.rows < cells.rowsMax) continue
    const fault = columns.take(bytes, view)
    if (fault !== undefined) return `row ${fault.row}`
  }
  const fault = columns.take(bytes, view)
  return fault === undefined
    ? Buffer.concat(plainParquet(columns.plain, columns.pages)).toString('latin1')
    : `row ${fault.row}`
}

for (const type of TYPES) {
  test(`values of ${type} are those of JSON rows, to the byte, and what is refused is refused`, () => {
    const column: Column = { name: 'v', type: parseColumnType(type), nullable: true }
    const json = new JsonColumns([column])
    const texts = new TextColumns([column])
    const values = fc.array(fc.option(text, { nil: undefined, freq: 6 }), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(values, fc.constantFrom('0', '5', '.', '2\u0012', '"'), (some, between) => {
        assert.equal(asTexts(texts, some, between), throughJson(json, some))
        // Mostly good values too: a list with a bad one tells only about its first.
        const fine = some.filter((one) => !throughJson(json, [one]).startsWith('row'))
        assert.equal(asTexts(texts, fine, between), throughJson(json, fine))
      }),
      { numRuns: 50 },
    )
  })
}
