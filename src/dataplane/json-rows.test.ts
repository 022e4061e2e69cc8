/**
 * The short way of the JSON decoder must take exactly what the long way takes, with the same values, and never a row that
 * the long way refuses. Both are given the same pieces and have to make the same bytes: a column of type json, which is
 * always absent, keeps a decoder from the short way.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { withoutRows, type BytesPiece } from './bytes-piece.ts'
import { ColumnPage } from './column-page.ts'
import { JsonColumns } from './json-columns.ts'
import { JsonRows } from './json-rows.ts'
import type { RowError } from './row-error.ts'
import { parseColumnType, type Column } from './types.ts'

const TYPES = {
  id: 'bigint',
  tiny: 'tinyint',
  count: 'uinteger',
  huge: 'hugeint',
  unsigned: 'ubigint',
  amount: 'decimal(12,2)',
  part: 'decimal(4,4)',
  large: 'decimal(30,5)',
  ratio: 'double',
  single: 'float',
  flag: 'boolean',
  name: 'varchar',
  at: 'timestamp(3)',
  exact: 'timestamp(6)',
  nanos: 'timestamp(9)',
  zoned: 'timestamptz',
  day: 'date',
  clock: 'time',
  uuid: 'uuid',
  data: 'blob',
}
const COLUMNS: readonly Column[] = Object.entries(TYPES).map(([name, type]) => ({
  name,
  type: parseColumnType(type),
  nullable: name !== 'tiny',
}))
const NEVER: Column = { name: 'never', type: parseColumnType('json'), nullable: true }

/** Both ways make the same columns or name the same faults; and the same again when those rows are taken out. */
function assertSame(text: string | Buffer, rows: number): void {
  const buffer = Buffer.from(text)
  let piece: BytesPiece = { buffer, length: buffer.length, rows }
  for (;;) {
    // A new one, because a decoder may be resting from the short way.
    const short = decode(new JsonColumns(COLUMNS), piece)
    const long = decode(LONG_WAY, piece)
    assert.deepEqual(short, long)
    if (!('errors' in long)) return
    piece = withoutRows(piece, long.errors).rest
    if (piece.rows === 0) return
  }
}

const LONG_WAY = new JsonColumns([...COLUMNS, NEVER])

/** The pages of all columns but `NEVER`. */
function decode(
  decoder: JsonColumns,
  { buffer, length, rows }: BytesPiece,
): { errors: readonly RowError[] } | string[] {
  const decoded = decoder.decode(buffer, length, rows)
  if (!decoded.ok) return { errors: decoded.errors }
  return decoded.parts.slice(1, 1 + 2 * COLUMNS.length).map((part) => Buffer.from(part).toString('hex'))
}

const quoted = (texts: fc.Arbitrary<string>): fc.Arbitrary<string> => texts.map((text) => JSON.stringify(text))
const digits = (max: number): fc.Arbitrary<string> => fc.stringMatching(new RegExp(`^-?(0|[1-9][0-9]{0,${max - 1}})$`))
const decimals = (whole: number, scale: number): fc.Arbitrary<string> =>
  fc.stringMatching(new RegExp(`^-?(0|[1-9][0-9]{0,${whole}})([.][0-9]{1,${scale}})?$`))
const moment = fc
  .date({ min: new Date('0001-01-02T00:00:00Z'), max: new Date('9999-12-30T00:00:00Z'), noInvalidDate: true })
  .map((date) => date.toISOString())
const edges = fc.constantFrom(
  '2024-02-29 23:59:59',
  '2023-02-29 00:00:00',
  '1900-02-29 00:00:00',
  '2000-02-29 00:00:00.5',
  '2024-04-31 00:00:00',
  '2024-12-31T00:00:00.999',
  '0000-01-01 00:00:00',
  '2024-00-01 00:00:00',
  '2024-01-00 00:00:00',
  '2024-01-01 24:00:00',
  '2024-01-01 00:60:00',
  '2024-01-01 00:00:60',
  '2024-01-01',
  '2024-01-01 00:00:00.',
  '2024-01-01 00:00:00.1234',
  '2024-01-01 00:00:00.1234567',
)
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ maxLength: 40 }),
  fc.constantFrom('', '"\\/\b\f\n\r\t'),
)

/** Tokens that mostly are values of the column, in every way in which people write them. */
const TOKENS: Readonly<Record<keyof typeof TYPES, fc.Arbitrary<string>>> = {
  id: fc.oneof(digits(19), quoted(digits(19)), decimals(3, 1)),
  tiny: fc.oneof(digits(2), digits(3)),
  count: fc.oneof(digits(9), digits(10)),
  huge: fc.oneof(digits(38), digits(39)),
  unsigned: fc.oneof(digits(19), digits(20)),
  amount: fc.oneof(decimals(9, 2), decimals(10, 3), quoted(decimals(9, 2))),
  part: decimals(0, 5),
  large: fc.oneof(decimals(25, 5), quoted(decimals(20, 6))),
  ratio: fc.oneof(
    fc.double({ noNaN: true }).map(String),
    decimals(16, 16),
    fc.constantFrom('1e3', '-0', '0.0', '1E-400'),
  ),
  single: fc.oneof(fc.float({ noNaN: true }).map(String), decimals(8, 8)),
  flag: fc.constantFrom('true', 'false', '1', '"true"', 'tru'),
  name: fc.oneof(
    quoted(anyText),
    anyText.map(
      (text) => `"${text.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)}"`,
    ),
    fc.constantFrom('"\\ud83d\\ude00"', '"\\ud83d"', '"a\\x"', '"\\u12g4"', '7'),
  ),
  at: fc.oneof(quoted(moment.map((text) => text.slice(0, -1))), quoted(edges)),
  exact: fc.oneof(quoted(moment.map((text) => `${text.slice(0, -1)}456`.replace('T', ' '))), quoted(edges)),
  nanos: fc.oneof(quoted(edges), fc.constant('"2024-01-01 00:00:00.123456789"')),
  zoned: fc.oneof(quoted(moment), quoted(moment.map((text) => text.replace('Z', '+08:00'))), quoted(edges)),
  day: fc.oneof(quoted(moment.map((text) => text.slice(0, 10))), fc.constantFrom('"2024-1-1"', '"2023-02-29"')),
  clock: fc.oneof(quoted(moment.map((text) => text.slice(11, -1))), fc.constantFrom('"24:00:00"', '"12:00"')),
  uuid: fc.oneof(quoted(fc.uuid()), fc.constantFrom('"x"', '""')),
  data: fc.oneof(quoted(fc.base64String()), fc.constantFrom('"a"', '"YW\\/h"')),
}

const SPACES = fc.constantFrom('', '', '', ' ', '\t', ' \r')
const row: fc.Arbitrary<Record<string, string>> = fc.record<Record<string, string>>(
  {
    ...Object.fromEntries(
      Object.entries(TOKENS).map(([name, token]) => [
        name,
        fc.oneof({ weight: 8, arbitrary: token }, fc.constant('null')),
      ]),
    ),
    other: fc.constantFrom('1', '"x"', '"\\n"', 'null', 'true', '-1.5', '1e5', '[1,{"a":"}"}]', '{"id":2}', '01'),
  },
  { requiredKeys: ['id', 'tiny', 'name'] },
)

function line(values: Readonly<Record<string, string>>, [before_, after_]: readonly [string, string]): string {
  const members = Object.entries(values).map(
    ([key, token]) => `${before_}"${key}"${after_}:${after_}${token}${before_}`,
  )
  return `{${members.join(',')}}${after_}\n`
}

test('rows of any form and value come out of the short way as out of the long one, or are refused for the same reason', () => {
  const shapes = fc.tuple(
    fc.array(row, { minLength: 1, maxLength: 4 }),
    fc.tuple(SPACES, SPACES),
    fc.integer({ min: 1, max: 20 }),
  )
  fc.assert(
    fc.property(shapes, ([rows, spaces, times]) => {
      assertSame(
        rows
          .map((values) => line(values, spaces))
          .join('')
          .repeat(times),
        rows.length * times,
      )
    }),
    { numRuns: 150 },
  )
})

test('rows of one form with ever other values of a type come out alike', () => {
  for (const [name, token] of Object.entries(TOKENS)) {
    const rowOf = (one: string): string => line({ id: '1', tiny: '2', name: '"n"', [name]: one }, ['', ''])
    const good = rowOf(fc.sample(token, { numRuns: 1, seed: 1 })[0] ?? 'null')
    for (const one of fc.sample(token, { numRuns: 60, seed: 7 })) assertSame(good + rowOf(one) + good, 3)
  }
})

test('a byte that is changed anywhere changes both ways alike', () => {
  const good = line(
    {
      id: '-12',
      tiny: '7',
      amount: '12.50',
      ratio: '0.25',
      flag: 'true',
      name: '"a\\nb é"',
      at: '"2024-05-06T07:08:09.123"',
      other: '"x"',
    },
    ['', ' '],
  )
  const change = fc.record({ place: fc.nat({ max: Buffer.byteLength(good) - 2 }), byte: fc.nat({ max: 255 }) })
  fc.assert(
    fc.property(change, ({ place, byte }) => {
      if (byte === 0x0a) return
      const buffer = Buffer.from(good.repeat(4))
      buffer[2 * Buffer.byteLength(good) + place] = byte
      assertSame(buffer, 4)
    }),
    { numRuns: 300 },
  )
})

test('a piece whose last row has no newline, or is cut off, is read alike', () => {
  const good = line({ id: '1', tiny: '2', name: '"0123456789abcdef0123"' }, ['', ''])
  const text = good.repeat(5)
  assertSame(text.slice(0, -1), 5)
  for (let cut = 2; cut < good.length; cut++) assertSame(text.slice(0, -cut), 5)
})

test('usual values of every type are taken the short way once their form is known', () => {
  const nulls = COLUMNS.map(() => new ColumnPage())
  let others = 0
  const columns = COLUMNS.map((column) => ({ ...column, nullable: true }))
  const rows = JsonRows.of(columns, () => {
    others++
    return nulls
  })
  assert.ok(rows)
  const values = {
    id: '-123456789012345678',
    tiny: '-99',
    count: '999999999',
    huge: '12345678901234567890123456789012345678',
    unsigned: '"1234567890123456789"',
    amount: '"-1.5"',
    part: '0.25',
    large: '1234567890123456789.5',
    ratio: '-0.125',
    single: '3',
    flag: 'true',
    name: '"a \\n\\u00e9\\ud83d\\ude00 b"',
    at: '"2024-02-29T07:08:09.123"',
    exact: '"0001-01-01 00:00:00.123456"',
    nanos: '"9999-12-31 23:59:59.123456789"',
    zoned: '"2024-01-01T00:00:00+08:00"',
    day: '"2024-02-29"',
    clock: '"23:59:59.5"',
    uuid: '"123e4567-e89b-12d3-a456-426614174000"',
    data: '"YWI="',
    other: '"x"',
    more: '-1.5',
  }
  const lines = [line(values, ['', ' ']), line({ ...values, flag: 'false', amount: 'null' }, ['', ' '])]
  const buffer = Buffer.from(lines.join('').repeat(50))
  assert.ok(rows.decode(buffer, buffer.length, 100))
  assert.equal(others, 1)
})

test('rows that take turns with other forms are all taken, and too many forms go the long way for a while', () => {
  const columns = COLUMNS.slice(0, 2).map((column) => ({ ...column, nullable: true }))
  let others = 0
  const rows = JsonRows.of(columns, () => {
    others++
    const page = new ColumnPage()
    page.reserve(8)
    page.view.setBigInt64(0, 7n, true)
    page.length = 8
    page.addPresent()
    return [page, new ColumnPage()]
  })
  assert.ok(rows)
  const decode = (lines: readonly string[]): boolean => {
    const buffer = Buffer.from(lines.map((text) => `${text}\n`).join(''))
    return rows.decode(buffer, buffer.length, lines.length) !== undefined
  }
  const turns = Array.from({ length: 1000 }, (_, n) => (n % 2 === 0 ? `{"id":${n}}` : `{"tiny":1,"id":${n}}`))
  assert.ok(decode(turns))
  assert.equal(others, 2)
  assert.ok(decode(turns))
  assert.equal(others, 2)
  const strange = Array.from({ length: 1000 }, (_, n) => `{"id":${n},"key ${n}":1}`)
  assert.equal(decode(strange), false)
  for (let piece = 0; piece < 16; piece++) assert.equal(decode(turns), false)
  assert.ok(decode(turns))
})

test('a piece for which there is no room goes the long way', () => {
  const columns = Array.from({ length: 400 }, (_, n) => ({
    name: `c${n}`,
    type: parseColumnType('varchar'),
    nullable: true,
  }))
  const rows = JsonRows.of(columns, () => assert.fail('no row is looked at'))
  assert.ok(rows)
  const buffer = Buffer.from('{}\n'.repeat(1_000_000))
  assert.equal(rows.decode(buffer, buffer.length, 1_000_000), undefined)
})
